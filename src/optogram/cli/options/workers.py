"""Options that choose where work is done."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from optogram.jobs.on_ray import Ray


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--on``, ``--cpus`` and ``--gpus``."""
    for option in reversed(
        (
            click.option(
                "--on",
                metavar="ray|ray://HOST:PORT",
                help="Compute on a Ray cluster: one started on this machine, or another.  "
                "[default: in this process]",
            ),
            click.option(
                "--cpus", default=1.0, show_default=True, help="CPUs of each worker of Ray."
            ),
            click.option(
                "--gpus", default=0.0, show_default=True, help="GPUs of each worker of Ray."
            ),
        )
    ):
        command = option(command)
    return command


def cluster(on: str | None, cpus: float, gpus: float) -> "Ray | None":
    """The cluster that the options choose; None: this process."""
    from dataclasses import replace

    from optogram.jobs.running import cluster_of

    found = cluster_of(on)
    if found is None:
        if (cpus, gpus) != (1.0, 0.0):
            raise click.UsageError("--cpus and --gpus are for workers of Ray: give --on ray, too.")
        return None
    return replace(found, cpus=cpus, gpus=gpus)

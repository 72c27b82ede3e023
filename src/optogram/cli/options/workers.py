"""Options that choose where work is done."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.jobs.estimate import Estimate
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


def dry_run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--dry-run``."""
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Only say how many work units, FLOPs, bytes and minutes it would take.",
    )(command)


def tell_estimates(found: "list[Estimate]") -> None:
    """Print what each part would take."""
    from optogram.interpreters.memory import in_words
    from optogram.jobs.estimate import WORKERS

    if not any(one.units for one in found):
        say("Nothing is left to do.")
        return
    say(f"{'part':22}{'work units':>11}{'items':>9}{'TFLOPs':>10}{'stored':>10}{'minutes':>10}")
    for one in found:
        say(
            f"{one.part:22}{one.units:>11,}{one.items:>9,}{one.flops / 1e12:>10,.1f}"
            f"{in_words(int(one.stored)):>10}{one.seconds / 60:>10,.1f}"
        )
    say("Stored: before compression. Minutes: of one worker like this machine, as measured now.")
    for workers in WORKERS:
        seconds = sum(one.seconds_with(workers) for one in found)
        hours = sum(one.seconds for one in found) / 3600
        say(
            f"{counted(workers, 'worker'):25}{seconds / 60:>10,.1f} minutes, "
            f"{max(hours, workers * seconds / 3600):,.1f} worker-hours"
        )

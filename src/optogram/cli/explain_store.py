"""`optogram explain` into a store: the maps of many photos."""

from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import complain, output_format, say, shown_progress
from optogram.cli.options.attribution import TAKEN_BY, Asked
from optogram.cli.options.best import with_best
from optogram.cli.options.network import open_network
from optogram.cli.options.parsing import is_given
from optogram.cli.options.workers import cluster, tell_estimates
from optogram.cli.photos import is_store
from optogram.cli.stopping import when_stopped
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.explaining.opened import AttributionStore

_OF_PICTURES = ("overlay", "opacity", "mask", "of", "stages", "cell")
_OF_STORES = ("check", "on", "cpus", "gpus", "dry_run")
_MEMORY = "1GB"


def require_options(context: click.Context, out: str) -> None:
    """Raise a UsageError where an option is given that does not fit what ``out`` names."""
    if not is_store(out):
        if given := [name for name in _OF_STORES if is_given(context, name)]:
            raise click.UsageError(
                f"--{given[0].replace('_', '-')} is for maps in a store: give --out a name that "
                "ends in .zarr."
            )
        return
    if given := [name for name in _OF_PICTURES if is_given(context, name)]:
        raise click.UsageError(
            f"--{given[0]} is for pictures, and {out} is a store: leave it out, or give --out a "
            "folder."
        )
    if output_format() != "text":
        raise click.UsageError(
            f"--{output_format()} is for pictures, and {out} is a store, which programs read: "
            "leave it out."
        )


def explain_into_store(
    photos: tuple[str, ...],
    model: str,
    asked: Asked,
    evaluation: str,
    out: str,
    check: str | None,
    on: str | None,
    cpus: float,
    gpus: float,
    dry_run: bool,
    fit: str,
    opening: dict[str, Any],
) -> None:
    """Explain all photos, and keep the maps in a store."""
    from optogram.jobs.store import require_packages
    from optogram.pictures.photo_set import PhotoSet

    require_packages(out)
    _require_one("layer", len(asked.layers))
    _require_one("target", asked.count)
    photo_set = PhotoSet.of(_place(photos))
    net = open_network(model, **opening)
    asked = with_best(click.get_current_context(), asked, evaluation, net).usable(net)
    import optogram

    target = None if asked.target is None else asked.target.targets(net)[0]
    taken = {
        name: option
        for name, option in asked.options.items()
        if set(TAKEN_BY.get(name, asked.methods)) & set(asked.methods)
    }
    asked_for: dict[str, Any] = {
        "method": asked.methods,
        "target": target,
        "layer": asked.layers[0] if asked.layers else None,
        "check": check,
        "check_seed": asked.seed,
        "fit": fit,
        "memory": asked.memory or _MEMORY,
    }
    if dry_run:
        from optogram.explaining.estimate import estimate
        from optogram.explaining.paths import KIND
        from optogram.explaining.plan import planned
        from optogram.jobs.store import Store

        known = Store.existing(out, KIND)
        plan = planned(net, photo_set, known, **asked_for, size=None, settings=taken)
        tell_estimates(estimate(plan, known))
        return
    last = (0, 0, "maps")

    def stopped() -> str:
        """How far the work is."""
        done, total, what = last
        return (
            f"Stopped after {done} of {counted(total, 'photo')} ({what}). Run the same command "
            "again to continue."
        )

    when_stopped(stopped)
    with shown_progress() as progress:

        def counting(done: int, total: int, what: str) -> None:
            nonlocal last
            last = done, total, what
            progress(done, total, what)

        found = optogram.explain_all(
            net,
            photo_set,
            out,
            **asked_for,
            on=cluster(on, cpus, gpus),
            progress=counting,
            **taken,
        )
    for name, reason in found.unread.items():
        complain(f"Skipped: {name}: {reason}")
    say(f"{counted(len(found.photos), 'photo')}, {', '.join(asked.methods)}: {out}")
    _tell_empty(found, asked.methods)
    if check is not None:
        _tell_checks(found, asked.methods)
    if found.unread:
        raise click.exceptions.Exit(1)


def _require_one(option: str, count: int) -> None:
    """Raise a UsageError where an option is given several times."""
    if count > 1:
        raise click.UsageError(
            f"Give one --{option}, not {count}: a store holds one map of each method and photo."
        )


def _place(photos: tuple[str, ...]) -> str | list[str]:
    """What a `PhotoSet` is made of."""
    from pathlib import Path

    from optogram.files import kind_at

    if len(photos) == 1:
        return photos[0]
    if any(kind_at(Path(photo)) == "folder" for photo in photos):
        raise click.UsageError("Give one folder, or several photos.")
    return list(photos)


def _tell_empty(found: "AttributionStore", methods: list[str]) -> None:
    """Warn about maps that are zero everywhere."""
    for method in methods:
        low, high = (found.column(name, method) for name in ("minimum", "maximum"))
        empty = [found.photos[i] for i in ((low == 0) & (high == 0)).nonzero()[0]]
        if empty:
            verb = "is" if len(empty) == 1 else "are"
            say(
                f"Warning: {counted(len(empty), 'map')} of {method} {verb} zero everywhere, such "
                f"as that of {empty[0]}.",
                err=True,
            )


def _tell_checks(found: "AttributionStore", methods: list[str]) -> None:
    """Say how many maps passed the checks."""
    for method in methods:
        checks = found.checks(method)
        if not len(checks.photos):
            continue
        gains = (checks.insertion_area - checks.deletion_area).mean(axis=0)
        ours, random, edges = gains
        say(
            f"{method}: {checks.passed.sum()} of {counted(len(checks.photos), 'checked map')} "
            "passed. A map passes if it changes when the weights are scrambled, and marks what "
            "matters more than random places and edges do. Mean insertion − deletion area: "
            f"{ours:.2f}, random {random:.2f}, edges {edges:.2f}; rank correlation with the map of "
            f"scrambled weights: {checks.similarity.mean():.2f}."
        )

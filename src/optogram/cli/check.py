"""`optogram check`: sanity checks for attribution maps."""

from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.cli.options.attribution import (
    Asked,
    attribution_options,
    warn,
)
from optogram.cli.options.network import (
    fit_option,
    made_folder,
    model_option,
    network_options,
    open_network,
)
from optogram.cli.photos import Photos
from optogram.progress import progress_bar

if TYPE_CHECKING:
    from optogram.result import Check


@click.command()
@click.argument("photos", nargs=-1, required=True)
@model_option
@attribution_options
@click.option(
    "--steps",
    default=24,
    show_default=True,
    help="Number of steps in which pixels are deleted and inserted.",
)
@click.option(
    "--out",
    metavar="DIR",
    default="checked",
    show_default=True,
    help="Folder for pictures and results.",
)
@fit_option
@network_options
def check(
    photos: tuple[str, ...],
    model: str,
    asked: Asked,
    steps: int,
    out: str,
    fit: str,
    **opening: Any,
) -> None:
    """Run sanity checks on the maps of METHODS for PHOTOS (files or folders).

    Randomization: the weights are scrambled and the map is computed again. A map that stays the
    same does not explain the network. Deletion and insertion: pixels are removed and restored in
    the order of the map. A good map changes the score more than random and edge maps do. Writes
    METHOD.png and METHOD.npz for each method, with several layers METHOD-LAYER. Photos that cannot
    be read are skipped and listed on standard error; the exit status is then 1.
    """
    net = open_network(model, **opening)
    import optogram
    from optogram.files import require_place
    from optogram.progress import Meter
    from optogram.render import write
    from optogram.result import Check

    given = Photos(photos)
    folder = made_folder(out)
    runs = asked.runs(net)
    for run in runs:
        for ending in ("png", "npz"):
            require_place(folder / f"{run.stem}.{ending}")
    parts: dict[str, list[Check]] = {run.stem: [] for run in runs}
    told = {run.stem: set(net.warnings) for run in runs}
    with progress_bar() as progress:
        meter = Meter(progress, 100 * len(given.paths) * len(runs))
        for path in given.paths:
            with given.reading(path):
                image = net.prepare([path], fit)
                for run in runs:
                    with meter.part(100, f"{run.stem}: {path}") as within:
                        result = asked.ask(net, run.method, run.layer, image, within)
                        warn(f"{path}, {run.stem}", result, told[run.stem])
                        found = optogram.check(
                            result, steps=steps, seed=asked.seed, memory=asked.memory
                        )
                    first = parts[run.stem][:1]
                    parts[run.stem].append(found.with_pictures_of(*first) if first else found)
    given.require_some()
    checks = []
    for stem, of_run in parts.items():
        found = Check.joined(of_run)
        write(found.plot(), folder / f"{stem}.png")
        found.save(folder / f"{stem}.npz")
        checks.append(found)
        table = found.table().split("\n")
        say("", f"{stem}, {len(found.targets)} maps", "", *table, "", found.sentence)
    if len(checks) > 1:
        say("", *_overview([run.stem for run in runs], checks))
    say("", f"Pictures and results are in {folder}.")
    given.finish()


def _overview(names: list[str], checks: "list[Check]") -> list[str]:
    """One line per check, below a header."""
    width = max(map(len, names))
    lines = [f"{'':{width}}  similarity when scrambled  insertion − deletion: map, random, edges"]
    for name, found in zip(names, checks, strict=True):
        gains = (found.insertion_area - found.deletion_area).mean(axis=0)
        alike = float(found.similarity.mean())
        words = "  ".join(f"{gain:6.2f}" for gain in gains)
        lines.append(f"{name:{width}}  {alike:20.2f}  {words:>43}")
    return lines

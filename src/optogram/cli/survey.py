"""`optogram survey`: every unit of a network, over a folder of photos, in a store."""

import functools
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import complain, say, shown_progress
from optogram.cli.options.network import DEFAULT, fit_option, network_options, open_network
from optogram.cli.options.output import quiet_option
from optogram.cli.options.parsing import numbers
from optogram.cli.options.precision import FAST, precision_options
from optogram.cli.options.workers import cluster_options, dry_run_option, tell_estimates
from optogram.cli.stopping import when_stopped
from optogram.words import counted

if TYPE_CHECKING:
    from optogram.network.network import Network

_PARTS = ("photos", "statistics", "neighbors", "classes", "kernels", "patterns")


@click.command()
@click.argument("model", default=DEFAULT)
@click.option(
    "--photos",
    metavar="PATH",
    required=True,
    help="Folder with photos; tar files in WebDataset's layout, Parquet files and .npy arrays are "
    "read, too.",
)
@click.option(
    "--out",
    metavar="STORE",
    required=True,
    help="Zarr store: a folder such as net.zarr, or s3://BUCKET/net.zarr. An interrupted run "
    "continues from it.",
)
@click.option(
    "--layers",
    metavar="NAMES",
    help='Layers, such as "block5b_add,block*_relu6"; later runs on the same store choose those '
    "whose patterns are made.  [default: all with feature maps, and dense ones]",
)
@click.option(
    "--units",
    metavar="NUMBERS",
    help='Units of each layer whose patterns are made, such as "0-63".  [default: all]',
)
@click.option(
    "--what",
    metavar="PARTS",
    help=f"What to compute: all, or some of {', '.join(_PARTS)}.  [default: all but patterns, "
    "which take long]",
)
@click.option(
    "--top", type=click.IntRange(1), default=9, show_default=True, help="Photos per unit."
)
@click.option(
    "--recipe",
    type=click.Choice(["tutorial", "fast", "lucid", "maco"]),
    default="fast",
    show_default=True,
    help="Recipe of the patterns.",
)
@click.option("--steps", type=click.IntRange(1), help="Number of steps of the recipe.")
@click.option(
    "--variants",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Patterns per unit, each from other random numbers.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed of the patterns.")
@functools.partial(precision_options, of=" of the pass over the photos")
@dry_run_option
@cluster_options
@fit_option
@network_options
@quiet_option
def survey(
    model: str,
    photos: str,
    out: str,
    layers: str | None,
    units: str | None,
    what: str | None,
    top: int,
    recipe: str,
    steps: int | None,
    variants: int,
    seed: int,
    precision: str,
    dry_run: bool,
    on: str | None,
    cpus: float,
    gpus: float,
    fit: str,
    **opening: Any,
) -> None:
    """Describe every unit of MODEL over many photos, and keep the result in a Zarr store.

    For each unit: statistics, the photos that activate it most and where in them, the classes that
    it serves, its nearest units, and patterns that maximize it. The same command continues an
    interrupted run, and adds photos that are new. Photos that cannot be read are listed on standard
    error; the exit status is then 1.
    """
    from optogram.jobs.store import require_packages

    require_packages(out)
    if units is not None:
        numbers(units, option="--units")
    net = open_network(model, **opening)
    from optogram.cli.options.workers import cluster
    from optogram.surveying.survey import survey as compute

    settings: dict[str, Any] = {
        "layers": None if layers is None else _listed(layers),
        "units": None if units is None else numbers(units, _most_units(net), net.name, "--units"),
        "what": None if what is None else _listed(what),
        "top": top,
        "fit": fit,
        "recipe": recipe,
        "variants": variants,
        "seed": seed,
        "precision": precision,
    }
    changes: dict[str, Any] = {} if steps is None else {"steps": steps}
    if dry_run:
        from optogram.jobs.store import Store
        from optogram.surveying.estimate import estimate
        from optogram.surveying.paths import KIND
        from optogram.surveying.plan import planned

        store = Store.existing(out, KIND)
        plan = planned(net, photos, store, size=None, changes=changes, **settings)
        tell_estimates(estimate(plan, store))
        return
    last = (0, 0, "photos")

    def stopped() -> str:
        """How far the work is."""
        done, total, kind = last
        return f"Stopped after {done} of {total} {kind}. Run the same command again to continue."

    when_stopped(stopped)
    with shown_progress() as progress:

        def counting(done: int, total: int, kind: str) -> None:
            nonlocal last
            last = done, total, kind
            progress(done, total, kind)

        found = compute(
            net, photos, out, on=cluster(on, cpus, gpus), progress=counting, **settings, **changes
        )
    if precision == FAST and "precision" not in found.identity:
        say("--fast is no faster here: all was computed exactly.")
    for name, reason in found.unread.items():
        complain(f"Skipped: {name}: {reason}")
    say(
        f"{counted(found.count, 'unit')} of {counted(len(found.layers), 'layer')}, "
        f"{counted(len(found.photos), 'photo')}: {out}"
    )
    if found.unread:
        raise click.exceptions.Exit(1)


def _most_units(net: "Network") -> int:
    """Number of units of the widest layer."""
    return max(layer.output_shape[-1] or 0 for layer in net.layers if layer.output_shape)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]

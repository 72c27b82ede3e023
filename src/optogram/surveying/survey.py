"""A survey: what every unit of a network does over many photos, kept in a Zarr store."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.jobs.on_ray import Ray
from optogram.jobs.running import cluster_of, reaching, run
from optogram.jobs.store import Store
from optogram.jobs.work import WorkUnit, left_to_do
from optogram.methods.ascent.recipe import Recipe
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting
from optogram.surveying import layout, merging
from optogram.surveying.opened import Survey
from optogram.surveying.paths import KIND, ROUNDING_ERROR
from optogram.surveying.plan import Plan, planned
from optogram.surveying.rounding import rounding_error


@checked
def survey(
    net: Network,
    photos: Any,
    out: str | os.PathLike,
    *,
    layers: str | Sequence[str] | None = None,
    units: Iterable[int] | None = None,
    what: str | Iterable[str] | None = None,
    top: int = 9,
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    recipe: str | Recipe = "fast",
    variants: int = 1,
    seed: int = 0,
    precision: str = "exact",
    on: str | Ray | None = None,
    progress: ShownProgress = None,
    **changes: Any,
) -> Survey:
    """Describe every unit of a network over many photos, and keep the result in a Zarr store.

    For each unit: statistics of its activations, the photos that activate it most and where in
    them (Zeiler and Fergus 2014), the classes that it serves, its nearest units, and patterns that
    maximize it (Olah et al. 2017). Photos are read once for all layers, and memory does not grow
    with their number. A run that was interrupted continues where it stopped: the same call again
    computes only what is missing, also if photos were added.

    Parameters
    ----------
    net : Network
        The network.
    photos : path, list or array
        A folder, WebDataset's tar files, Parquet files, an array: see `PhotoSet.of`.
    out : path or URL
        The store: a folder such as ``net.zarr``, or ``s3://bucket/net.zarr``. The layout is
        described in ``docs/stores.md``.
    layers : str or sequence of str, optional
        Names or patterns of layers, such as "block*_add". None: all layers with feature maps, and
        dense ones; of a layer that only a normalization or activation reads, the units are those
        of the latter. The layers of a store are chosen by the first call; in later calls ``layers``
        chooses those whose patterns are made.
    units : iterable of int, optional
        The units of each layer whose patterns are made. None: all.
    what : str or iterable of str, optional
        Parts to compute, "all" or some of:

        - "photos" and "statistics": the strongest photos; mean, share of active positions, share
          of photos in which a unit is active, quantiles. One pass gives both.
        - "neighbors": the units of the same layer whose activations correlate most.
        - "classes": mean gradient × activation for the predicted class, over about 2000 photos.
        - "kernels": the weights of convolutions.
        - "patterns": images that maximize each unit.

        None: all but patterns, which take long.
    top : int
        Number of strongest photos per unit, at least 1.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels. None: the network's size, 224×224 if it takes any size.
    recipe : str or Recipe
        How patterns are made; see `maximize`.
    variants : int
        Number of patterns per unit, which start from different random numbers.
    seed : int
        Random seed of the first.
    precision : {"exact", "fast"}
        "fast": photos are read with large products of the network in bfloat16, and normalizations
        folded into convolutions, where this is estimated to be faster; `Survey.rounding_error` says
        what it changes. Gradients and patterns are exact. The first call decides for the store.
    on : str or Ray, optional
        Where to compute: "ray" for a Ray cluster started on this machine, "ray://HOST:PORT" for
        another, a `Ray` to choose what each worker takes. None: this process. The results are the
        same.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.
    **changes
        Fields of the recipe to change, such as ``steps=300``.

    Returns
    -------
    Survey
        The opened store. Photos that cannot be read are left out; ``unread`` lists them.

    Raises
    ------
    InputError
        If an argument cannot be used, no photo can be read, or the store was made with another
        network, other arguments or other photos.
    OutputError
        If the store cannot be written. What was finished is kept.
    """
    place, cluster = os.fspath(out), cluster_of(on)
    plan = planned(
        net,
        photos,
        Store.existing(place, KIND),
        layers=layers,
        units=units,
        what=what,
        top=top,
        fit=fit,
        size=size,
        recipe=recipe,
        changes=changes,
        variants=variants,
        seed=seed,
        precision=precision,
    )
    store = Store.resumed(place, KIND, plan.identity)
    with reporting(progress) as told, reaching(cluster):
        compute(plan, store, cluster, told)
    return Survey(store)


def compute(plan: Plan, store: Store, on: Ray | None, told: Progress) -> None:
    """Compute what is missing in a store."""
    layout.make_table(store, plan.table, plan.kinds())
    layout.write_network(store, plan.net.labels.names, plan.net.channels)
    photos = plan.photo_units()
    if photos:
        layout.make_blocks(store, plan.photos, len(plan.table), plan.reading)
    if "classes" in plan.wanted:
        layout.make_contributions(store, len(plan.photos), len(plan.table), plan.reading)
    if "patterns" in plan.wanted:
        _make_patterns(plan, store)
    left = left_to_do(photos, store)
    _do(left, len(plan.photos), "photos", plan, store, on, told)
    if photos:
        merging.merge_photos(store, plan.net, plan.table, plan.reading)
        if plan.reading.rounding and (left or not store.holds(ROUNDING_ERROR)):
            error = rounding_error(plan.net, plan.photos, plan.table, plan.reading)
            layout.write_rounding_error(store, error)
    if plan.wanted & {"statistics", "neighbors"}:
        merging.merge_samples(
            store, plan.table, plan.wanted, lambda done, of: told(done, of, "layers merged")
        )
    if "classes" in plan.wanted:
        merging.merge_contributions(store, plan.table)
    if "kernels" in plan.wanted:
        merging.write_kernels(store, plan.net, plan.table)
    patterns = plan.pattern_units(store)
    total = sum(len(unit.numbers) for unit in patterns)
    _do(patterns, total, "patterns", plan, store, on, told)
    store.finish()


def _do(
    units: Sequence[WorkUnit],
    total: int,
    what: str,
    plan: Plan,
    store: Store,
    on: Ray | None,
    told: Callable[[int, int, str], None],
) -> None:
    done = 0
    for count in run(units, plan.net, store, on):
        done += count
        told(done, max(total, done), what)


def _make_patterns(plan: Plan, store: Store) -> None:
    """Make the arrays of patterns.

    Raises
    ------
    InputError
        If the store has patterns that were made in another way.
    """
    wanted = plan.pattern_identity()
    if store.holds("patterns"):
        kept = store.attributes("patterns")
        for name, value in wanted.items():
            if kept.get(name) != value:
                raise InputError(
                    f"The patterns of {store.place} were made with another {name}: give the same "
                    "recipe, variants and seed, or another name."
                )
    else:
        store.describe("patterns", wanted)
    settings, net = plan.settings, plan.net
    for layer, _ in plan.chosen:
        size = settings.shown(settings.canvas(net, layer))
        shape = (settings.variants, *size, net.channels)
        layout.make_patterns(store, layer.name, layer.count, shape)

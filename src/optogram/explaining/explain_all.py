"""Attribution maps of many photos, kept in a Zarr store."""

import os
from collections.abc import Sequence
from typing import Any

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.explaining.checks import CheckGroup
from optogram.explaining.layout import forget_if_damaged, write_classes
from optogram.explaining.maps import MapBlock
from optogram.explaining.opened import AttributionStore
from optogram.explaining.paths import KIND
from optogram.explaining.plan import Plan, planned
from optogram.jobs.on_ray import Ray
from optogram.jobs.photo_units import make_photos, names_in, unread_in
from optogram.jobs.running import cluster_of, reaching, run
from optogram.jobs.store import Store
from optogram.jobs.work import left_to_do
from optogram.network.network import Network
from optogram.progress import Progress, ShownProgress, reporting


@checked
def explain_all(
    net: Network,
    photos: Any,
    out: str | os.PathLike,
    method: str | Sequence[str] = "gradcam",
    target: Any = None,
    layer: str | None = None,
    *,
    check: int | str | None = None,
    check_seed: int = 0,
    fit: str = "stretch",
    size: tuple[int, int] | None = None,
    memory: float | str = "1GB",
    on: str | Ray | None = None,
    progress: ShownProgress = None,
    **settings: Any,
) -> AttributionStore:
    """Explain many photos, and keep the maps in a Zarr store.

    The maps are those of `gradcam`, `saliency` or the other methods. Memory does not grow with the
    number of photos. A run that was interrupted continues where it stopped: the same call again
    computes only what is missing, also if photos were added. Another method adds its maps to the
    same store.

    Parameters
    ----------
    net : Network
        The network to explain.
    photos : path, list or array
        A folder, WebDataset's tar files, Parquet files, an array: see `PhotoSet.of`.
    out : path or URL
        The store: a folder such as ``maps.zarr``, or ``s3://bucket/maps.zarr``. The layout is
        described in ``docs/stores.md``.
    method : str or sequence of str
        One or several methods by name, "common" or "all".
    target : Target, int, str or function, optional
        Target of the score, one for all photos. None: the highest-scoring class of each photo.
    layer : str, optional
        Layer to explain, for methods that explain one. None: `Network.default_layer`.
    check : int or str, optional
        Also run the sanity checks of `check` on the maps of so many photos, chosen at random: 200
        or "sample:200"; "all" checks all maps. A later call can enlarge the sample. None: no
        checks.
    check_seed : int
        Random seed of the sample, and of `check`.
    fit : {"stretch", "crop", "pad"}
        How photos are brought to the input size; see `Network.prepare`.
    size : (height, width), optional
        Input size in pixels. None: the network's size, 224×224 if it takes any size.
    memory : float or str
        Memory budget of each worker in bytes, or a string such as ``"2GB"``. It decides how many
        photos are computed at once, on which the last digits of the maps depend.
    on : str or Ray, optional
        Where to compute: "ray" for a Ray cluster started on this machine, "ray://HOST:PORT" for
        another, a `Ray` to choose what each worker takes. None: this process. The results are the
        same.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.
    **settings
        Other arguments of the methods, such as ``samples=16`` or ``score="probability"``. With
        several methods, each takes those that it has.

    Returns
    -------
    AttributionStore
        The opened store. Photos that cannot be read have no map; ``unread`` lists them.

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
        method=method,
        target=target,
        layer=layer,
        check=check,
        check_seed=check_seed,
        fit=fit,
        size=size,
        memory=memory,
        settings=settings,
    )
    store = Store.resumed(place, KIND, plan.identity)
    with reporting(progress) as told, reaching(cluster):
        _compute(plan, store, cluster, told)
    return AttributionStore(store)


def _compute(plan: Plan, store: Store, on: Ray | None, told: Progress) -> None:
    """Compute what is missing in a store."""
    forget_if_damaged(store)
    make_photos(store, plan.photos, plan.reading.block)
    write_classes(store, [plan.net.labels.numbered_name(i) for i in range(plan.net.head.classes)])
    for method in plan.methods:
        plan.make_arrays(store, method)
    for method in plan.methods:
        _do(plan.map_units(method), len(plan.photos), method.name, plan, store, on, told)
    _require_some(store)
    for method in plan.methods:
        sample = plan.samples.get(method.name, ())
        what = f"checks of {method.name}"
        _do(plan.check_units(method), len(sample), what, plan, store, on, told)
    store.finish()


def _do(
    units: Sequence[MapBlock | CheckGroup],
    total: int,
    what: str,
    plan: Plan,
    store: Store,
    on: Ray | None,
    told: Progress,
) -> None:
    """Do the units that are left of those that make ``total`` maps or checks."""
    left = left_to_do(units, store)
    done = total - sum(len(unit.photos) for unit in left)
    for count in run(left, plan.net, store, on):
        done += count
        told(done, total, what)


def _require_some(store: Store) -> None:
    """Raise an InputError if no photo can be read."""
    names = names_in(store)
    unread = unread_in(store, names)
    if len(unread) == len(names):
        first = next(iter(unread.values()))
        raise InputError(f"None of the {len(names)} photos can be read: {first}")

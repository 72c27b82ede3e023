"""The audit of a classifier on labeled photos."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optogram.arguments import checked, shown, whole
from optogram.auditing.clusters import spray, typical
from optogram.auditing.duplicates import near_duplicates
from optogram.auditing.observing import Explainer, Observed, observe, prepared_one
from optogram.auditing.page import check_place, write_pages
from optogram.auditing.shortcut import MOST_TESTED, PHOTOS, Candidate, apart, candidates, tested
from optogram.auditing.wrong_labels import suspected_labels
from optogram.errors import InputError
from optogram.files import one_run
from optogram.methods import ATTRIBUTIONS, OF_A_LAYER, attribution_method
from optogram.methods.request.request import provenance_of
from optogram.methods.request.truth import Labeled, labeled
from optogram.network.network import Network
from optogram.progress import Meter, Progress, ShownProgress, reporting
from optogram.result import Audit
from optogram.result.audit import Cluster, Suspect

_TYPICAL = 6
_CLUSTERED = 4000
_FEWEST_TESTED = 8

# Approximate cost of each part, in percent.
_READING, _DUPLICATES, _CLUSTERS, _TESTS, _PAGES = 70, 2, 6, 10, 12


@checked
@one_run()
def audit(
    net: Network,
    photos: Any,
    truth: Any = None,
    out: str | os.PathLike | None = None,
    *,
    method: str | None = None,
    layer: str | None = None,
    fit: str | None = None,
    listed: int = 24,
    seed: int = 0,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> Audit:
    """Examine a classifier on labeled photos: errors, wrong labels, duplicates, shortcuts.

    Each photo is read once, in batches. Found are: the accuracy and the confusions; the most
    confident mistakes; near-duplicates (perceptual hashes); labels that may be wrong (confident
    learning, Northcutt et al. 2021); clusters of explanations in each class (SpRAy, Lapuschkin et
    al. 2019). A region of the frame in which photos of a class share fine structure and
    explanations lie is a suspected shortcut, such as a watermark. It is tested: it is covered in
    these photos, and pasted on photos of other classes. It counts as a shortcut only if the score
    falls more than with random places covered, and if more photos flip to the class than with
    pieces from elsewhere or from other photos.

    Parameters
    ----------
    net : Network
        The classifier.
    photos : path of a folder, sequence of what `Network.prepare` takes, or array
        A folder has one subfolder per class, or its labels are in a table. Of arrays, (N, H, W)
        and (N, H, W, C) in 0..255 or a prepared batch.
    truth : path, or sequence of int or str, optional
        Labels: a CSV file with the columns photo and label, or one class per photo. None: the name
        of the folder in which a photo lies. Names are matched to the classes of the network by
        label, WordNet id or number; if the network has no labels, in alphabetical order, with a
        note.
    out : path, optional
        Folder for the page ``index.html``, with a page for each photo that it lists in
        ``photos/``, and ``audit.json``. Only files that optogram made are replaced. None: nothing
        is written.
    method : str, optional
        Attribution method that explains each photo's label. None: "gradcam", or "saliency" for
        networks without feature maps.
    layer : str, optional
        Layer for the CAM methods.
    fit : {"stretch", "crop", "pad"}, optional
        How photos are brought to the input size; see `Network.prepare`.
    listed : int
        Number of photos in each list of the page, at least 1.
    seed : int
        Random seed of k-means and of the random places.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        About 5 KB per photo are kept besides.
    progress : bool or callable, optional
        Whether to show a progress bar, or a function that is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    Audit
        All figures and maps. Photos that cannot be read are listed in ``unread``.

    Raises
    ------
    InputError
        If the network is no classifier, labels do not match, or no photo can be read.
    OutputError
        If a page cannot be written, or would replace a file that optogram did not make; checked
        before anything is computed.
    """
    listed, seed = whole("listed", listed, 1), whole("seed", seed)
    _require_classifier(net)
    explainer = _explainer(net, method, layer, memory)
    given = labeled(net, photos, truth)
    place = None if out is None else check_place(Path(out))
    with reporting(progress) as told:
        meter = Meter(told, _READING + _DUPLICATES + _CLUSTERS + _TESTS + _PAGES)
        result = _audited(
            net, given, explainer, place, fit, {"listed": listed, "seed": seed}, memory, meter
        )
        meter.finish()
    return result


def _audited(
    net: Network,
    given: Labeled,
    explainer: Explainer,
    place: Path | None,
    fit: str | None,
    numbers: dict[str, int],
    memory: float | str | None,
    meter: Meter,
) -> Audit:
    seed = numbers["seed"]
    with meter.part(_READING, "photos") as within:
        seen = observe(net, given.sources, given.truth, explainer, fit, memory, within)
    labels = given.truth[seen.kept]
    sources = [given.sources[i] for i in seen.kept]
    with meter.part(_DUPLICATES, "near-duplicates") as within:
        duplicates = near_duplicates(seen.copies, labels, within)
    with meter.part(_CLUSTERS, "clusters of explanations") as within:
        cluster, clusters, regions = _clustered(seen, labels, seed, within)
    with meter.part(_TESTS, "test of suspected regions") as within:
        suspects = _tested(net, regions, seen, labels, sources, fit, seed, memory, within)
    result = Audit(
        values=seen.own,
        method="audit",
        parameters={
            "method": explainer.method.__name__,
            "layer": explainer.settings.get("layer"),
            "fit": fit or "stretch",
            **numbers,
        },
        provenance=provenance_of(net, (*net.size, net.channels)),
        warnings=net.warnings,
        photos=tuple(given.names[i] for i in seen.kept),
        labels=tuple(net.labels.names),
        truth=labels,
        predicted=seen.predicted,
        confidence=seen.confidence,
        rank=seen.rank,
        maps=seen.maps,
        cluster=cluster,
        unread={given.names[i]: why for i, why in seen.unread.items()},
        notes=given.notes,
        findings={
            "duplicates": _plain(duplicates),
            "suspected_labels": _plain(suspected_labels(seen.probabilities, labels, seen.classes)),
            "clusters": _plain(clusters),
            "suspects": _plain(suspects),
        },
    )
    with meter.part(_PAGES, "pages") as within:
        if place is not None:
            write_pages(place, net, result, seen.copies, sources, explainer, fit, memory, within)
    return result


def _require_classifier(net: Network) -> None:
    if net.head.is_spatial or net.head.classes < 2:
        kind = "a map of scores" if net.head.is_spatial else "a single number without classes"
        raise InputError(
            f"An audit needs a classifier with one label per photo, but {net.name!r} returns "
            f"{kind}: explain its photos one by one, for example with optogram.occlusion."
        )


def _explainer(
    net: Network, method: str | None, layer: str | None, memory: float | str | None
) -> Explainer:
    if method is None:
        has_maps = not net.is_opaque and bool(net.map_layers())
        method = "gradcam" if has_maps or layer else "saliency"
    if method not in ATTRIBUTIONS:
        raise InputError(f"method must be one of {', '.join(ATTRIBUTIONS)}, not {shown(method)}.")
    settings: dict[str, Any] = {"memory": memory}
    if layer is not None:
        if method not in OF_A_LAYER:
            raise InputError(f"{method} takes no layer: leave it out, or choose gradcam.")
        net.step(layer)
        settings["layer"] = layer
    return Explainer(attribution_method(method), settings)


def _clustered(
    seen: Observed, labels: np.ndarray, seed: int, progress: Progress
) -> tuple[np.ndarray, list[Cluster], list[Candidate]]:
    """The clusters of each class, and the regions to test."""
    cluster = np.full(len(labels), -1)
    clusters: list[Cluster] = []
    regions: list[Candidate] = []
    for done, index in enumerate(seen.classes, 1):
        own = np.flatnonzero(labels == index)
        found = spray(seen.maps[own], seed)
        cluster[own] = found.number
        groups: list[tuple[int | None, np.ndarray]] = [(None, own)]
        for number, members in enumerate(found.members()):
            photos = own[members]
            nearest = typical(seen.maps, photos, _TYPICAL)
            clusters.append(Cluster(int(index), number, len(photos), tuple(map(int, nearest))))
            groups.append((number, photos))
        if len(groups) == 2:
            groups.pop()  # one cluster is the whole class
        of_class = [
            one
            for number, photos in groups
            for one in candidates(
                int(index),
                number,
                photos[:_CLUSTERED],
                seen.maps[photos[:_CLUSTERED]],
                seen.copies[photos[:_CLUSTERED]],
            )
        ]
        regions += apart(sorted(of_class, key=lambda one: -one.weight))[:2]
        progress(done, len(seen.classes), "clusters of explanations")
    return cluster, clusters, sorted(regions, key=lambda one: -one.weight)


def _tested(
    net: Network,
    regions: Sequence[Candidate],
    seen: Observed,
    labels: np.ndarray,
    sources: Sequence[Any],
    fit: str | None,
    seed: int,
    memory: float | str | None,
    progress: Progress,
) -> list[Suspect]:
    """The suspects with their tests, largest effect first."""
    generator = np.random.default_rng(seed)
    suspects: list[Suspect] = []
    for done, one in enumerate(regions):
        if len(suspects) == MOST_TESTED:
            break
        own = one.photos[seen.predicted[one.photos] == one.of_class][:PHOTOS]
        is_other = (labels != one.of_class) & (seen.predicted != one.of_class)
        others = generator.permutation(np.flatnonzero(is_other))[:PHOTOS]
        if min(len(own), len(others)) >= _FEWEST_TESTED:
            x, y = (
                np.concatenate([prepared_one(net, sources[i], fit) for i in photos])
                for photos in (own, others)
            )
            suspects.append(tested(net, one, x, y, seed, memory))
        progress(done + 1, len(regions), "test of suspected regions")
    return sorted(suspects, key=lambda one: (not one.is_shortcut, -one.effect))


def _plain(found: Sequence[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in found]

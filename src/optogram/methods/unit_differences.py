"""The units that differ most between two photos, or between two networks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.convolution import (
    channel_weights,
    elementwise_after,
    is_convolution,
    since_convolution,
)
from optogram.methods.request.diagnosis import warnings_about_images
from optogram.methods.request.moments import Moments
from optogram.methods.request.pairs import paired_layers
from optogram.methods.request.request import provenance_of
from optogram.network.network import Network
from optogram.pictures.prepared import PreparedPhotos
from optogram.progress import ShownProgress, reporting
from optogram.result import UnitDifferences
from optogram.result.differences import MEASURES
from optogram.words import counted

_HELD = 64 << 20
"""Bytes of maps that are held at a time; a single layer may have more."""
_WEAK = 0.1
"""Differences of weak units are divided by this part of the layer's median size, at least."""


@checked
def unit_differences(
    net: Network,
    image: Any,
    *,
    other_image: Any = None,
    other_net: Network | None = None,
    layers: str | Sequence[str] | None = None,
    fit: str | None = None,
    memory: float | str | None = None,
    progress: ShownProgress = None,
) -> UnitDifferences:
    """How much each unit (filter) differs between two photos, or between two networks.

    A and B are the maps of a unit on the two sides, over all positions. The measures are

    - mean: |mean B − mean A| / (rms A + rms B), where rms is the root of the mean square;
    - maximum: |max B − max A| / (peak A + peak B), where peak is the largest magnitude. Where no
      map is negative, this is (a − b) / (a + b), the selectivity index of Morcos et al., "On the
      importance of single directions for generalization" (ICLR 2018), for two maxima;
    - maps, for two networks and the same photos: 1 − r, where r is Pearson's correlation of A and
      B over positions, as in Li et al., "Convergent learning: do different neural networks learn
      the same representations?" (ICLR 2016). 1 if only one of A and B is equal everywhere, 0 if
      both are;
    - weights, for two networks: ‖W_B − W_A‖ / max(‖W_A‖, ‖W_B‖), where W are kernel and bias of
      the convolution that the maps come from.

    mean and maximum are 0 for equal maps and at most 1, also for maps with negative values. The
    divisors count as a tenth of their median over the layer's active units where they are smaller,
    so that units that are almost inactive do not come first.

    Parameters
    ----------
    net : Network
        The network of the first side.
    image
        Photo of the first side, or several, as for `Network.prepare`.
    other_image : optional
        Photo of the other side, or several. None: ``image``.
    other_net : Network, optional
        The network of the other side, such as a later epoch of the same training. None: ``net``.
    layers : str or sequence of str, optional
        Names of layers of ``net`` with feature maps, or patterns; see `Network.layer_names`. None:
        the output of each convolution after the normalization and activation that follow it.
    fit : {"stretch", "crop", "pad"}, optional
        See `Network.prepare`.
    memory : float or str, optional
        Memory budget in bytes, or a string such as ``"2GB"``; None: a quarter of the free memory.
        Maps of a few layers are held at a time.
    progress : bool or callable, optional
        True shows a bar, in terminals and notebooks; a function is called as
        ``progress(done, total, what)``; ``what`` describes the work.

    Returns
    -------
    UnitDifferences
        ``values`` (units, 4), of all layers; ``.most(10)`` are the units that differ most.

    Raises
    ------
    InputError
        If neither another photo nor another network is given, a layer has no feature maps, or the
        networks have no layers of the same name that are built alike: `unit_correlations`
        compares any two layers.
    """
    if other_image is None and other_net is None:
        raise InputError(
            "Both sides are the same: give another photo (other_image=…), another network "
            "(other_net=…), or both."
        )
    other_net = net if other_net is None else other_net
    other_net.require_layers()
    names = _layers(net) if layers is None else net.layer_names(layers)
    pairs = paired_layers(net, other_net, names, is_strict=layers is not None)
    x = net.fed(image, fit, is_any_size=True)
    is_same_photo = other_image is None
    y = other_net.fed(image if is_same_photo else other_image, fit, is_any_size=True)
    with reporting(progress) as told:
        sides = (_Side(net, np.asarray(x), memory), _Side(other_net, np.asarray(y), memory))
        found: list[_Compared] = []
        for part in _parts(pairs, sides):
            told(len(found), len(pairs), "layers")
            found += _compared(part, sides, is_same_photo)
        told(len(pairs), len(pairs), "layers")
    counts = [len(each.means) for each in found]
    values = np.concatenate([each.values(is_same_photo) for each in found])
    is_same_network = other_net is net
    if not is_same_network:
        values[:, MEASURES.index("weights")] = np.concatenate(
            [
                _weights(net, other_net, *pair, count)
                for pair, count in zip(pairs, counts, strict=True)
            ]
        )
    wanted = (
        *(["maps"] if is_same_photo else []),
        *("mean", "maximum"),
        *([] if is_same_network else ["weights"]),
    )
    defined = np.isfinite(values).any(axis=0)
    measures = tuple(name for name in wanted if defined[MEASURES.index(name)])
    if not measures:
        raise InputError("No map has only finite values: nothing can be compared.")
    bad = int(np.isnan(values[:, 0]).sum())
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    return UnitDifferences(
        values=values,
        method="unit_differences",
        parameters={
            "fit": fit,
            "sides": "networks" if is_same_photo else "photos" if is_same_network else "both",
            "other_net": other_net.name,
        },
        provenance=provenance_of(net, x.shape[1:], photos),
        warnings=(
            *dict.fromkeys((*net.warnings, *other_net.warnings)),
            *warnings_about_images(net, np.asarray(x), photos),
            *([f"{counted(bad, 'unit')} with maps that are not finite: left out."] if bad else []),
        ),
        layers=tuple(first for first, _ in pairs),
        other_layers=tuple(second for _, second in pairs),
        rows=np.repeat(np.arange(len(pairs)), counts),
        units=np.concatenate([np.arange(count) for count in counts]),
        means=np.concatenate([each.means for each in found]),
        maxima=np.concatenate([each.maxima for each in found]),
        deviations=np.concatenate([each.deviations for each in found]),
        measures=measures,
    )


def _layers(net: Network) -> list[str]:
    """The last elementwise step after each convolution with maps; else all layers with maps."""
    net.require_layers()
    known = net.map_layers()
    found = []
    for step in net.graph.steps:
        if is_convolution(step):
            last = [step, *elementwise_after(net.graph, step)][-1]
            if last.name in known:
                found.append(last.name)
    return list(dict.fromkeys(found)) or list(known)


@dataclass(frozen=True)
class _Side:
    """A network, its prepared photos (N, H, W, C), and a memory budget."""

    net: Network
    x: np.ndarray
    memory: float | str | None

    def maps(self, names: Sequence[str]) -> Iterator[list[np.ndarray]]:
        """The maps of layers, (positions, units) each, photo by photo."""
        wanted = [Output(self.net.step(name).index) for name in names]
        for i in range(len(self.x)):
            found = self.net.evaluate(self.x[i : i + 1], wanted, self.memory, beside=self.x.nbytes)
            yield [maps.reshape(-1, maps.shape[-1]) for maps in found]

    def bytes_of(self, name: str) -> int:
        """Bytes of the maps of a layer for one photo."""
        step = Output(self.net.step(name).index)
        return self.net.geometry(self.x.shape[1:3], [step])[step.step].memory


def _parts(
    pairs: Sequence[tuple[str, str]], sides: tuple[_Side, _Side]
) -> Iterator[list[tuple[str, str]]]:
    """The pairs of layers, as many at a time as may be held."""
    part: list[tuple[str, str]] = []
    held = 0
    for pair in pairs:
        size = sum(side.bytes_of(name) for side, name in zip(sides, pair, strict=True))
        if part and held + size > _HELD:
            yield part
            part, held = [], 0
        part.append(pair)
        held += size
    yield part


@dataclass(frozen=True)
class _Compared:
    """Statistics of the units of a layer on both sides, (units, 2), and correlations (units,)."""

    means: np.ndarray
    maxima: np.ndarray
    deviations: np.ndarray
    squares: np.ndarray
    peaks: np.ndarray
    correlations: np.ndarray

    def values(self, has_correlations: bool) -> np.ndarray:
        """(units, 4): the measures; NaN for weights."""
        found = np.full((len(self.means), 4), np.nan)
        sizes = np.sqrt(self.squares).sum(axis=1)
        found[:, 0] = _relative(np.abs(np.diff(self.means)[:, 0]), sizes)
        found[:, 1] = _relative(np.abs(np.diff(self.maxima)[:, 0]), self.peaks.sum(axis=1))
        if has_correlations:
            found[:, 2] = 1 - self.correlations
        found[~np.isfinite(self.squares).all(axis=1)] = np.nan
        return found


def _relative(differences: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Differences divided by sizes; weak units by a part of the median of the active ones."""
    active = sizes[np.isfinite(sizes) & (sizes > 0)]
    least = _WEAK * float(np.median(active)) if len(active) else 1.0
    return differences / np.maximum(sizes, least)


def _compared(
    pairs: Sequence[tuple[str, str]], sides: tuple[_Side, _Side], is_same_photo: bool
) -> list[_Compared]:
    """The statistics of each pair of layers."""
    sums = [(Moments(), Moments()) for _ in pairs]
    products: list[Any] = [0.0] * len(pairs)
    first, second = (side.maps([pair[i] for pair in pairs]) for i, side in enumerate(sides))
    with np.errstate(all="ignore"):
        if is_same_photo:
            for one, two in zip(first, second, strict=True):
                for i, (a, b) in enumerate(zip(one, two, strict=True)):
                    sums[i][0].add(a)
                    sums[i][1].add(b)
                    products[i] = (
                        products[i] + np.einsum("ij,ij->j", a, b, dtype=np.float64)
                        if len(a) == len(b)
                        else np.nan
                    )
        else:
            for side, each in enumerate((first, second)):
                for found in each:
                    for i, maps in enumerate(found):
                        sums[i][side].add(maps)
        return [_statistics(a, b, product) for (a, b), product in zip(sums, products, strict=True)]


def _statistics(a: Moments, b: Moments, product: Any) -> _Compared:
    deviations = np.column_stack([a.deviation, b.deviation])
    covariance = product / a.count - a.mean * b.mean
    is_varying = deviations > 0
    correlations = covariance / np.where(is_varying.all(axis=1), deviations.prod(axis=1), 1)
    correlations = np.clip(correlations, -1, 1)
    correlations = np.where(is_varying.all(axis=1), correlations, ~is_varying.any(axis=1))
    if np.isnan(product).all():  # maps of different sizes
        correlations = np.full(len(deviations), np.nan)
    return _Compared(
        means=np.column_stack([a.mean, b.mean]),
        maxima=np.column_stack([a.high, b.high]).astype(np.float64),
        deviations=deviations,
        squares=np.column_stack([a.square, b.square]),
        peaks=np.column_stack([a.peak, b.peak]).astype(np.float64),
        correlations=correlations,
    )


def _weights(net: Network, other: Network, layer: str, match: str, count: int) -> np.ndarray:
    """(units,): how far the weights that a layer's maps come from differ; NaN if there are none."""
    nothing = np.full(count, np.nan)
    sources = (
        since_convolution(one.graph, one.step(at)) for one, at in ((net, layer), (other, match))
    )
    steps = [found[0] for found in sources if found]
    if len(steps) < 2:
        return nothing
    first, second = (channel_weights(step.operation).astype(np.float64) for step in steps)
    if first.shape != second.shape or len(first) != count:
        return nothing
    norms = np.maximum(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    apart = np.linalg.norm(second - first, axis=1)
    return np.divide(apart, norms, out=np.zeros(count), where=norms > 0)

"""Detects preprocessing inside a network, before its first weights, by running it.

The steps before the first weights are run on test images: layers, operations on symbolic tensors,
custom code, also in nested models. Steps that pass pixels on or only move them (augmentation, which
is inactive outside training, resizing, padding) are not preprocessing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from optogram.graph.keras_private.copies import no_updates
from optogram.graph.steps import Graph, Output
from optogram.interpreters import forward
from optogram.interpreters.ends.proof import as_array, has_weights
from optogram.interpreters.room import has_room
from optogram.pictures.preparation import Preparation

_SIDE = 64
_GRAYS = (0.0, 64.0, 128.0, 255.0)
_UNNOTICED = 2.0
"""Rounding errors in gray levels 0…255 that do not count as a change of units."""
_SMALL, _SAME = 0.2, 1.2
"""Largest result for pixels 0…255 that are converted to small numbers."""
_MEAN = 16.0
"""Smallest mean that counts as subtracted from pixels 0…255."""
_APART = 1e-3
"""Least distance between gray levels, as a fraction of the largest distance."""
_LISTED = 3
_COLORS, _RANK_OF_IMAGES = 3, 4


@dataclass(frozen=True)
class OwnPreparation:
    """Preprocessing inside a network, before its first weights.

    Attributes
    ----------
    steps : frozenset of int
        Indices of all steps of the preprocessing.
    names : tuple of str
        Names of the steps that change something.
    changes_units : bool
        Whether values change, not only the order of channels.
    is_reversed : bool
        Whether the order of channels is reversed.
    black, white : float
        Results for 0 and for 255.
    is_any : bool
        Whether the result is the same for an image in 0…1 and in 0…255.
    """

    steps: frozenset[int]
    names: tuple[str, ...]
    changes_units: bool
    is_reversed: bool
    black: float
    white: float
    is_any: bool

    @property
    def takes_pixels(self) -> bool:
        """Whether it is made for 0…255: the results are small, or a mean is subtracted."""
        gain = abs(self.white - self.black) / 255
        return self.changes_units and not gain > (_SAME if abs(self.black) >= _MEAN else _SMALL)

    @property
    def default(self) -> str:
        """The preprocessing to use before it, if it can be determined."""
        is_for_unit = self.changes_units and not self.takes_pixels and not self.is_any
        return "unit" if is_for_unit else "none"

    @property
    def notice(self) -> str | None:
        """A warning if no preprocessing was given and the default is a guess."""
        if not self.changes_units:
            return (
                f"The network reverses the channels of its images itself ({self._where}), and no "
                "preprocessing was given: pixels are passed unchanged, in 0…255. If the network "
                "was trained on other units, choose them with preprocess=…; otherwise "
                "predictions will be wrong."
            )
        if self.default == "none":
            return None
        return (
            f"The network changes the units of its images itself ({self._where}), as for images "
            f"in 0…1: 0 and 1 become {self._of(0)} and {self._of(1)}, so pixels are scaled to "
            '0…1 ("unit"). If the network was trained on other units, choose them with '
            "preprocess=…; otherwise predictions will be wrong."
        )

    def mismatch(self, given: Preparation, channels: int) -> str | None:
        """A warning if preprocessing with ``given`` does not fit; None otherwise."""
        black, white = _gray(given, channels, 0), _gray(given, channels, 255)
        is_changed = abs(black) > _UNNOTICED or abs(white - 255) > _UNNOTICED
        if self.takes_pixels and not self.is_any and is_changed:
            return (
                f"The network preprocesses its images itself ({self._where}: 0…255 become "
                f"{self.black:.4g}…{self.white:.4g}), and preprocess={given.name!r} does so "
                "before: preprocessed twice, predictions are likely wrong; use "
                'preprocess="none".'
            )
        if self.default == "unit" and max(abs(black), abs(white)) > _MEAN:
            return (
                f"The network changes the units of its images itself ({self._where}), as for "
                f"images in 0…1: 0 and 1 become {self._of(0)} and {self._of(1)}. "
                f"preprocess={given.name!r} gives it {black:.4g}…{white:.4g}: predictions are "
                'likely wrong; use preprocess="unit".'
            )
        if self.is_reversed and given.is_reversed:
            return (
                f"The network reverses the channels of its images itself ({self._where}), and "
                f"preprocess={given.name!r} also reverses them: predictions are likely wrong; "
                "choose preprocessing that does not."
            )
        return None

    @property
    def _where(self) -> str:
        more = "" if len(self.names) <= _LISTED else " …"
        return ", ".join(map(repr, self.names[:_LISTED])) + more

    def _of(self, level: float) -> str:
        return f"{self.black + level * (self.white - self.black) / 255:.4g}"


@no_updates()  # it runs parts of the network
def own_preparation(graph: Graph) -> OwnPreparation | None:
    """The preprocessing inside the network before its first weights; None if there is none.

    If different weights read different numbers, all must read preprocessed ones.
    """
    image, before = graph.inputs[0], _before_weights(graph)
    ends = {
        output
        for step in graph.steps
        if step.index not in before and step.kind != "Constant"
        for output in step.inputs
        if output.step in before
    }
    if not ends or image in ends:
        return None
    used = sorted(graph.ancestors(ends) - {image.step})
    wanted = sorted(ends.union(map(Output, used)), key=lambda output: (output.step, output.index))
    effects = _effects(graph, [image, *wanted])
    found = [effects[output] for output in wanted if output in ends and output in effects]
    if not found or not all(effect.changes_units or effect.is_reversed for effect in found):
        return None
    return OwnPreparation(
        steps=before,
        names=tuple(
            graph.steps[index].name
            for index in used
            if effects.get(Output(index)) not in [effects.get(v) for v in graph.steps[index].inputs]
        ),
        changes_units=any(effect.changes_units for effect in found),
        is_reversed=any(effect.is_reversed for effect in found),
        black=found[0].levels[0],
        white=found[0].levels[-1],
        is_any=all(effect.is_any for effect in found),
    )


def _before_weights(graph: Graph) -> frozenset[int]:
    """The steps before any weights, starting with the input."""
    found = {graph.inputs[0].step}
    for step in graph.steps:
        is_statistics = isinstance(step.operation, keras.layers.Normalization)
        reads = [output.step in found for output in step.inputs]
        if reads and all(reads) and (is_statistics or not has_weights(step)):
            found.add(step.index)
    constants = {step.index for step in graph.steps if step.kind == "Constant"}
    return frozenset(found - constants)


@dataclass(frozen=True)
class _Effect:
    """Results for test images at an output: the median of each gray, the order of colors."""

    levels: tuple[float, ...]
    is_reversed: bool
    is_any: bool

    @property
    def changes_units(self) -> bool:
        """Whether gray levels have changed, or are not finite.

        If several became equal, they were clipped, which activations do, not preprocessing.
        """
        if np.allclose(self.levels, _GRAYS, rtol=0, atol=_UNNOTICED):
            return False
        steps = np.abs(np.diff(self.levels))
        return not np.isfinite(steps).all() or not steps.any() or steps.min() > _APART * steps.max()


def _effects(graph: Graph, wanted: Sequence[Output]) -> dict[Output, _Effect]:
    """The results for test images at each output in ``wanted`` that can be run."""
    sides = graph.steps[graph.inputs[0].step].shape[1:]
    height, width, channels = (side or _SIDE for side in sides)
    noise = np.random.default_rng(0).uniform(0, 255, (height, width, channels))
    colors = [255 * row for row in np.eye(channels)] if channels == _COLORS else []
    plain = [np.full(channels, gray) for gray in _GRAYS] + colors
    images = [np.broadcast_to(color, noise.shape) for color in plain] + [noise, noise / 255]
    if not has_room(graph, graph.ancestors(wanted), len(images), _SIDE):
        return {}
    fed = keras.ops.convert_to_tensor(np.stack(images).astype(np.float32))
    # Custom code can raise any exception for test images. Its writes to variables are
    # discarded.
    try:
        with keras.StatelessScope():
            made = [as_array(tensor) for tensor in forward.run(graph, fed, wanted)]
    except Exception:
        return {}
    pairs = zip(wanted, made, strict=True)
    return {output: _effect(array) for output, array in pairs if array.shape[:1] == (len(images),)}


def _effect(made: np.ndarray) -> _Effect:
    """The results for the test images from ``made`` (N, ...)."""
    grays, colors, (noise, small) = made[: len(_GRAYS)], made[len(_GRAYS) : -2], made[-2:]
    levels = tuple(float(np.median(gray)) for gray in grays)
    is_map = made.ndim == _RANK_OF_IMAGES and made.shape[-1] == len(colors) == _COLORS
    order = np.argmax(np.median(colors, axis=(1, 2)), axis=1).tolist() if is_map else []
    is_any = np.allclose(noise, small, rtol=0.05, atol=0.05 * np.std(noise))
    return _Effect(levels, order == [2, 1, 0], bool(is_any))


def _gray(given: Preparation, channels: int, level: float) -> float:
    """The result of ``given`` for a gray level, averaged over channels."""
    return float(given.to_network(np.full((1, 1, channels), level, np.float32)).mean())

"""How a network prepares its images itself, before its first weights: told by what that does.

Whatever stands there is run on plain pictures: layers, operations on symbolic tensors, somebody
else's code, in nested models too. Steps that hand pixels on as they are, or only move them
(augmentation, which does nothing outside training, resizing, padding), are no preparation.
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
"""Gray levels that arithmetic on pixels of 0…255 may be off and still change no units."""
_SMALL, _SAME = 0.2, 1.2
"""What a gray level becomes at most, where 0…255 are brought to small numbers or are kept."""
_MEAN = 16.0
"""Of a mean of pixels in 0…255, which is subtracted from them."""
_APART = 1e-3
"""How far grays stay from each other at least, as a share of the largest distance."""
_LISTED = 3
_COLORS, _RANK_OF_IMAGES = 3, 4


@dataclass(frozen=True)
class OwnPreparation:
    """What a network does to its images before its first weights.

    Attributes
    ----------
    steps : frozenset of int
        The indices of all steps up to there.
    names : tuple of str
        Those of them that change something.
    changes_units : bool
        Whether numbers change, and not only the order of channels.
    is_reversed : bool
        Whether channels are put in reverse order.
    black, white : float
        What becomes of 0 and of 255.
    is_any : bool
        Whether the same comes out for an image in 0…1 as for one in 0…255.
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
        """Whether it is made for 0…255: it makes numbers small, or subtracts a mean of pixels."""
        gain = abs(self.white - self.black) / 255
        return self.changes_units and not gain > (_SAME if abs(self.black) >= _MEAN else _SMALL)

    @property
    def default(self) -> str:
        """The name of the preparation that goes before it, as far as can be told."""
        is_for_unit = self.changes_units and not self.takes_pixels and not self.is_any
        return "unit" if is_for_unit else "none"

    @property
    def notice(self) -> str | None:
        """What to know where no preparation was given, and this tells which to take."""
        if not self.changes_units:
            return (
                f"The network reverses the channels of its images itself ({self._where}), and no "
                "preparation was given: pixels are handed to it as they are, 0…255. If it was "
                "trained on other units, say which with preprocess=…, otherwise predictions will "
                "be wrong."
            )
        if self.default == "none":
            return None
        return (
            f"The network changes the units of its images itself ({self._where}), as fits images "
            f"in 0…1: 0 and 1 become {self._of(0)} and {self._of(1)}, so pixels are scaled to 0…1 "
            '("unit"). If it was trained on other units, say which with preprocess=…, otherwise '
            "predictions will be wrong."
        )

    def mismatch(self, given: Preparation, channels: int) -> str | None:
        """What is wrong with preparing images as ``given`` before; None: nothing."""
        black, white = _gray(given, channels, 0), _gray(given, channels, 255)
        is_changed = abs(black) > _UNNOTICED or abs(white - 255) > _UNNOTICED
        if self.takes_pixels and not self.is_any and is_changed:
            return (
                f"The network prepares its images itself ({self._where}: 0…255 become "
                f"{self.black:.4g}…{self.white:.4g}), and preprocess={given.name!r} prepares them "
                "before: prepared twice, predictions are likely wrong; give "
                'preprocess="none".'
            )
        if self.default == "unit" and max(abs(black), abs(white)) > _MEAN:
            return (
                f"The network changes the units of its images itself ({self._where}), as fits "
                f"images in 0…1: 0 and 1 become {self._of(0)} and {self._of(1)}. "
                f"preprocess={given.name!r} hands it {black:.4g}…{white:.4g}: predictions are "
                'likely wrong; give preprocess="unit".'
            )
        if self.is_reversed and given.is_reversed:
            return (
                f"The network reverses the channels of its images itself ({self._where}), and "
                f"preprocess={given.name!r} reverses them before: predictions are likely wrong; "
                "give a preparation that does not."
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
    """What the network does to its images before its first weights; None: it takes them as given.

    Where some weights read other numbers than others, all must read changed ones.
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
    """The steps that the image goes through before any weights, itself among them."""
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
    """What plain pictures have become somewhere: the median of each gray, the order of colors."""

    levels: tuple[float, ...]
    is_reversed: bool
    is_any: bool

    @property
    def changes_units(self) -> bool:
        """Whether grays are no longer what they were, or no number at all.

        Where some have become one number they were cut, as activations do and no preparation.
        """
        if np.allclose(self.levels, _GRAYS, rtol=0, atol=_UNNOTICED):
            return False
        steps = np.abs(np.diff(self.levels))
        return not np.isfinite(steps).all() or not steps.any() or steps.min() > _APART * steps.max()


def _effects(graph: Graph, wanted: Sequence[Output]) -> dict[Output, _Effect]:
    """What becomes of test pictures at each output in ``wanted``, where it can be run."""
    sides = graph.steps[graph.inputs[0].step].shape[1:]
    height, width, channels = (side or _SIDE for side in sides)
    noise = np.random.default_rng(0).uniform(0, 255, (height, width, channels))
    colors = [255 * row for row in np.eye(channels)] if channels == _COLORS else []
    plain = [np.full(channels, gray) for gray in _GRAYS] + colors
    images = [np.broadcast_to(color, noise.shape) for color in plain] + [noise, noise / 255]
    if not has_room(graph, graph.ancestors(wanted), len(images), _SIDE):
        return {}
    fed = keras.ops.convert_to_tensor(np.stack(images).astype(np.float32))
    # Somebody else's code can fail in any way on images that are not its own. What it writes to
    # variables is let go.
    try:
        with keras.StatelessScope():
            made = [as_array(tensor) for tensor in forward.run(graph, fed, wanted)]
    except Exception:
        return {}
    pairs = zip(wanted, made, strict=True)
    return {output: _effect(array) for output, array in pairs if array.shape[:1] == (len(images),)}


def _effect(made: np.ndarray) -> _Effect:
    """What ``made`` (N, ...) shows that became of the test pictures."""
    grays, colors, (noise, small) = made[: len(_GRAYS)], made[len(_GRAYS) : -2], made[-2:]
    levels = tuple(float(np.median(gray)) for gray in grays)
    is_map = made.ndim == _RANK_OF_IMAGES and made.shape[-1] == len(colors) == _COLORS
    order = np.argmax(np.median(colors, axis=(1, 2)), axis=1).tolist() if is_map else []
    is_any = np.allclose(noise, small, rtol=0.05, atol=0.05 * np.std(noise))
    return _Effect(levels, order == [2, 1, 0], bool(is_any))


def _gray(given: Preparation, channels: int, level: float) -> float:
    """What ``given`` makes of a gray, on average over channels."""
    return float(given.to_network(np.full((1, 1, channels), level, np.float32)).mean())

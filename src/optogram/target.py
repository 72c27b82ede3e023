"""Targets of explanations: classes, filters, neurons, directions, and linear combinations of these.

Every target is a linear function of the outputs of some steps. So targets can be added,
subtracted and multiplied by a number, and one compiled program explains all of them. For another
function of the scores (`Score`), the network is extended by a step that computes it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from optogram.arguments import MOST, as_index, shown, whole, wholes
from optogram.errors import InputError
from optogram.graph.steps import Output
from optogram.interpreters.ends.score_function import name_of
from optogram.network.network import Network
from optogram.network.outputs import Outputs
from optogram.words import counted

Weights = dict[Output, np.ndarray]

_RANK_OF_MAPS = 3
_NAMED = 3
"""Number of filters in the description of a direction."""


class Target(ABC):
    """A score to explain: ``Class(285) - Class(282)``, ``0.5 * Filter("conv1", 3)``."""

    @abstractmethod
    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """The score as weights on outputs of steps, for one image of ``size`` (height, width).

        Each array broadcasts to one example of that output; the score is the sum of products.

        Raises
        ------
        InputError
            If the network has no such class, layer, channel or position.
        """

    @abstractmethod
    def describe(self, net: Network) -> str:
        """A description for captions."""

    @abstractmethod
    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """The outputs that the score is computed from: the keys of `weights`."""

    def each(self) -> "tuple[Target, ...]":
        """The single targets that it stands for: several if a filter has several channels."""
        return (self,)

    def resolved(self, net: Network) -> "Target":
        """The target with what it needs of the network, such as the output for another image."""
        return self

    def at(self, outputs: Outputs) -> "Target":
        """The target for the image with these outputs: for which box of it a `Box` stands."""
        return self

    def functions(self) -> tuple[Callable[[Any], Any], ...]:
        """The functions of `Score` targets in it."""
        return ()

    def __add__(self, other: "Target") -> "Target":
        """The sum of two scores."""
        return _Sum(self, other) if isinstance(other, Target) else NotImplemented

    def __radd__(self, other: object) -> "Target":
        """The target itself for 0, with which `sum` begins."""
        return self if isinstance(other, Real) and other == 0 else NotImplemented

    def __mul__(self, factor: float) -> "Target":
        """The score times a number."""
        return _Scaled(self, float(factor)) if isinstance(factor, Real) else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> "Target":
        """The negated score."""
        return _Scaled(self, -1.0)

    def __sub__(self, other: "Target") -> "Target":
        """The difference of two scores: why this and not that."""
        return _Sum(self, -other) if isinstance(other, Target) else NotImplemented


@dataclass(frozen=True)
class Class(Target):
    """The score of a class: its logit, or its probability where ``score="probability"``.

    With one sigmoid output, class 1 stands for the output, class 0 for its negative. If the network
    scores classes at every position (segmentation), the score is the mean over a region.

    Parameters
    ----------
    label : int or str
        Its index from 0, its name, or its WordNet id.
    region : (top, left, bottom, right) or bool array of shape (h, w), optional
        Region of a segmentation output, in pixels of the output; ``bottom`` and ``right`` are
        exclusive. For example, ``net.scores(photo)[0].argmax(-1) == 3`` is the region where the
        network sees class 3. None: the whole output.
    """

    label: int | str
    region: "tuple[int, int, int, int] | Mask | None" = None

    def __init__(self, label: int | str, region: Any = None) -> None:
        object.__setattr__(self, "label", _label(label))
        object.__setattr__(self, "region", None if region is None else _region(region))

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        output, vector = net.score_output(score), self.vector(net)
        if not net.head.is_spatial and self.region is None:
            return {output: vector}
        shape = net.shape(output, size)
        if len(shape) != _RANK_OF_MAPS:
            instead = ": give og.Box(class, region)" if net.head.scores_boxes else ""
            raise InputError(
                f"{net.name!r} returns an output of shape {shape}, not a map of classes: a region "
                f"needs a network that scores classes at every position{instead}."
            )
        inside = _inside(self.region, (shape[0], shape[1]))
        return {output: inside / inside.sum() * vector}

    def vector(self, net: Network) -> np.ndarray:
        """The score of the class as weights on the outputs of one position, (outputs,)."""
        index = net.class_index(self.label)
        if net.head.is_binary:
            return np.array([1.0 if index else -1.0], np.float32)
        return _one_hot(net.head.outputs, index)

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (net.score_output(score),)

    def describe(self, net: Network) -> str:
        """Its name and index, and where."""
        index = net.class_index(self.label)
        where = ""
        if isinstance(self.region, Mask):
            where = (
                f" in a region of {counted(int(np.count_nonzero(self.region.array())), 'pixel')}"
            )
        elif self.region:
            where = " in rows {0} to {2}, columns {1} to {3}".format(*self.region)
        return f"{net.labels.numbered_name(index)}{where}"


@dataclass(frozen=True)
class Mask:
    """The pixels of a region, comparable and hashable."""

    shape: tuple[int, ...]
    bits: bytes

    def array(self) -> np.ndarray:
        """The pixels as a bool array (h, w)."""
        count = math.prod(self.shape)
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count)
        return bits.astype(bool).reshape(self.shape)


@dataclass(frozen=True)
class Filter(Target):
    """The mean of a feature map (or the value of one unit of a dense layer).

    Parameters
    ----------
    layer : str
        Name of the layer.
    channel : int or iterable of int
        Channel, from 0. Several channels stand for several targets.
    border : int
        Number of elements on each side of the map to leave out of the mean.
    """

    layer: str
    channel: int | tuple[int, ...]
    border: int = 0

    def __init__(self, layer: str, channel: int | Iterable[int], border: int = 0) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "border", whole("border", border, -MOST))
        one = as_index(channel)
        channels = tuple(wholes("channel", channel)) if one is None else whole("channel", one)
        object.__setattr__(self, "channel", channels)

    def each(self) -> tuple[Target, ...]:
        """One target for each channel."""
        if isinstance(self.channel, int):
            return (self,)
        return tuple(Filter(self.layer, channel, self.border) for channel in self.channel)

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        output, shape = _map(net, self.layer, size)
        vector = _one_hot(shape[-1], require_channel(self.channel, shape[-1], self.layer))
        if not self.border:
            positions = int(np.prod(shape[:-1]))
            return {output: vector.reshape((1,) * (len(shape) - 1) + (-1,)) / positions}
        inner = np.zeros((*shape[:-1], 1), np.float32)
        inner[(slice(self.border, -self.border),) * (len(shape) - 1)] = 1
        if self.border < 0 or len(shape) != 3 or not inner.any():
            raise InputError(
                f"The maps of {self.layer!r} have the shape {shape}: a border of {self.border} "
                "leaves nothing."
            )
        return {output: inner / inner.sum() * vector}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (Output(net.step(self.layer).index),)

    def describe(self, net: Network) -> str:
        """The layer's name and the channel."""
        return f"{self.layer}, filter {self.channel}"


@dataclass(frozen=True)
class Neuron(Target):
    """One element of a feature map.

    Parameters
    ----------
    layer : str
        Name of the layer.
    position : (int, int)
        (y, x) in the map, from 0.
    channel : int
        Channel, from 0.
    """

    layer: str
    position: tuple[int, int]
    channel: int

    def __post_init__(self) -> None:
        """Take whole numbers of any kind, so that equal neurons are equal and hash alike."""
        is_one = as_index(self.position) is not None
        sides = () if is_one else tuple(wholes("position", self.position))
        if len(sides) != 2:
            raise InputError(f"position must be (y, x) in the map, not {shown(self.position)}.")
        object.__setattr__(self, "position", sides)
        object.__setattr__(self, "channel", whole("channel", self.channel))

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        output, shape = _map(net, self.layer, size)
        if len(shape) != 3:
            raise InputError(
                f"{self.layer!r} has no feature maps: one of its units is Filter({self.layer!r}, "
                "channel)."
            )
        y, x = self.position
        if not (0 <= y < shape[0] and 0 <= x < shape[1]):
            raise InputError(
                f"The maps of {self.layer!r} are {shape[0]}×{shape[1]} for this image: position "
                f"({y}, {x}), counted from 0, is outside."
            )
        weights = np.zeros(shape, np.float32)
        weights[y, x, require_channel(self.channel, shape[2], self.layer)] = 1
        return {output: weights}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (Output(net.step(self.layer).index),)

    def describe(self, net: Network) -> str:
        """The layer's name, the channel and the position."""
        y, x = self.position
        return f"{self.layer}, filter {self.channel} at ({y}, {x})"


@dataclass(frozen=True)
class Direction(Target):
    """The mean over positions of the dot product of a layer's activations and a vector.

    The score of an image is the mean over y, x of Σ_c activations[y, x, c] · vector[c]; without
    positions, as in dense layers, Σ_c activations[c] · vector[c]. The vector is used as it is, not
    normalized: with 1 for one channel and 0 for the others, the score is that of `Filter`.

    Kim et al., "Interpretability beyond feature attribution" (TCAV, 2018), and Carter et al.,
    "Exploring neural networks with activation atlases" (2019), explain directions.

    Parameters
    ----------
    layer : str
        Name of the layer.
    vector : array-like of shape (channels,) or (N, channels)
        Finite, and not zero everywhere. N vectors stand for N targets.
    """

    layer: str
    vector: tuple[float, ...] | tuple[tuple[float, ...], ...]

    def __init__(self, layer: str, vector: Any) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "vector", _vectors(vector))

    def each(self) -> tuple[Target, ...]:
        """One target for each vector."""
        if not isinstance(self.vector[0], tuple):
            return (self,)
        return tuple(Direction(self.layer, vector) for vector in self.vector)

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`."""
        output, shape = _map(net, self.layer, size)
        vector = np.array(self.vector, np.float32)
        if vector.shape != shape[-1:]:
            raise InputError(
                f"{self.layer!r} has {counted(shape[-1], 'channel')}: a vector of {shape[-1]} "
                f"numbers was expected, not of shape {vector.shape}."
            )
        positions = math.prod(shape[:-1])
        return {output: vector.reshape((1,) * (len(shape) - 1) + (-1,)) / np.float32(positions)}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (Output(net.step(self.layer).index),)

    def describe(self, net: Network) -> str:
        """The layer's name, and the filters with the largest components."""
        vector = np.array(self.vector)
        if vector.ndim > 1:
            return f"{self.layer}, {counted(len(vector), 'direction')}"
        largest = np.argsort(-np.abs(vector), kind="stable")[:_NAMED]
        named = ", ".join(
            f"{'−' if vector[i] < 0 else ''}{i}" for i in largest.tolist() if vector[i]
        )
        return f"{self.layer}, direction mostly of filters {named}"


@dataclass(frozen=True)
class Score(Target):
    """A function of the network's scores, such as ``lambda outputs: outputs[:, 285] ** 2``.

    Methods also take the function itself. It can be added to other targets, and multiplied by a
    number.

    Parameters
    ----------
    function : callable
        Called with the scores of a batch, a float32 tensor of the backend: (N, classes), or
        (N, h, w, classes) if the network scores classes at every position. They are logits, or
        probabilities where ``score="probability"``. Returns one number per image, (N,), each of
        which must depend on the scores of that image alone. Use indexing, arithmetic, ``keras.ops``
        or operations of the backend, which have gradients. It is compiled: global variables and
        objects that it reads are read when a call of a method begins.
    name : str, optional
        Description for captions. None: the name of the function; "a function" for a lambda.
    """

    function: Callable[[Any], Any]
    name: str | None = None

    def __post_init__(self) -> None:
        """Take what can be called, but no class."""
        if not callable(self.function) or isinstance(self.function, type):
            raise InputError(
                "function must be a function of the scores, such as lambda outputs: "
                f"outputs[:, 285], not {shown(self.function)}."
            )
        if self.name is not None and not isinstance(self.name, str):
            raise InputError(f"name must be a text or None, not {shown(self.name)}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        return self.function is other.function and self.name == other.name

    def __hash__(self) -> int:
        return hash((id(self.function), self.name))  # objects that can be called may have no hash

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        """See `Target.weights`. The network must have been extended by the function."""
        return {net.function_output(self.function): np.ones(1, np.float32)}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        """See `Target.outputs`."""
        return (net.function_output(self.function),)

    def functions(self) -> tuple[Callable[[Any], Any], ...]:
        """The function."""
        return (self.function,)

    def describe(self, net: Network) -> str:
        """Its name."""
        return self.name or name_of(self.function)


@dataclass(frozen=True)
class _Sum(Target):
    first: Target
    second: Target

    def each(self) -> tuple[Target, ...]:
        firsts, seconds = self.first.each(), self.second.each()
        count = max(len(firsts), len(seconds))
        if {len(firsts), len(seconds)} - {1, count}:
            raise InputError(
                f"Cannot add {counted(len(firsts), 'target')} to {len(seconds)}: give as many, or "
                "one."
            )
        pairs = zip(_repeated(firsts, count), _repeated(seconds, count), strict=True)
        return tuple(_Sum(first, second) for first, second in pairs)

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        total = dict(self.first.weights(net, size, score))
        for output, array in self.second.weights(net, size, score).items():
            total[output] = total[output] + array if output in total else array
        return total

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        both = (*self.first.outputs(net, score), *self.second.outputs(net, score))
        return tuple(dict.fromkeys(both))

    def resolved(self, net: Network) -> Target:
        return _Sum(self.first.resolved(net), self.second.resolved(net))

    def at(self, outputs: Outputs) -> Target:
        return _Sum(self.first.at(outputs), self.second.at(outputs))

    def functions(self) -> tuple[Callable[[Any], Any], ...]:
        return (*self.first.functions(), *self.second.functions())

    def describe(self, net: Network) -> str:
        first, second = self.first.describe(net), self.second.describe(net)
        if second.startswith("−"):
            return f"{first} − {second[1:]}"
        return f"{first} + {second}"


@dataclass(frozen=True)
class _Scaled(Target):
    target: Target
    factor: float

    def each(self) -> tuple[Target, ...]:
        return tuple(_Scaled(target, self.factor) for target in self.target.each())

    def weights(self, net: Network, size: tuple[int, int], score: str = "logit") -> Weights:
        weights = self.target.weights(net, size, score)
        return {output: array * np.float32(self.factor) for output, array in weights.items()}

    def outputs(self, net: Network, score: str = "logit") -> tuple[Output, ...]:
        return self.target.outputs(net, score)

    def resolved(self, net: Network) -> Target:
        return _Scaled(self.target.resolved(net), self.factor)

    def at(self, outputs: Outputs) -> Target:
        return _Scaled(self.target.at(outputs), self.factor)

    def functions(self) -> tuple[Callable[[Any], Any], ...]:
        return self.target.functions()

    def describe(self, net: Network) -> str:
        inner = self.target.describe(net)
        if isinstance(self.target, _Sum):
            inner = f"({inner})"
        sign = "−" if self.factor < 0 else ""
        factor = "" if abs(self.factor) == 1 else f"{abs(self.factor):g}·"
        return sign + factor + inner


def resolved(target: Any, net: Network) -> tuple[Target, ...]:
    """`targets_of`, with what they need of the network."""
    return tuple(single.resolved(net) for single in targets_of(target))


def targets_of(target: Any) -> tuple[Target, ...]:
    """The single targets that a ``target`` argument stands for.

    A bare int or str is a `Class`, a function is a `Score`.
    """
    if isinstance(target, Target):
        return target.each()
    if callable(target) and not isinstance(target, type):
        return (Score(target),)
    is_one = as_index(target) is not None or getattr(target, "ndim", 1) == 0
    if isinstance(target, str) or is_one:
        return (Class(target),)
    if isinstance(target, Iterable):
        several = tuple(single for item in target for single in targets_of(item))
        if several:
            return several
    raise InputError(
        f"Expected a target such as 285, 'tabby', Class(285) or Filter(layer, 7), got "
        f"{shown(target)}."
    )


def extended(net: Network, targets: Sequence[Target], score: str) -> Network:
    """The network, extended by the functions in ``targets``.

    Raises
    ------
    InputError
        If a function fails, or does not return one number per image.
    """
    functions = [function for target in targets for function in target.functions()]
    return net.with_functions(functions, score) if functions else net


def stacked_weights(
    targets: Sequence[Target], net: Network, size: tuple[int, int], score: str
) -> Mapping[Output, np.ndarray]:
    """The weights of ``targets``, one example each: arrays (N, ...) for every output in use."""
    singles = [target.weights(net, size, score) for target in targets]
    stacked = {}
    for output in dict.fromkeys(output for single in singles for output in single):
        shapes = [single[output].shape for single in singles if output in single]
        shape = np.broadcast_shapes(*shapes)
        stacked[output] = np.stack(
            [np.broadcast_to(single.get(output, np.float32(0)), shape) for single in singles]
        ).astype(np.float32)
    return stacked


def _map(net: Network, layer: str, size: tuple[int, int]) -> tuple[Output, tuple[int, ...]]:
    """The output of ``layer`` and the shape of one example of it."""
    output = Output(net.step(layer).index)
    return output, net.shape(output, size)


def _region(given: Any) -> tuple[int, int, int, int] | Mask:
    """The ``region`` argument as a mask or box."""
    array = np.asarray(given)
    if array.dtype == bool and array.ndim == 2:
        return Mask(array.shape, np.packbits(array).tobytes())
    if array.shape == (4,) and array.dtype.kind in "iu":
        top, left, bottom, right = map(int, array)
        return top, left, bottom, right
    raise InputError(
        "A region must be (top, left, bottom, right) in whole pixels of the network's output, or "
        f"a bool array of the size of that output, not {type(given).__name__} of shape "
        f"{array.shape} and type {array.dtype}."
    )


def _inside(region: tuple[int, int, int, int] | Mask | None, size: tuple[int, int]) -> np.ndarray:
    """1 inside the region and 0 elsewhere, (h, w, 1), for a map of ``size``."""
    height, width = size
    inside = np.zeros((*size, 1), np.float32)
    if region is None:
        inside[:] = 1
    elif isinstance(region, Mask):
        if region.shape != tuple(size):
            raise InputError(
                f"The region is a mask of {region.shape[0]}×{region.shape[1]}, but the output is "
                f"{height}×{width}: give a mask of that size."
            )
        inside[region.array()] = 1
    else:
        top, left, bottom, right = region
        if not (0 <= top < bottom <= height and 0 <= left < right <= width):
            raise InputError(
                f"The region {region} is not within the output of {height}×{width}: give (top, "
                "left, bottom, right) with top < bottom and left < right."
            )
        inside[top:bottom, left:right] = 1
    if not inside.any():
        raise InputError("The region is empty: it must hold at least one pixel of the output.")
    return inside


def _vectors(given: Any) -> tuple[float, ...] | tuple[tuple[float, ...], ...]:
    """The ``vector`` argument of a `Direction` as a tuple, or as a tuple of tuples."""
    try:
        array = np.asarray(given)
    # Ragged lists, or a tensor on another device.
    except Exception:
        array = np.empty(0)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not array.size:
        raise InputError(
            "vector must be numbers of shape (channels,), or (N, channels) for N targets, not "
            f"{shown(given)}."
        )
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError("vector must be finite: it has NaN or infinite numbers.")
    if not array.any(axis=-1).all():
        raise InputError("vector is zero everywhere: it has no direction.")
    if array.ndim == 1:
        return tuple(array.tolist())
    return tuple(map(tuple, array.tolist()))


def _label(label: Any) -> int | str:
    """The label as a plain Python int or str."""
    if isinstance(label, str):
        return str(label)
    index = as_index(label)
    if index is None:
        raise InputError(
            f"A class is a name, a WordNet id or a whole number, not {shown(label)}: give one of "
            "the network's labels or its index."
        )
    return index


def _one_hot(length: int, index: int) -> np.ndarray:
    vector = np.zeros(length, np.float32)
    vector[index] = 1
    return vector


def require_channel(channel: Any, count: int, layer: str) -> int:
    """``channel`` if it is one of the ``count`` channels of ``layer``; else an InputError."""
    if not isinstance(channel, int) or not 0 <= channel < count:
        raise InputError(
            f"{layer!r} has {counted(count, 'channel')}, numbered 0 to {count - 1}: {channel} is "
            "out of range."
        )
    return channel


def _repeated(targets: tuple[Target, ...], count: int) -> tuple[Target, ...]:
    return targets * count if len(targets) == 1 else targets

"""Changes of channels: what is asked for, read for a network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optogram.arguments import as_float, number, shown
from optogram.errors import InputError
from optogram.graph.steps import Step
from optogram.network.network import Network
from optogram.target import Filter, require_channel
from optogram.words import brief

_LARGEST = float(np.finfo(np.float32).max)
_LONGEST = 60
"""Characters of the numbers of filters in a description."""


@dataclass(frozen=True)
class Change:
    """A change of a feature map: every value a becomes ``scale`` · a + ``shift``.

    For `intervene` and `intervention_probe`, where a number sets the map to a constant. Without
    arguments, nothing is changed.

    Parameters
    ----------
    scale : float
        Factor: 2 doubles the map, 0 silences it.
    shift : float
        Summand, in units of the map.

    Raises
    ------
    InputError
        If one of them is not a finite number.
    """

    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        """Take finite numbers of any kind, so that equal changes are equal."""
        for name in ("scale", "shift"):
            object.__setattr__(self, name, _finite(name, getattr(self, name)))

    def __str__(self) -> str:
        """A short description: "set to 0", "× 2", "+ 1", "× 2 + 1"."""
        scale, size = f"{self.scale:g}", f"{abs(self.shift):g}"
        if not self.scale:
            return f"set to {'−' if self.shift < 0 else ''}{size}"
        words = [f"× {scale.replace('-', '−')}"] if self.scale != 1 else []
        if self.shift:
            words.append(f"{'−' if self.shift < 0 else '+'} {size}")
        return " ".join(words) or "unchanged"


@dataclass(frozen=True)
class Changes:
    """Changes of channels of a network.

    Attributes
    ----------
    factors : mapping of int to ndarray of shape (2, C), float32
        For each changed step, by index, the factor and the summand of each channel.
    names : tuple of str
        A description of each change, such as "conv1, filter 7: set to 0".
    """

    factors: Mapping[int, np.ndarray]
    names: tuple[str, ...]

    @property
    def unchanged(self) -> dict[int, np.ndarray]:
        """Factors of the same steps that change nothing."""
        return {index: _unchanged(array.shape[1]) for index, array in self.factors.items()}


def read_changes(net: Network, changes: Mapping[Any, Any]) -> Changes:
    """The changes that a ``changes`` argument asks for; see `intervene`.

    Raises
    ------
    InputError
        If there is none, a layer or channel does not exist, a channel is named twice, or a value is
        not a finite number.
    """
    if not changes:
        raise InputError(
            'changes must name at least one channel, such as {og.Filter("conv1", 7): 0.0}.'
        )
    factors: dict[int, np.ndarray] = {}
    named: dict[int, set[int | None]] = {}
    found, names = [], []
    for key, value in changes.items():
        change, of = _change(key, value), list(_channels(net, key))
        found += [(step, channel, change) for step, channel in of]
        names.append(f"{_described(key)}: {change}")
    # Whole layers first: a change of one channel is more specific than that of its layer.
    for step, channel, change in sorted(found, key=lambda one: one[1] is not None):
        others = named.setdefault(step.index, set())
        if channel in others:
            where = "all its channels" if channel is None else f"filter {channel}"
            raise InputError(
                f"changes has two values for {where} of {step.name!r}: give one of them."
            )
        others.add(channel)
        array = factors.setdefault(step.index, _unchanged(step.shape[-1] or 0))
        array[:, slice(None) if channel is None else channel] = np.reshape(
            [change.scale, change.shift], (2, 1) if channel is None else 2
        )
    return Changes(dict(sorted(factors.items())), tuple(names))


def require_effect(net: Network, unread: tuple[int, ...]) -> None:
    """Raise an InputError if scores do not depend on a changed layer; ``unread`` by index."""
    if unread:
        name = net.graph.steps[unread[0]].name
        raise InputError(
            f"The scores of {net.name!r} do not depend on the output of {name!r}: change a layer "
            "between the image and the logits."
        )


def _change(key: Any, value: Any) -> Change:
    if isinstance(value, Change):
        return value
    if as_float(value) is None:
        raise InputError(
            f"The value for {_described(key)} must be a finite number, which sets the map, or "
            f"og.Change(scale=…, shift=…), not {shown(value)}."
        )
    return Change(0.0, _finite(f"The value for {_described(key)}", value))


def _channels(net: Network, key: Any) -> Iterator[tuple[Step, int | None]]:
    """The channels that a key stands for: steps with a number, or with None for all channels."""
    if isinstance(key, str):
        for name in net.layer_names(key):
            yield step_with_channels(net, name), None
        return
    if not isinstance(key, Filter):
        raise InputError(
            "The keys of changes are og.Filter(layer, channel), or names of layers for all of "
            f"their channels, not {shown(key)}."
        )
    if key.border:
        raise InputError(
            f"A change is of the whole map: leave border={key.border} out of {shown(key)}."
        )
    step = step_with_channels(net, key.layer)
    for channel in (key.channel,) if isinstance(key.channel, int) else key.channel:
        yield step, require_channel(channel, step.shape[-1] or 0, key.layer)


def step_with_channels(net: Network, layer: str) -> Step:
    """The step called ``layer``, whose output has channels, or units.

    Raises
    ------
    InputError
        If there is none, or its output has no channels.
    """
    step = net.step(layer)
    if len(step.shape) < 2 or not step.shape[-1] or "float" not in step.dtypes[0]:
        raise InputError(
            f"{layer!r} has no channels that can be changed: its output has the shape "
            f"{step.shape} and the type {step.dtypes[0]}. Choose a layer with feature maps or "
            "units."
        )
    return step


def _described(key: Any) -> str:
    if isinstance(key, str):
        return f"{key}, all channels"
    if isinstance(key, Filter) and not isinstance(key.channel, int):
        return f"{key.layer}, filters {brief(', '.join(_runs(key.channel)), _LONGEST)}"
    return f"{key.layer}, filter {key.channel}" if isinstance(key, Filter) else shown(key)


def _runs(channels: tuple[int, ...]) -> list[str]:
    """Channels as text, successive ones together: "0-9", "17"."""
    runs: list[list[int]] = []
    for channel in sorted(channels):
        if runs and channel == runs[-1][-1] + 1:
            runs[-1].append(channel)
        else:
            runs.append([channel])
    return [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]


def _unchanged(channels: int) -> np.ndarray:
    return np.repeat(np.array([[1], [0]], np.float32), channels, axis=1)


def _finite(name: str, value: Any) -> float:
    found = number(name, value)
    if abs(found) > _LARGEST:
        raise InputError(f"{name} must be a number that float32 can hold, not {shown(value)}.")
    return found

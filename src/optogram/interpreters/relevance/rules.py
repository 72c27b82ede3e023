"""Rules of layer-wise relevance propagation for linear operations with weights.

A linear operation computes z = Σᵢ xᵢ wᵢ + b. Each rule says which share of the relevance R of z
belongs to each input xᵢ. Bach et al., "On pixel-wise explanations for non-linear classifier
decisions by layer-wise relevance propagation" (2015); Montavon et al., "Layer-wise relevance
propagation: an overview" (2019), for the names and where each is used.

Wherever z is divided by, a small number of its sign is added, so that relevance of a vanishing z is
absorbed, not divided by zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from optogram import backend
from optogram.interpreters.relevance.linear import Linear


@dataclass(frozen=True)
class Read:
    """What a linear operation read and made.

    Attributes
    ----------
    x, z : tensors
        Its input and its output, bias included.
    relevance : tensor
        The relevance of the output.
    is_positive : bool
        Whether no element of ``x`` is negative.
    ends_negative : bool
        Whether outputs below 0 can have relevance: not, if a ReLU is all that reads them.
    lowest, highest : tensors or None
        What ``x`` is for a black and a white image, the smaller and the larger, if nothing
        linear comes before.
    present : tensor or None
        0 for padding, 1 for other elements of ``x``. None: 1 for all.
    """

    x: Any
    z: Any
    relevance: Any
    is_positive: bool = False
    ends_negative: bool = True
    lowest: Any = None
    highest: Any = None
    present: Any = None


@dataclass(frozen=True)
class Owed:
    """Relevance of what was read, and what was taken by the bias in each image, (N,)."""

    relevance: Any
    bias: Any


class Rule:
    """A rule for linear operations; `apply` is what differs."""

    def apply(self, linear: Linear, read: Read) -> Owed:
        """The relevance of the input of ``linear``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Epsilon(Rule):
    """ε: Rᵢ = xᵢ wᵢ / (z + ε sign z) · R. Bach et al. 2015, eq. 58.

    Parameters
    ----------
    epsilon : float
        ε, in units of the output. Small: all relevance is passed on; larger: weak, contradictory
        contributions are absorbed.
    """

    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        seed = read.relevance / stabilized(read.z, self.epsilon)
        _, back = _applied(linear, [(0, linear.kernel)], [read.x])
        (pulled,) = back([seed])
        return Owed(read.x * pulled, _taken(seed, linear.bias))


@dataclass(frozen=True)
class Gamma(Rule):
    """γ: positive contributions count (1 + γ) times. Montavon et al. 2019, section 10.2.2.

    For inputs and outputs of both signs, as Andéol et al. 2021: for z > 0, contributions above 0
    are raised, for z < 0 those below.

    Parameters
    ----------
    gamma : float
        γ: 0 is the ε rule; large values approach `ZPlus`.
    epsilon : float
        Stabilizes divisions.
    """

    gamma: float = 0.25
    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        ops = keras.ops
        raised = {sign: _raised(linear, self.gamma, sign) for sign in (1.0, -1.0)}

        def seeded(sign: float, z: Any) -> Any:
            chosen = read.z > 0 if sign > 0 else read.z < 0
            return ops.where(chosen, read.relevance / stabilized(z, self.epsilon), 0.0)

        signs = (1.0, -1.0) if read.ends_negative else (1.0,)
        return _of_signs(linear, read, signs, raised.__getitem__, seeded)


@dataclass(frozen=True)
class AlphaBeta(Rule):
    """αβ: α times the shares of positive contributions, minus β times those of negative ones.

    Bach et al. 2015, eq. 60.

    Parameters
    ----------
    alpha, beta : float
        α − β must be 1, for relevance to be conserved.
    epsilon : float
        Stabilizes divisions.
    """

    alpha: float = 2.0
    beta: float = 1.0
    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        shares = {1.0: self.alpha, -1.0: -self.beta}

        def weights(sign: float) -> _Weights:
            bias = None if linear.bias is None else _one_sign(linear.bias, sign)
            return _Weights(_one_sign(linear.kernel, sign), bias)

        def seeded(sign: float, z: Any) -> Any:
            return shares[sign] * read.relevance / stabilized(z, self.epsilon)

        signs = [sign for sign, share in shares.items() if share]
        return _of_signs(linear, read, signs, weights, seeded)


@dataclass(frozen=True)
class ZPlus(AlphaBeta):
    """z⁺: positive contributions alone, αβ with α = 1 and β = 0. Montavon et al. 2017."""

    alpha: float = 1.0
    beta: float = 0.0


@dataclass(frozen=True)
class Flat(Rule):
    """Flat: the same share for all that was read, for first layers. Lapuschkin et al. 2019."""

    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        return _regardless(linear, keras.ops.ones_like(linear.kernel), None, read, self.epsilon)


@dataclass(frozen=True)
class WSquare(Rule):
    """w²: shares by squared weights, for first layers without bounds. Montavon et al. 2017."""

    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        bias = None if linear.bias is None else linear.bias * linear.bias
        return _regardless(linear, linear.kernel * linear.kernel, bias, read, self.epsilon)


@dataclass(frozen=True)
class Box(Rule):
    """zᴮ: for pixels, which lie between black and white. Montavon et al. 2017, eq. 14.

    Rᵢ = (xᵢ wᵢ − lᵢ wᵢ⁺ − hᵢ wᵢ⁻) / Σ (…) · R, with l and h the lowest and highest values of xᵢ.
    For the first linear step alone: elsewhere there are no bounds.
    """

    epsilon: float = 1e-6

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        kernels = [linear.kernel, *(_one_sign(linear.kernel, sign) for sign in (1.0, -1.0))]
        inputs = [read.x, read.lowest, read.highest]
        made, back = _applied(linear, list(enumerate(kernels)), inputs)
        # The bias counts in none: b − b⁺ − b⁻ = 0.
        seed = read.relevance / stabilized(made[0] - made[1] - made[2], self.epsilon)
        pulled = back([seed] * len(made))
        own, low, high = (x * one for x, one in zip(inputs, pulled, strict=True))
        return Owed(own - low - high, _taken(seed, None))


def stabilized(z: Any, epsilon: float) -> Any:
    """z + ε sign z, with the sign of 0 taken as +."""
    return z + keras.ops.where(z < 0, -epsilon, epsilon)


def of_images(array: Any) -> Any:
    """The sum over each image, (N,)."""
    return keras.ops.sum(keras.ops.reshape(array, (keras.ops.shape(array)[0], -1)), axis=1)


def _taken(seed: Any, bias: Any) -> Any:
    """Relevance that the bias takes, (N,)."""
    if bias is None:
        return keras.ops.zeros((keras.ops.shape(seed)[0],))
    return of_images(seed * bias)


def _parts(read: Read) -> list[Any]:
    """What was read above 0, and below 0 if anything is."""
    if read.is_positive:
        return [read.x]
    return [_one_sign(read.x, 1.0), _one_sign(read.x, -1.0)]


def _one_sign(values: Any, sign: float) -> Any:
    ops = keras.ops
    return ops.maximum(values, 0.0) if sign > 0 else ops.minimum(values, 0.0)


@dataclass(frozen=True)
class _Weights:
    kernel: Any
    bias: Any


def _of_signs(
    linear: Linear,
    read: Read,
    signs: Sequence[float],
    weights: Callable[[float], _Weights],
    seeded: Callable[[float, Any], Any],
) -> Owed:
    """Relevance by contributions told apart by sign.

    For each of ``signs``, what is above 0 in the input meets the ``weights`` of that sign, what is
    below 0 those of the other; ``seeded(sign, z)`` is the relevance for each unit of their sum.
    """
    parts = _parts(read)
    places = range(len(parts))
    each = [[weights(sign * turn).kernel for turn in (1.0, -1.0)][: len(parts)] for sign in signs]
    terms = [(place, kernels[place]) for kernels in each for place in places]
    made, back = _applied(linear, terms, parts)
    seeds, taken = list[Any](), 0.0
    for number, sign in enumerate(signs):
        bias = weights(sign).bias
        z = sum(made[number * len(parts) + place] for place in places)
        seed = seeded(sign, z if bias is None else z + bias)
        seeds += [seed] * len(parts)
        taken = taken + _taken(seed, bias)
    pulled = back(seeds)
    return Owed(sum(x * one for x, one in zip(parts, pulled, strict=True)), taken)


def _applied(
    linear: Linear, terms: Sequence[tuple[int, Any]], inputs: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """What kernels make of inputs, and the way back; ``terms``: number of an input, and kernel."""

    def made(at: list[Any]) -> list[Any]:
        return [linear.apply(at[place], kernel) for place, kernel in terms]

    return backend.current().pullback(made, inputs)


def _raised(linear: Linear, gamma: float, sign: float) -> _Weights:
    """Weights and bias plus γ times those of a sign."""
    kernel = linear.kernel + gamma * _one_sign(linear.kernel, sign)
    bias = linear.bias
    return _Weights(kernel, None if bias is None else bias + gamma * _one_sign(bias, sign))


def _regardless(linear: Linear, kernel: Any, bias: Any, read: Read, epsilon: float) -> Owed:
    """Shares by ``kernel`` alone, whatever was read."""
    ones = keras.ops.ones_like(read.x) if read.present is None else read.present
    (z,), back = _applied(linear, [(0, kernel)], [ones])
    seed = read.relevance / stabilized(z if bias is None else z + bias, epsilon)
    (pulled,) = back([seed])
    return Owed(pulled, _taken(seed, bias))

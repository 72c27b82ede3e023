"""Rules of layer-wise relevance propagation for linear operations with weights.

A linear operation computes z = Σᵢ xᵢ wᵢ + b. Each rule says which share of the relevance R of z
belongs to each input xᵢ. Bach et al., "On pixel-wise explanations for non-linear classifier
decisions by layer-wise relevance propagation" (2015); Montavon et al., "Layer-wise relevance
propagation: an overview" (2019), for the names and where each is used.

Wherever z is divided by, a small number of its sign is added, so that relevance of a vanishing z is
absorbed, not divided by zero.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from optogram import backend
from optogram.interpreters.relevance.linear import Linear

_BOTH = (1.0, -1.0)
_ROUNDING = 1e-6
"""Part of the magnitudes that were added; less is rounding of float32."""


@dataclass(frozen=True)
class Read:
    """What a linear operation read and made.

    Attributes
    ----------
    x, z : tensors
        Its input and its output, bias included.
    back : callable
        The way back of what was computed, as that of ``pullback`` in `optogram.backend`: of a list
        of seeds, one for ``z`` or one for each of ``apart``.
    apart : sequence of tensors
        What the weights for each sign made of ``x``, where `Rule.signs` are needed.
    is_positive : bool
        Whether no element of ``x`` is negative.
    ends_negative : bool
        Whether outputs below 0 can have relevance: not, if a ReLU is all that reads them.
    relevance : tensor
        The relevance of the output.
    lowest, highest : tensors or None
        What ``x`` is for a black and a white image, the smaller and the larger, if nothing
        linear comes before.
    present : tensor or None
        0 for padding, 1 for other elements of ``x``. None: 1 for all.
    """

    x: Any
    z: Any
    back: Callable[[Sequence[Any]], list[Any]]
    apart: Sequence[Any] = ()
    is_positive: bool = False
    ends_negative: bool = True
    relevance: Any = None
    lowest: Any = None
    highest: Any = None
    present: Any = None


@dataclass(frozen=True)
class Owed:
    """Relevance of what was read, and what was taken by the bias in each image, (N,)."""

    relevance: Any
    bias: Any


@dataclass(frozen=True)
class Signs:
    """Contributions xᵢ wᵢ told apart: each counts ``own`` times, those of a sign ``more`` times."""

    own: float
    more: float

    def of(self, values: Any, sign: float) -> Any:
        """Weights or biases, for one sign."""
        part = _times(self.more, _one_sign(values, sign))
        return _times(self.own, values) + part if self.own else part


class Rule:
    """A rule for linear operations; `apply` is what differs."""

    def signs(self, ends_negative: bool) -> Signs | None:
        """How contributions are told apart, where the rule needs the sums of both signs."""
        return None

    def run(self, linear: Linear, x: Any, is_positive: bool, ends_negative: bool) -> Read:
        """The output for ``x``, with what `apply` will need."""
        signs = self.signs(ends_negative) if is_positive else None
        if signs is None:
            (z,), back = _applied(linear, [linear.kernel], [x])
            apart = list[Any]()
        else:
            # Their sum is the output, which takes no convolution of its own.
            kernels = [signs.of(linear.kernel, sign) for sign in _BOTH]
            apart, back = _applied(linear, kernels, [x, x])
            z = _times(1 / (2 * signs.own + signs.more), apart[0] + apart[1])
        z = z if linear.bias is None else z + linear.bias
        return Read(x, z, back, apart, is_positive, ends_negative)

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
        return Owed(read.x * read.back([seed])[0], _taken(seed, linear.bias))


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

    def signs(self, ends_negative: bool) -> Signs | None:
        """See `Rule`."""
        return Signs(1.0, self.gamma) if ends_negative and self.gamma else None

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        if not self.gamma:
            return Epsilon(self.epsilon).apply(linear, read)
        where = keras.ops.where
        arriving = {1.0: where(read.z > 0, read.relevance, 0.0)}
        if read.ends_negative:
            arriving[-1.0] = where(read.z < 0, read.relevance, 0.0)
        return _of_signs(linear, read, Signs(1.0, self.gamma), arriving, self.epsilon)


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

    def signs(self, ends_negative: bool) -> Signs | None:
        """See `Rule`."""
        return Signs(0.0, 1.0) if self.alpha and self.beta else None

    def apply(self, linear: Linear, read: Read) -> Owed:
        """See `Rule`."""
        shares = {1.0: self.alpha, -1.0: -self.beta}
        arriving = {sign: _times(share, read.relevance) for sign, share in shares.items() if share}
        return _of_signs(linear, read, Signs(0.0, 1.0), arriving, self.epsilon)


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
        kernels = [_one_sign(linear.kernel, sign) for sign in (1.0, -1.0)]
        (low, high), back = _applied(linear, kernels, [read.lowest, read.highest])
        own = read.z if linear.bias is None else read.z - linear.bias
        # The bias counts in none: b − b⁺ − b⁻ = 0.
        seed = read.relevance / stabilized(own - low - high, self.epsilon)
        below, above = back([seed, seed])
        owed = read.x * read.back([seed])[0] - read.lowest * below - read.highest * above
        return Owed(owed, _taken(seed, None))


def stabilized(z: Any, epsilon: float) -> Any:
    """z + ε sign z, with the sign of 0 taken as +."""
    return z + keras.ops.where(z < 0, -epsilon, epsilon)


def of_images(array: Any) -> Any:
    """The sum over each image, (N,)."""
    axes = tuple(range(1, len(array.shape)))
    return keras.ops.sum(array, axis=axes) if axes else array


def _taken(seed: Any, bias: Any) -> Any:
    """Relevance that the bias takes, (N,)."""
    if bias is None:
        return keras.ops.zeros((keras.ops.shape(seed)[0],))
    # Summed first over what shares a bias: one pass less over the map.
    rank, shape = len(seed.shape), tuple(bias.shape)
    own = [rank - len(shape) + axis for axis, side in enumerate(shape) if side != 1]
    sums = keras.ops.sum(
        seed, axis=[axis for axis in range(1, rank) if axis not in own], keepdims=True
    )
    return of_images(sums * bias)


def _one_sign(values: Any, sign: float) -> Any:
    ops = keras.ops
    return ops.maximum(values, 0.0) if sign > 0 else ops.minimum(values, 0.0)


def _of_signs(
    linear: Linear, read: Read, signs: Signs, arriving: Mapping[float, Any], epsilon: float
) -> Owed:
    """Relevance by contributions told apart by sign.

    The relevance ``arriving`` for each sign is shared by how much contributions count for it,
    divided by their sum; the bias is one of them.
    """
    shares = _of_positive if read.is_positive else _of_any
    return shares(linear, read, signs, arriving, epsilon)


def _of_positive(
    linear: Linear, read: Read, signs: Signs, arriving: Mapping[float, Any], epsilon: float
) -> Owed:
    """`_of_signs` for an input that is nowhere negative: by the signs of the weights."""
    made, back = read.apart, read.back
    if not made:
        kernels = [signs.of(linear.kernel, sign) for sign in arriving]
        made, back = _applied(linear, kernels, [read.x] * len(kernels))
    seeds, taken = list[Any](), list[Any]()
    for (sign, relevance), z in zip(arriving.items(), made, strict=True):
        bias = None if linear.bias is None else signs.of(linear.bias, sign)
        z = z if bias is None else z + bias
        seeds.append(relevance / (_one_sign(z, sign) + sign * epsilon))
        taken.append(_taken(seeds[-1], bias))
    return Owed(read.x * _added(back(seeds)), _added(taken))


def _of_any(
    linear: Linear, read: Read, signs: Signs, arriving: Mapping[float, Any], epsilon: float
) -> Owed:
    """`_of_signs` for an input of both signs: by magnitudes, as c⁺ is (c + |c|) / 2.

    Magnitudes take one kernel more; the four products of signs would take up to four.
    """
    ops, size = keras.ops, keras.ops.abs(read.x)
    (total,), back = _applied(linear, [ops.abs(linear.kernel)], [size])
    if linear.bias is not None:
        total = total + ops.abs(linear.bias)
    # All is divided by more / 2.
    ratio, factor = 2 * signs.own / signs.more, 2 / signs.more
    rounding = None if ratio else 2 * _ROUNDING * total
    seeds, taken = dict[float, Any](), list[Any]()
    for sign, relevance in arriving.items():
        part = read.z + total if sign > 0 else read.z - total
        if rounding is not None:
            # What is left of contributions that cancel is rounding.
            is_left = part > rounding if sign > 0 else part < -rounding
            relevance = ops.where(is_left, relevance, 0.0)
        whole = ratio * read.z + part if ratio else part
        seeds[sign] = relevance / (_one_sign(whole, sign) + sign * factor * epsilon)
        bias = None if linear.bias is None else factor * signs.of(linear.bias, sign)
        taken.append(_taken(seeds[sign], bias))
    plain = _added(list(seeds.values()))
    apart = seeds[1.0] - seeds[-1.0] if len(seeds) > 1 else _times(*next(iter(seeds.items())))
    (pulled,), (pulled_sizes,) = read.back([_times(1 + ratio, plain)]), back([apart])
    return Owed(read.x * pulled + size * pulled_sizes, _added(taken))


def _times(factor: float, values: Any) -> Any:
    """Their product, without a pass over the values where the factor is 1."""
    return values if factor == 1 else factor * values


def _added(tensors: Sequence[Any]) -> Any:
    """Their sum, without adding 0, which would be one more pass over a map."""
    return functools.reduce(operator.add, tensors)


def _applied(
    linear: Linear, kernels: Sequence[Any], inputs: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Any]], list[Any]]]:
    """What each kernel makes of its input, and the way back."""

    def made(at: list[Any]) -> list[Any]:
        return [linear.apply(one, kernel) for one, kernel in zip(at, kernels, strict=True)]

    return backend.current().pullback(made, inputs)


def _regardless(linear: Linear, kernel: Any, bias: Any, read: Read, epsilon: float) -> Owed:
    """Shares by ``kernel`` alone, whatever was read."""
    ones = keras.ops.ones_like(read.x) if read.present is None else read.present
    (z,), back = _applied(linear, [kernel], [ones])
    seed = read.relevance / stabilized(z if bias is None else z + bias, epsilon)
    (pulled,) = back([seed])
    return Owed(pulled, _taken(seed, bias))

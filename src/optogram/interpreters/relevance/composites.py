"""Which rule each linear step gets: composites by name.

As zennit's, where ``alpha2_beta1`` is called ``epsilon_alpha2_beta1`` (Anders et al. 2021); and
``cp_gamma`` for transformers, as Achtibat et al. 2024 use it for images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import keras

from optogram.arguments import shown
from optogram.errors import InputError, nearest
from optogram.graph.steps import Step
from optogram.interpreters.relevance.rules import (
    AlphaBeta,
    Box,
    Epsilon,
    Flat,
    Gamma,
    Rule,
    ZPlus,
)


@dataclass(frozen=True)
class Composite:
    """The rules for the linear steps of a network.

    Attributes
    ----------
    name : str
        Its name.
    convolutions, dense : Rule
        The rules for convolutions and for dense layers.
    first : Rule or None
        The rule for linear steps that have no other before them. None: no exception.
    holds_attention : bool
        Whether attention is held: what it weighs gets all relevance (CP-LRP, Ali et al. 2022).
        Otherwise queries and keys get a part (AttnLRP, Achtibat et al. 2024).
    chosen : callable or None
        The user's function from a step to its rule; where it returns None, the others hold.
    """

    name: str
    convolutions: Rule
    dense: Rule
    first: Rule | None = None
    holds_attention: bool = False
    chosen: Callable[[Step], Rule | None] | None = None

    def rule(self, step: Step, is_first: bool) -> Rule:
        """The rule for a linear step.

        Raises
        ------
        InputError
            If the user's function returns something else, or a `Box` where there are no bounds.
        """
        rule = self.chosen(step) if self.chosen else None
        if rule is None:
            is_dense = isinstance(step.operation, keras.layers.Dense | keras.layers.EinsumDense)
            # As zennit: the box and the flat rule are for first layers, of either kind.
            usual = self.dense if is_dense else self.convolutions
            return self.first if is_first and self.first else usual
        if not isinstance(rule, Rule):
            raise InputError(
                "composite, a function of a step, must return a rule such as og.rules.Gamma(0.25), "
                f"or None for the default, not {shown(rule)}."
            )
        if isinstance(rule, Box) and not is_first:
            raise InputError(
                f"The Box rule needs the values of black and white, which only the first linear "
                f"steps have: {step.name!r} has others before it."
            )
        return rule


_EPSILON = Epsilon()
COMPOSITES: Mapping[str, Composite] = MappingProxyType(
    {
        one.name: one
        for one in (
            Composite("epsilon", _EPSILON, _EPSILON),
            Composite("epsilon_plus", ZPlus(), _EPSILON),
            Composite("epsilon_plus_flat", ZPlus(), _EPSILON, Flat()),
            Composite("epsilon_gamma_box", Gamma(0.25), _EPSILON, Box()),
            Composite("alpha2_beta1", AlphaBeta(2.0, 1.0), _EPSILON),
            Composite("alpha2_beta1_flat", AlphaBeta(2.0, 1.0), _EPSILON, Flat()),
            Composite("cp_epsilon", _EPSILON, _EPSILON, holds_attention=True),
            Composite("cp_gamma", Gamma(0.25), Gamma(0.05), holds_attention=True),
        )
    }
)
"""The composites by name."""
_DEFAULT = "epsilon_gamma_box"


def composite_of(given: str | Callable[[Step], Rule | None]) -> Composite:
    """A composite by name, or from a function of a step.

    Raises
    ------
    InputError
        If there is no composite of that name.
    """
    if isinstance(given, str):
        if given not in COMPOSITES:
            hint = nearest(given, COMPOSITES)
            raise InputError(
                f"composite must be one of {', '.join(COMPOSITES)}, or a function of a step, not "
                f"{given!r}{': ' if hint else ''}{hint}."
            )
        return COMPOSITES[given]
    usual = COMPOSITES[_DEFAULT]
    name = getattr(given, "__name__", "function")
    return Composite(name, usual.convolutions, usual.dense, usual.first, chosen=given)

"""Layers by name or pattern."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from optogram.errors import InputError, nearest
from optogram.graph.steps import Step

_MOST_HINTS = 8


def is_pattern(name: str) -> bool:
    """Whether ``name`` has a character with a meaning in patterns: ``*``, ``?`` or ``[``."""
    return not set("*?[").isdisjoint(name)


def matching(
    names: Iterable[str], steps: Mapping[str, Step], network: str, kinds: tuple[type, ...]
) -> list[str]:
    """The names of steps that ``names`` stand for; see `Network.layer_names`.

    ``steps`` are all steps of the network by name; ``network`` is its name, for error messages.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in steps:
            found[name] = None
            continue
        if not is_pattern(name):
            raise unknown(name, steps, network)
        shown = [step for step in steps.values() if step.is_layer and step.has_maps]
        layers = [step.name for step in shown if fnmatchcase(step.name, name)]
        chosen = [layer for layer in layers if isinstance(steps[layer].operation, kinds)]
        if not chosen:
            raise InputError(_none_matches(name, layers, steps, network))
        found.update(dict.fromkeys(chosen))
    return list(found)


def unknown(name: str, steps: Mapping[str, Step], network: str) -> InputError:
    """The error for a name that no step has."""
    hint = nearest(name, steps, _MOST_HINTS) or "`optogram inspect` lists them all"
    return InputError(f"{network!r} has no layer {name!r}: {hint}.")


def _none_matches(pattern: str, layers: list[str], steps: Mapping[str, Step], network: str) -> str:
    """Why a pattern that matches ``layers`` of any kind stands for none of the kinds asked for."""
    if layers:
        return (
            f"{pattern!r} matches only layers of other kinds, such as {layers[0]!r} "
            f"({steps[layers[0]].kind}): `optogram inspect` lists all layers."
        )
    hint = nearest(pattern, steps, _MOST_HINTS) or "`optogram inspect` lists all layers"
    return f"No layer of {network!r} with feature maps matches {pattern!r}: {hint}."

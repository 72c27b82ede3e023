"""Inputs and outputs of the ``call`` of a subclassed model: tensors in lists or dictionaries.

Each tensor gets a name: its key, the argument, or the layer that makes it. Nested keys are joined
by dots, such as ``heads.species``.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.keras_private import nodes
from optogram.graph.keras_private.copies import is_nothing

Path = tuple[str | int, ...]
Symbol = Callable[[Any, str, str], keras.KerasTensor]
"""Makes a symbolic input from shape, type and name."""


class Given(NamedTuple):
    """Symbolic inputs, in the structure of the call and by name."""

    args: tuple
    kwargs: dict[str, Any]
    named: dict[str, keras.KerasTensor]


def given_to(
    model: keras.Model, fixed: Mapping[str, Any], symbol: Symbol, as_integers: bool
) -> Given | None:
    """New symbolic inputs like those that ``model`` was built with; None if it was not built.

    Keras keeps only the shape of the first argument, unless the model has a ``build`` that takes
    the others. Arguments with arrays in ``fixed`` get the shapes of these. Keras does not keep
    types: ``as_integers`` uses the integer types of ``fixed``.

    Raises
    ------
    InputError
        If Keras keeps no shape of an argument, and ``fixed`` has no value for it.
    """
    named: dict[str, keras.KerasTensor] = {}

    def make(name: str, shape: Any, dtype: str) -> keras.KerasTensor:
        named[name] = symbol((None, *shape[1:]), dtype, name)
        return named[name]

    if isinstance(model, nodes.Functional):
        names = {id(x): name for name, x in nodes.inputs_by_name(model).items()}
        inputs = keras.tree.map_structure(
            lambda x: make(names[id(x)], x.shape, x.dtype), model.input
        )
        return Given((inputs,), {}, named)
    parameters = _parameters(model)
    shapes = _built_with(model, next(iter(parameters), "inputs"))
    if not shapes:
        return None
    shapes |= _shapes_of_fixed(model, parameters, shapes, fixed)

    def make_one(path: Path, shape: Any) -> keras.KerasTensor:
        name = _input_name(path if len(shapes) > 1 else path[1:])
        integers = as_integers and name in fixed and _is_of_integers(fixed[name])
        return make(name, shape, "int32" if integers else model.input_dtype)

    made = {name: _mapped(make_one, shape, (name,)) for name, shape in shapes.items()}
    first = next(iter(parameters), None)
    args = (made.pop(first),) if first in made else ()
    return Given(args, made, named) if parameters else Given(tuple(made.values()), {}, named)


def complaint(model: keras.Model, fixed: Mapping[str, Any]) -> str:
    """The error text about arguments of unknown shape, where the call cannot be traced; or "".

    Either such an argument is missing, or the value given for it does not work.
    """
    if not model.built:
        return ""
    parameters = _parameters(model)
    known = _built_with(model, next(iter(parameters), ""))
    others = [name for name in parameters if name not in known]
    for name in others:
        if name not in fixed:
            return _without_shape(model, name)
    for name in others:
        return (
            f"The call() of {model.name!r} ({type(model).__name__}) cannot be traced with "
            f"{name!r} fixed to an array of shape {_shape_of(name, fixed[name])}: give numbers in "
            "the shape that it takes, without a batch axis, and write call() with layers and "
            "keras.ops."
        )
    return ""


def _without_shape(model: keras.Model, name: str) -> str:
    return (
        f"The call() of {model.name!r} ({type(model).__name__}) also takes {name!r}, whose shape "
        "Keras does not keep: give it a constant value, "
        f'fixed={{"{name}": an array without a batch axis}}.'
    )


def named_outputs(structure: Any, is_opaque: bool) -> list[tuple[str, keras.KerasTensor]]:
    """The symbolic tensors that a call returned, with their names."""
    leaves = [
        (path, leaf)
        for path, leaf in _leaves(structure)
        if isinstance(leaf, keras.KerasTensor) and not is_nothing(leaf)
    ]

    def name(path: Path, tensor: keras.KerasTensor) -> str:
        if any(isinstance(key, str) for key in path):
            return ".".join(map(str, path))
        if is_opaque and len(leaves) > 1:
            return "_".join(map(str, ("output", *path)))
        return nodes.made_by(tensor).name

    return [(name(path, tensor), tensor) for path, tensor in leaves]


def _parameters(model: keras.Model) -> dict[str, inspect.Parameter]:
    """The arguments of the model's call that can be tensors."""
    return {
        name: parameter
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name != "training"
        and not name.endswith("mask")
    }


def _built_with(model: keras.Model, first: str) -> dict[str, Any]:
    """Shapes that ``model`` was built with, by argument; sometimes only that of the first."""
    config: Any = None
    with suppress(Exception):  # users may write their own
        config = model.get_build_config() if model.built else None
    if not isinstance(config, dict):
        return {}
    if config.get("input_shape") is not None:
        return {first: config["input_shape"]}
    shapes = config.get("shapes_dict") or {}
    return {
        name.removesuffix("_shape"): shape for name, shape in shapes.items() if shape is not None
    }


def _shapes_of_fixed(
    model: keras.Model,
    parameters: Mapping[str, inspect.Parameter],
    known: Mapping[str, Any],
    fixed: Mapping[str, Any],
) -> dict[str, tuple[int | None, ...]]:
    """Shapes, batch first, of arguments whose shape Keras does not keep."""
    others = [name for name in parameters if name not in known]
    for name in others:
        if name not in fixed and parameters[name].default is inspect.Parameter.empty:
            raise InputError(_without_shape(model, name))
    return {name: (None, *_shape_of(name, fixed[name])) for name in others if name in fixed}


def _shape_of(name: str, given: Any) -> tuple[int, ...]:
    try:
        return np.shape(given)
    except ValueError as error:
        raise InputError(
            f"The value of the constant input {name!r} must be an array, not {given!r}."
        ) from error


def has_integers(fixed: Mapping[str, Any]) -> bool:
    """Whether some constant input has integer values."""
    return any(map(_is_of_integers, fixed.values()))


def _is_of_integers(given: Any) -> bool:
    with suppress(ValueError):
        return np.asarray(given).dtype.kind in "iu"
    return False


def _input_name(path: Path) -> str:
    if not path or isinstance(path[0], int):
        path = (f"input_{path[0] if path else 0}", *path[1:])
    return ".".join(map(str, path))


def _is_shape(structure: Any) -> bool:
    return isinstance(structure, list | tuple) and all(
        side is None or isinstance(side, int) for side in structure
    )


def _mapped(make: Callable[[Path, Any], Any], shapes: Any, path: Path) -> Any:
    """``shapes`` with each shape replaced by the result of ``make``."""
    if _is_shape(shapes):
        return make(path, tuple(shapes))
    if isinstance(shapes, dict):
        return {key: _mapped(make, one, (*path, str(key))) for key, one in shapes.items()}
    if hasattr(shapes, "_fields"):
        return type(shapes)(**_mapped(make, shapes._asdict(), path))
    if shapes is None:
        return None
    return type(shapes)(_mapped(make, one, (*path, i)) for i, one in enumerate(shapes))


def _leaves(structure: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if hasattr(structure, "_fields"):
        structure = structure._asdict()
    if isinstance(structure, dict):
        for key, one in structure.items():
            yield from _leaves(one, (*path, str(key)))
    elif isinstance(structure, list | tuple):
        for place, one in enumerate(structure):
            yield from _leaves(one, (*path, place))
    else:
        yield path, structure

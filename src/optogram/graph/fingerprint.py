"""Fingerprints of networks: everything that their outputs depend on, as plain data.

Equal for the same network opened twice, also in another process: no addresses, no Python hashes,
no counters from names that Keras generates. If equality cannot be decided (code generated at run
time), networks count as different.
"""

import dataclasses
import hashlib
import inspect
import json
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy as np

from optogram.graph.steps import Graph, Output, Step

_OWN = str(Path(__file__).parents[1])
_LIBRARIES = ("site-packages", "dist-packages")

# Attributes that do not matter outside training.
_IDLE = (
    keras.Initializer,
    keras.Loss,
    keras.Metric,
    keras.Optimizer,
    keras.Regularizer,
    keras.constraints.Constraint,
    keras.random.SeedGenerator,
)
_WITHOUT_MEANING = ("name", "trainable")
# Attributes that Keras and its backends set when layers are used.
_NOTES = (
    "_build_",
    "_compile",
    "_jax",
    "_nnx",
    "_obj_",
    "_saved_",
    "_self_",
    "_tf_",
    "_torch",
    "_tracker",
)


def identity(graph: Graph, outputs: Iterable[Output]) -> list[Any]:
    """Everything that ``outputs`` depend on, as plain data: steps, settings, code and weights."""
    teller = Teller()
    indices = sorted(graph.ancestors(outputs))
    places = {index: place for place, index in enumerate(indices)}

    def placed(leaf: Any) -> Any:
        if isinstance(leaf, Output):
            return {"output": [places[leaf.step], leaf.index]}
        return teller.tell(leaf)

    steps = [graph.steps[index] for index in indices]
    told = [
        [
            step.kind,
            step.half,
            step.shapes,
            step.dtypes,
            keras.tree.map_structure(placed, [list(step.args), dict(step.kwargs)]),
            teller.tell(step.operation),
            teller.tell(step.run) if _has_more(step) else None,
        ]
        for step in steps
    ]
    ends = [[places[output.step], output.index] for output in outputs]
    return [told, ends, _weights(steps)]


def digest(told: Any) -> str:
    """A hash of plain data."""
    return hashlib.blake2b(json.dumps(told, default=_plain).encode()).hexdigest()


def content(array: np.ndarray) -> list[Any]:
    """An array as plain data: type, shape, and a hash of its content."""
    array = np.asarray(array)
    if array.dtype.hasobject:
        return ["objects", list(array.shape), repr(array.tolist())]
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return [str(array.dtype), list(array.shape), hashlib.blake2b(flat.data).hexdigest()]


def _has_more(step: Step) -> bool:
    """Whether ``step.run`` does something that its operation does not define."""
    run = step.run
    return isinstance(run, partial) and all(given is not step.operation for given in run.args)


def _weights(steps: Iterable[Step]) -> list[Any]:
    layers = {id(step.operation): step.operation for step in steps}
    return [
        content(keras.ops.convert_to_numpy(weight))
        for layer in layers.values()
        if isinstance(layer, keras.Layer)
        for weight in layer.weights
    ]


class Teller:
    """Converts settings, code and objects to plain data."""

    def __init__(self) -> None:
        # By id; the objects are kept alive, so that ids stay unique.
        self._known: dict[int, tuple[Any, Any]] = {}

    def tell(self, thing: Any) -> Any:
        """``thing`` as lists, texts and numbers."""
        if thing is None or isinstance(thing, bool | int | float | str):
            return thing
        if isinstance(thing, np.generic):
            return self.tell(thing.item()) if thing.dtype.kind in "biuf" else str(thing)
        if isinstance(thing, bytes | complex | slice | range | type(...)):
            return repr(thing)
        if isinstance(thing, type | ModuleType | np.dtype):
            return _name_of(thing)
        if isinstance(thing, np.ndarray):
            return content(thing)
        if isinstance(thing, keras.KerasTensor):
            return ["tensor", list(thing.shape), str(thing.dtype)]
        if isinstance(thing, keras.Variable) or keras.ops.is_tensor(thing):
            return content(keras.ops.convert_to_numpy(thing))
        if id(thing) not in self._known:
            self._known[id(thing)] = thing, "itself"  # for cycles
            self._known[id(thing)] = thing, digest(self._told(thing))
        return self._known[id(thing)][1]

    def _told(self, thing: Any) -> Any:
        if isinstance(thing, Mapping):
            return self._mapping(thing)
        if isinstance(thing, list | tuple):
            return [self.tell(item) for item in thing]
        if isinstance(thing, set | frozenset):
            return sorted((self.tell(item) for item in thing), key=json.dumps)
        if isinstance(thing, partial):
            return ["partial", *map(self.tell, (thing.func, thing.args, thing.keywords))]
        if isinstance(thing, MethodType):
            return ["method", self.tell(thing.__func__), self.tell(thing.__self__)]
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, CodeType):
            return self._code(thing)
        if isinstance(thing, property | staticmethod | classmethod):
            inside = thing.fget if isinstance(thing, property) else thing.__func__
            return [type(thing).__name__, self.tell(inside)]
        if isinstance(thing, BuiltinFunctionType | np.ufunc):
            return _name_of(thing)
        if isinstance(thing, keras.Operation):
            return self._operation(thing)
        return self._object(thing)

    def _mapping(self, thing: Mapping) -> Any:
        if thing.get("class_name") == "__lambda__":
            return "lambda"  # serialized differently each time; see the attribute
        settings = thing.get("config")
        if isinstance(settings, Mapping) and set(_WITHOUT_MEANING) <= settings.keys():
            thing = {**thing, "config": _with_meaning(settings)}
        return sorted(([str(key), self.tell(item)] for key, item in thing.items()), key=_first)

    def _function(self, function: FunctionType) -> Any:
        """The name of a function and, outside libraries, its code and everything that it reads."""
        held = [self.tell(_held_by(cell)) for cell in function.__closure__ or ()]
        if _is_of_library(function.__code__.co_filename):
            return ["function", _name_of(function), held]
        known = function.__globals__
        read = sorted(name for name in _names_in(function.__code__) if name in known)
        return [
            "function",
            self.tell(function.__code__),
            self.tell(function.__defaults__),
            self.tell(function.__kwdefaults__),
            held,
            [[name, self.tell(known[name])] for name in read],
        ]

    def _code(self, code: CodeType) -> Any:
        constants = [self.tell(constant) for constant in code.co_consts]
        return [code.co_code.hex(), constants, list(code.co_names)]

    def _operation(self, operation: keras.Operation) -> Any:
        """A layer or an operation by its settings; weights are handled separately."""
        if isinstance(operation, keras.Layer):
            kept = _without(vars(operation), _bare(isinstance(operation, keras.Model)))
            if _is_library(type(operation)):
                kept = {name: item for name, item in kept.items() if self._is_more(name, item)}
        else:
            kept = _without(vars(operation), _bare_operation())
        return [
            _name_of(type(operation)),
            self.tell(_settings(operation)),
            self.tell(kept),
            self.tell(operation.layers if isinstance(operation, keras.Model) else []),
            self._code_of_class(type(operation)),
        ]

    def _is_more(self, name: str, item: Any) -> bool:
        """Whether an attribute of a Keras layer may matter without being in its configuration."""
        if isinstance(item, list | tuple):
            return any(self._is_more(name, each) for each in item)
        if isinstance(item, keras.Layer | FunctionType | MethodType | partial):
            return True
        return callable(item) and not name.startswith("_") and not isinstance(item, _IDLE)

    def _object(self, thing: Any) -> Any:
        kind = type(thing)
        if isinstance(thing, _IDLE):
            return "idle"
        if dataclasses.is_dataclass(thing):
            held = {item.name: getattr(thing, item.name) for item in dataclasses.fields(thing)}
        elif not _is_library(kind):
            held = dict(getattr(thing, "__dict__", {}))
            slots = (name for each in kind.__mro__ for name in getattr(each, "__slots__", ()))
            held |= {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
        else:
            held = {"settings": _settings(thing), "shown": _shown(thing)}
        inside = [getattr(thing, name, None) for name in ("__wrapped__", "python_function")]
        return [_name_of(kind), self.tell(held), self.tell(inside), self._code_of_class(kind)]

    def _code_of_class(self, kind: type) -> Any:
        """The methods of a user's class and its bases."""
        return [
            [name, self.tell(item)]
            for each in kind.__mro__
            if not _is_library(each)
            for name, item in sorted(vars(each).items())
            if isinstance(item, FunctionType | property | staticmethod | classmethod)
            or (not name.startswith("__") and isinstance(item, bool | int | float | str | tuple))
        ]


def _settings(thing: Any) -> Any:
    """The configuration of an object; None if it has none."""
    # A custom get_config can raise any exception.
    try:
        found = thing.get_config()
    except Exception:
        return None
    is_named = isinstance(thing, keras.Operation) and isinstance(found, Mapping)
    return _with_meaning(found) if is_named else found


def _with_meaning(settings: Mapping) -> dict:
    return {key: item for key, item in settings.items() if key not in _WITHOUT_MEANING}


def _shown(thing: Any) -> str:
    """The ``repr`` of a library object, if it contains no address."""
    try:
        shown = repr(thing)
    except Exception:
        return ""
    return "" if " at 0x" in shown else shown


def _without(attributes: Mapping[str, Any], bare: frozenset[str]) -> dict[str, Any]:
    return {
        name: item
        for name, item in attributes.items()
        if name not in bare and not name.startswith(_NOTES) and not isinstance(item, _IDLE)
    }


@cache
def _bare(is_model: bool) -> frozenset[str]:
    """Attributes that every layer, or every model, has."""
    bare = keras.Model() if is_model else keras.Layer()
    return frozenset(vars(bare)) | {"name", "input_spec", "loss", "optimizer"}


@cache
def _bare_operation() -> frozenset[str]:
    return frozenset(vars(keras.Operation(name="bare"))) | {"name"}


def _is_library(kind: type) -> bool:
    """Whether a class is part of a library."""
    try:
        return _is_of_library(inspect.getfile(kind))
    except TypeError:  # built-in, or defined in a notebook
        return kind.__module__ != "__main__"
    except OSError:
        return False


@cache
def _is_of_library(file: str) -> bool:
    parts = Path(file).parts
    if any(part in parts for part in _LIBRARIES) or file.startswith((_OWN, "<frozen")):
        return True
    return file.startswith(sysconfig.get_path("stdlib"))


def _names_in(code: CodeType) -> set[str]:
    """Global names that a function may read, including nested functions."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))


def _held_by(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _name_of(thing: Any) -> str:
    module = getattr(thing, "__module__", "")
    return f"{module}.{getattr(thing, '__qualname__', getattr(thing, '__name__', str(thing)))}"


def _first(pair: list[Any]) -> str:
    return pair[0]


def _plain(thing: Any) -> Any:
    raise TypeError(f"not plain: {type(thing)}")

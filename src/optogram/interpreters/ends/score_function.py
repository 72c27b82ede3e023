"""Functions of the scores: a step at the end of the graph that runs a function of the user's."""

import hashlib
import types
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from optogram.errors import InputError
from optogram.graph.steps import Graph, Output, Step

_LENGTH = 200
"""Number of characters quoted from the message of an exception."""
_PLAIN = (type(None), bool, int, float, complex, str, bytes, types.EllipsisType)


@dataclass(frozen=True)
class ScoreFunction:
    """The operation of such a step: scores (N, ...) to one number per image, (N, 1).

    Attributes
    ----------
    function : callable
        Takes the scores as a float32 tensor of the backend; returns (N,) or (N, 1).
    """

    function: Callable[[Any], Any]

    def __call__(self, scores: Any) -> Any:
        """The number of each image; InputError if the function fails or returns another shape."""
        name, shape = name_of(self.function), tuple(scores.shape)
        try:
            made = self.function(keras.ops.cast(scores, "float32"))
        # Code of the user's can raise any exception.
        except Exception as error:
            words = " ".join(str(error).split())[:_LENGTH].rstrip(".") or type(error).__name__
            raise InputError(
                f"The target, {name}, failed on scores of shape {shape}: {words}."
            ) from (error)
        count = shape[0]  # None while TensorFlow traces it, after it was tried
        if not keras.ops.is_tensor(made) or (
            count is not None and tuple(made.shape) not in ((count,), (count, 1))
        ):
            came = f"shape {tuple(made.shape)}" if hasattr(made, "shape") else type(made).__name__
            raise InputError(
                f"The target, {name}, must return one number per image, a tensor of shape (N,), "
                f"such as outputs[:, 285]: for scores of shape {shape} it returned {came}."
            )
        return keras.ops.reshape(keras.ops.cast(made, "float32"), (-1, 1))

    def compute_output_spec(self, scores: keras.KerasTensor) -> keras.KerasTensor:
        """The shape of the output, without running the function."""
        return keras.KerasTensor((scores.shape[0], 1), "float32")


def with_function(
    graph: Graph, scores: Output, function: Callable[[Any], Any]
) -> tuple[Graph, Output]:
    """The graph with one more step, ``function`` of ``scores``, and the output of that step."""
    run = ScoreFunction(function)
    step = Step(
        index=len(graph.steps),
        name=f"{graph.steps[scores.step].name}:function",
        kind="ScoreFunction",
        operation=run,
        run=run,
        args=(scores,),
        kwargs={},
        inputs=(scores,),
        shapes=((None, 1),),
        dtypes=("float32",),
    )
    return replace(graph, steps=(*graph.steps, step)), Output(step.index)


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function; "a function" for a lambda."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return "a function" if name == "<lambda>" else str(name)


def key_of(function: Callable[..., Any]) -> Hashable:
    """A key that is equal for functions that compute the same; None where that is not known.

    Functions written anew in each call, such as lambdas, have the same key if their code and
    everything that it reads (defaults, closure, globals) are the same. Arrays are compared by
    content. The key keeps what it compares by identity.
    """
    try:
        return _key(function, getattr(function, "__globals__", None), ())
    except (_UnknownError, ValueError):  # or a variable of the closure has no value yet
        return None


class _UnknownError(Exception):
    """Whether two objects are the same cannot be known, since they may be changed."""


@dataclass(frozen=True, eq=False)
class _Same:
    """An object, compared by identity."""

    thing: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def _key(thing: Any, known: Any, above: Collection[int]) -> Hashable:
    """The key of what a function with the globals ``known`` reads."""
    if isinstance(thing, _PLAIN):
        return type(thing), repr(thing)  # tells 0.0 from -0.0
    if id(thing) in above:
        raise _UnknownError
    above = (*above, id(thing))
    if isinstance(thing, np.ndarray | np.generic) and not thing.dtype.hasobject:
        array = np.ascontiguousarray(thing)
        return str(array.dtype), array.shape, hashlib.blake2b(array.tobytes()).hexdigest()
    if isinstance(thing, tuple | list):
        return type(thing), tuple(_key(item, known, above) for item in thing)
    if isinstance(thing, Mapping):
        return type(thing), tuple(
            (_key(name, known, above), _key(item, known, above)) for name, item in thing.items()
        )
    if isinstance(thing, types.FunctionType) and thing.__globals__ is known:
        read = [known[name] for name in sorted(_names_in(thing.__code__) & known.keys())]
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        held = (thing.__defaults__, thing.__kwdefaults__, cells, read)
        return thing.__code__, *(_key(part, known, above) for part in held)
    if isinstance(thing, types.FunctionType | types.BuiltinFunctionType | types.ModuleType | type):
        return _Same(thing)
    raise _UnknownError


def _names_in(code: types.CodeType) -> set[str]:
    """Global names that code may read, including nested functions."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))

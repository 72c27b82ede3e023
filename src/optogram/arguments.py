"""Validation of arguments of public functions, with one sentence for each invalid argument.

`checked` validates arguments by annotation. Limits that annotations do not express, such as a
minimum, are checked with `whole` and `number`.
"""

import builtins
import difflib
import functools
import inspect
import math
import operator
import os
import reprlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from optogram.errors import InputError
from optogram.words import with_article

MOST = 10_000_000
"""Largest whole number if there is no other limit: larger ones would only fill the memory."""

MOST_SEED = 2**64
"""Largest random seed."""

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100

_P = ParamSpec("_P")
_R = TypeVar("_R")


def shown(given: Any) -> str:
    """``repr`` of an argument, shortened to about a hundred characters."""
    return _REPR.repr(given)


def whole(name: str, given: Any, least: int = 0, most: int = MOST) -> int:
    """A whole number from ``least`` to ``most``, as Python int.

    Raises
    ------
    InputError
        If it is out of range, a float, a bool, or not a number.
    """
    number = as_index(given)
    if number is None or not least <= number <= most:
        is_large = number is not None and number > most
        limit = f", {least:,} to {most:,}" if most < MOST or is_large else f", {least:,} or more"
        limit = "" if least <= -MOST and not is_large else limit
        raise InputError(f"{name} must be a whole number{limit}, not {shown(given)}.")
    return number


def wholes(name: str, given: Any, least: int = 0, most: int = MOST) -> list[int]:
    """Several `whole` numbers from any iterable, at least one."""
    is_many = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
    items = list(given) if is_many and getattr(given, "ndim", 1) != 0 else []
    if not items:
        raise InputError(f"{name} must be whole numbers, at least one, not {shown(given)}.")
    return [whole(name, item, least, most) for item in items]


def number(name: str, given: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from ``least`` to ``most``, as Python float.

    Raises
    ------
    InputError
        If it is out of range, NaN, infinite, a bool, or not a number.
    """
    value = as_float(given)
    if value is None or not least <= value <= most:
        limits = [
            *([f"{least:g} or more"] if math.isfinite(least) else []),
            *([f"{most:g} or less"] if math.isfinite(most) else []),
        ]
        words = ", ".join(["a finite number", *([" and ".join(limits)] if limits else [])])
        raise InputError(f"{name} must be {words}, not {shown(given)}.")
    return value


def checked(
    function: Callable[_P, _R], then: Callable[[Mapping[str, Any]], None] | None = None
) -> Callable[_P, _R]:
    """``function`` with validation of its arguments by annotation, then by ``then``.

    Numbers of any kind, such as NumPy's, are converted to Python's. A class may have a text
    ``obtained``, which says how to obtain an instance.

    Raises
    ------
    InputError
        On a call with an argument that does not match its annotation.
    """
    signature = inspect.signature(function)

    @functools.cache
    def hints() -> dict[str, Any]:
        written = inspect.unwrap(function)
        found = typing.get_type_hints(written, None, _Names(written.__globals__))
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.pop(parameter.name, None)
        return found

    @functools.wraps(function)
    def reading(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(_of_call(function, signature, kwargs, error)) from None
        for name, hint in hints().items():
            if name in bound.arguments:
                try:
                    bound.arguments[name] = _read(bound.arguments[name], hint)
                except _OtherKindError as other:
                    given = bound.arguments[name]
                    way = str(other) or _by_name(given, hint)
                    came = f"not {shown(given)}{way}"
                    raise InputError(f"{name} must be {_words(hint)}, {came}.") from None
        if then is not None:
            then(bound.arguments)
        return function(*bound.args, **bound.kwargs)

    return reading


def checked_methods(kind: type, then: Callable[[Mapping[str, Any]], None] | None = None) -> None:
    """Make every public method that ``kind`` itself defines `checked`."""
    for name, member in list(vars(kind).items()):
        if isinstance(member, types.FunctionType) and not name.startswith("_"):
            setattr(kind, name, checked(member, then))


def _of_call(
    function: Callable[..., Any],
    signature: inspect.Signature,
    named: Mapping[str, Any],
    error: TypeError,
) -> str:
    """The message for a call with unknown or missing arguments: which there are."""
    known = [name for name in signature.parameters if name != "self"]
    unknown = next((name for name in named if name not in known), None)
    if unknown is None:
        return f"{function.__name__}(): {error}; its arguments are {', '.join(known)}."
    near = difflib.get_close_matches(unknown, known, 1)
    advice = f"did you mean {near[0]!r}? Its" if near else "its"
    return (
        f"{function.__name__}() has no argument {unknown!r}: {advice} arguments are "
        f"{', '.join(known)}."
    )


def _by_name(given: Any, hint: Any) -> str:
    """Advice for an object, such as a layer, where its name is expected."""
    name = getattr(given, "name", None)
    is_expected = hint is str or str in typing.get_args(hint)
    return f": give its name, {shown(name)}" if is_expected and isinstance(name, str) else ""


_OF_SEVERAL = ((Sequence, np.ndarray), Iterable)
"""Collections for which text, and arrays without axes, are not accepted."""


class _OtherKindError(Exception):
    """An argument does not match its annotation; the text says how to obtain one that does."""


class _Names(dict):
    """Globals of a module; names that exist only for type checkers match anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


def _read(given: Any, hint: Any) -> Any:
    """``given`` converted to ``hint``; `_OtherKindError` if it does not match."""
    if hint == ArrayLike:
        return given
    of, inner = typing.get_origin(hint), typing.get_args(hint)
    if of in (typing.Union, types.UnionType):
        return _read_one_of(given, inner)
    if of is Literal:
        if any(type(given) is type(known) and given == known for known in inner):
            return given
        raise _OtherKindError
    if of is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_items(given, inner[0]))
    if of is tuple:
        items = _items(given, Any)
        if len(items) != len(inner):
            raise _OtherKindError
        return tuple(_read(item, part) for item, part in zip(items, inner, strict=True))
    if of in (Sequence, Iterable, list) and inner[0] in (int, str):
        return _items(given, inner[0])
    found = _read_plain(given, of or hint)
    # Iterators and streams are not converted.
    if of in (Sequence, Mapping) and isinstance(inner[-1], type) and inner[-1] is not Any:
        for item in given.values() if of is Mapping else given:
            _read_plain(item, inner[-1])
    return found


def _read_one_of(given: Any, hints: Sequence[Any]) -> Any:
    way = ""
    for hint in hints:
        try:
            return _read(given, hint)
        except _OtherKindError as other:
            way = way or str(other)
    raise _OtherKindError(way)


def _read_plain(given: Any, kind: Any) -> Any:
    """``given`` converted to a class, or another simple annotation."""
    if kind is int:
        return _or_other(as_index(given))
    if kind is float:
        return _or_other(as_float(given))
    if kind is bool:
        if not isinstance(given, bool | np.bool_):
            raise _OtherKindError
        return bool(given)
    if kind is os.PathLike:
        kind = (str, os.PathLike)
    elif kind is Sequence:
        kind = (Sequence, np.ndarray)
    elif kind is np.ndarray:
        if not _is_array(given):
            raise _OtherKindError
        return given
    elif kind in (None, types.NoneType):
        kind = types.NoneType
    elif kind is Any or not isinstance(kind, type):
        return given
    is_single = isinstance(given, str | bytes) or getattr(given, "ndim", 1) == 0
    if not isinstance(given, kind) or (is_single and kind in _OF_SEVERAL):
        way = getattr(kind, "obtained", "")
        raise _OtherKindError(f": {way}" if way else "")
    return given


def _is_array(given: Any) -> bool:
    """Whether this is an array of numbers, or a list of lists or a tensor."""
    is_sequence = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    if not is_sequence and not hasattr(given, "__array__"):
        return False
    try:
        array = np.asarray(given)
    # Ragged lists, or a tensor on another device.
    except Exception:
        return False
    return array.ndim > 0 and array.dtype.kind not in "OSU"


def _items(given: Any, hint: Any) -> list[Any]:
    """The items of any iterable except text, each converted to ``hint``."""
    if isinstance(given, str | bytes | Mapping) or getattr(given, "ndim", 1) == 0:
        raise _OtherKindError
    try:
        items = list(given)
    # Tensors may raise any exception.
    except Exception:
        raise _OtherKindError from None
    return [_read(item, hint) for item in items]


def _words(hint: Any) -> str:
    """``hint`` in words."""
    of, inner = typing.get_origin(hint), typing.get_args(hint)
    if of in (typing.Union, types.UnionType):
        *first, last = dict.fromkeys(map(_words, inner))
        return f"{', '.join(first)} or {last}" if first else last
    if of is Literal:
        return f"{', '.join(map(repr, inner[:-1]))} or {inner[-1]!r}"
    if of is tuple and Ellipsis not in inner:
        return f"{len(inner)} {_several(inner[0])}"
    if of in (tuple, Sequence, Iterable, list):
        return f"a sequence of {_several(inner[0])}"
    plain = {
        int: "a whole number",
        float: "a finite number",
        bool: "True or False",
        str: "a text",
        os.PathLike: "a path",
        types.NoneType: "None",
        np.ndarray: "an array",
        Any: "anything",
    }
    if hint in plain:
        return plain[hint]
    if of is Callable or hint is Callable:
        return "a function"
    name = getattr(of or hint, "__name__", str(hint))
    return with_article(name)


def _several(hint: Any) -> str:
    """Several of ``hint`` in words."""
    known = {int: "whole numbers", float: "finite numbers", str: "texts", np.ndarray: "arrays"}
    if isinstance(hint, type) and hint is not Any:
        plural = "es" if hint.__name__.endswith("s") else "s"
        return known.get(hint, hint.__name__ + plural)
    return "items" if hint is Any else f"items, each {_words(hint)},"


def _or_other(number: float | None) -> float:
    if number is None:
        raise _OtherKindError
    return number


def as_index(given: Any) -> int | None:
    """``given`` as int; None if it is not a whole number."""
    if isinstance(given, bool | np.bool_):
        return None
    try:
        return operator.index(given)
    # Tensors may raise any exception.
    except Exception:
        return None


def as_float(given: Any) -> float | None:
    """``given`` as finite float; None if it is not a number, or is text."""
    is_text = isinstance(given, bool | np.bool_ | str | bytes)
    if is_text or getattr(given, "ndim", 0) != 0:
        return None
    try:
        value = float(given)
    # As above; also, a whole number may be too large for a float.
    except Exception:
        return None
    return value if math.isfinite(value) else None

"""Questions: what can be asked, by which parameters, and how each parameter is read.

A question is declared once, with `question`; it can then be asked by ``GET /api/NAME``, as a plain
file by ``GET /api/NAME.npz``, and over the socket, and is described in ``/api/openapi.json``.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optogram.errors import InputError
from optogram.web.packing import Answer
from optogram.web.workspace import Workspace, whole_number

Read = Callable[[Workspace, str], Any]


class Tell(Protocol):
    """How a question that takes long says how far it is; both raise if nobody listens any more."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Say that ``done`` of ``total`` units are done."""

    def partial(self, answer: Answer) -> None:
        """Give an answer that is not final."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a question.

    Attributes
    ----------
    name, about : str
        Name, and what it means.
    schema : mapping
        JSON schema of its text.
    read : callable
        ``read(workspace, text)`` gives its value; raises an InputError if it cannot.
    default : str or None
        Taken where it is missing. None: it is required.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    read: Read
    default: str | None = None

    @property
    def is_required(self) -> bool:
        """Whether a question without it is refused."""
        return self.default is None


@dataclass(frozen=True)
class Question:
    """Something that can be asked.

    Attributes
    ----------
    name, about : str
        Name in addresses, and what is answered.
    parameters : tuple of Parameter
        Its parameters, in the order of the function's arguments.
    answer : callable
        ``answer(workspace, tell, **values)``.
    is_long : bool
        Whether it may take more than half a second: it then waits for other long ones.
    is_kept : bool
        Whether its answer depends on its parameters alone, and is kept within the byte budget.
    has_numbers : bool
        Whether its arrays are numbers, which can be had as .npz; else they are a whole file.
    """

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    answer: Callable[..., Answer]
    is_long: bool
    is_kept: bool
    has_numbers: bool

    def read(self, workspace: Workspace, given: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
        """(what identifies the question, values of the parameters).

        Raises
        ------
        InputError
            If a parameter is missing, unknown, or cannot be read.
        """
        known = {parameter.name for parameter in self.parameters}
        if unknown := sorted(given.keys() - known):
            raise InputError(
                f"{self.name!r} has no parameter {unknown[0]!r}: it takes "
                f"{', '.join(sorted(known)) or 'none'}."
            )
        texts, values = {}, {}
        for parameter in self.parameters:
            text = given.get(parameter.name, parameter.default)
            if text is None:
                raise InputError(f"{self.name!r} needs {parameter.name!r}: {parameter.about}")
            texts[parameter.name] = text
            values[parameter.name] = parameter.read(workspace, text)
        return f"{self.name} {json.dumps(texts, sort_keys=True)}", values


QUESTIONS: dict[str, Question] = {}
"""All questions, by name."""


def question(
    *parameters: Parameter,
    is_long: bool = False,
    is_kept: bool = True,
    has_numbers: bool = True,
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Declare the decorated function as a question: its name, and the first line of its text."""

    def declare(function: Callable[..., Answer]) -> Callable[..., Answer]:
        name = function.__name__
        about = (function.__doc__ or "").strip().splitlines()[0]
        if name in QUESTIONS:
            raise ValueError(f"The question {name!r} is declared twice.")
        QUESTIONS[name] = Question(name, about, parameters, function, is_long, is_kept, has_numbers)
        return function

    return declare


# -- kinds of parameters ------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)


def whole(
    name: str, about: str, low: int, high: int = 1_000_000, default: int | None = None
) -> Parameter:
    """A whole number in ``low``..``high``."""

    def read(_: Workspace, text: str) -> int:
        value = whole_number(text)
        if value is None or not low <= value <= high:
            raise InputError(f"{name} must be a whole number in {low}..{high}, got {text[:40]!r}.")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Parameter(name, about, schema, read, None if default is None else str(default))


def number(
    name: str, about: str, low: float, high: float, default: float | None = None
) -> Parameter:
    """A number in ``low``..``high``."""

    def read(_: Workspace, text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else float("nan")
        if not low <= value <= high:
            raise InputError(f"{name} must be a number in {low:g}..{high:g}, got {text[:40]!r}.")
        return value

    schema = {"type": "number", "minimum": low, "maximum": high}
    return Parameter(name, about, schema, read, None if default is None else f"{default:g}")


def choice(
    name: str, about: str, options: tuple[str, ...], default: str | None = None
) -> Parameter:
    """One of ``options``."""

    def read(_: Workspace, text: str) -> str:
        if text not in options:
            raise InputError(f"{name} must be one of {', '.join(options)}, got {text[:40]!r}.")
        return text

    return Parameter(name, about, {"type": "string", "enum": list(options)}, read, default)


def words(name: str, about: str, default: str | None = None) -> Parameter:
    """Any text of up to 1000 characters."""

    def read(_: Workspace, text: str) -> str:
        if len(text) > 1000:
            raise InputError(f"{name} must have at most 1000 characters, got {len(text)}.")
        return text

    return Parameter(name, about, {"type": "string", "maxLength": 1000}, read, default)


MODEL = Parameter(
    "model",
    "Number of the network, from 0.",
    {"type": "integer", "minimum": 0},
    lambda workspace, text: workspace.network(text),
    "0",
)
PHOTO = Parameter(
    "photo",
    "Identifier of a photo, from /api/photos.",
    {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    lambda workspace, text: workspace.photo(text),
)
LAYER = words("layer", "Name of a layer with feature maps.")
FILTER = whole("filter", "Number of a filter of the layer, from 0.", 0)
TARGET = words(
    "target",
    "What is explained: a class number such as 285, one minus another such as 285-282, or "
    "filter:LAYER:7. Empty: the highest-scoring class.",
    "",
)

"""How a network was opened, and how an explanation is made again: as Python lines, as a command."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optogram.web.workspace import Photo

_UNKNOWN = "# net: the network that the explorer was started with"
_NO_COMMAND = (
    "There is no command: the network was given to og.explore, not opened by the command line."
)
_NO_FILTERS = "There is no command: optogram explain explains classes, not filters."


@dataclass(frozen=True)
class Opening:
    """How the command line opened a network.

    Attributes
    ----------
    model : str
        Name or file.
    options : mapping
        Options of commands that open a network, by name, as they were given.
    """

    model: str
    options: Mapping[str, Any]

    def python(self) -> list[str]:
        """Lines that open it as ``net``; a comment where it takes code or arrays of files."""
        given = self._given()
        constants = dict(_constant(text) for text in given.pop("fixed", ()))
        if "code" in given or None in constants.values():
            return [_UNKNOWN]
        before = []
        if given.get("weights") == "random":
            given["weights"] = None
            before = ["import keras", "keras.utils.set_random_seed(0)"]
        given |= {"fixed": constants} if constants else {}
        return [*before, f"net = og.load({_arguments(repr(self.model), given)})"]

    def words(self) -> list[str]:
        """The options of a command that opens it."""
        words = ["--model", self.model]
        for name, option in self._given().items():
            for text in option if isinstance(option, tuple) else (option,):
                words += [f"--{name}"] if text is True else [f"--{name}", str(text)]
        return words

    def _given(self) -> dict[str, Any]:
        """The options that are not the defaults."""
        defaults = (None, False, (), "lanczos")
        return {name: option for name, option in self.options.items() if option not in defaults}


def python_of(
    opening: Opening | None, photo: Photo, target: str, method: str, options: Mapping[str, Any]
) -> str:
    """Python lines that explain ``photo`` again: ``result`` has the same numbers."""
    positional = ", ".join(["net", repr(_place(photo)), *_targets(target)])
    opened = [_UNKNOWN] if opening is None else opening.python()
    lines = ["import optogram as og", *opened]
    return "\n".join([*lines, f"result = og.{method}({_arguments(positional, options)})"])


def command_of(
    opening: Opening | None, photo: Photo, target: str, method: str, options: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """(the command that explains ``photo`` again, None), or (None, why there is none)."""
    if opening is None:
        return None, _NO_COMMAND
    if target.startswith("filter:"):
        return None, _NO_FILTERS
    words = ["optogram", "explain", *opening.words(), "--method", method]
    classes = target.split("-") if target else []
    for option, number in zip(("--target", "--against"), classes, strict=False):
        words += [option, number]
    for name, option in options.items():
        words += [f"--{name}", str(option)]
    return shlex.join([*words, "--", _place(photo)]), None


def differences_in_python(
    opening: Opening | None,
    other: Opening | None,
    photo: Photo,
    other_photo: Photo | None,
    *,
    is_same_network: bool,
    layer: str | None,
    count: int,
    by: str,
) -> str:
    """Python lines that list the units that differ most again, as ``most``."""
    opened = [_UNKNOWN] if opening is None else opening.python()
    named: dict[str, Any] = {}
    if other_photo is not None:
        named["other_image"] = _place(other_photo)
    if layer is not None:
        named["layers"] = layer
    given = _arguments(f"net, {_place(photo)!r}", named)
    if not is_same_network:
        lines = [_UNKNOWN] if other is None else other.python()
        opened += [re.sub(r"^(# )?net\b", r"\1other", line) for line in lines]
        given += ", other_net=other"
    call = f"most = og.unit_differences({given}).most({count}, {by!r})"
    return "\n".join(["import optogram as og", *opened, call])


def _place(photo: Photo) -> str:
    """The file of the photo; of one that was added on the page, its name."""
    return photo.name if isinstance(photo.source, bytes) else str(photo.source)


def _targets(target: str) -> list[str]:
    """A target as Python, or nothing for the highest-scoring class."""
    if not target:
        return []
    if target.startswith("filter:"):
        layer, _, channel = target.removeprefix("filter:").rpartition(":")
        return [f"og.Filter({layer!r}, {int(channel)})"]
    return [" - ".join(f"og.Class({int(number)})" for number in target.split("-"))]


def _arguments(positional: str, named: Mapping[str, Any]) -> str:
    return ", ".join([positional, *(f"{name}={value!r}" for name, value in named.items())])


def _constant(text: str) -> tuple[str, float | list[float] | None]:
    """Name and numbers of a text such as "age=40"; None for a file."""
    name, _, given = text.partition("=")
    if given.endswith(".npy"):
        return name, None
    numbers = [float(number) for number in given.split(",")]
    return name, numbers if len(numbers) > 1 else numbers[0]

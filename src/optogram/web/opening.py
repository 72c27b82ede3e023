"""How a network was opened, and how numbers are made again: as Python lines, as a command."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optogram.network.network import Network
from optogram.web.photos import Photo
from optogram.web.workspace import Workspace

_UNKNOWN = "# net: the network that the explorer was started with"
_GIVEN = "the network was given to og.explore, not opened by the command line."


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
        """The options of a command that opens it, beside the model."""
        words = list[str]()
        for name, option in self._given().items():
            for text in option if isinstance(option, tuple) else (option,):
                words += [f"--{name}"] if text is True else [f"--{name}", str(text)]
        return words

    def _given(self) -> dict[str, Any]:
        """The options that are not the defaults."""
        defaults = (None, False, (), "lanczos")
        return {name: option for name, option in self.options.items() if option not in defaults}


def made_again(
    workspace: Workspace,
    model: Network,
    lines: Sequence[str],
    command: Sequence[str] | str,
) -> dict[str, str | None]:
    """``python`` and ``command``, which give the numbers of an answer again, or ``no_command``.

    Parameters
    ----------
    workspace, model
        The network, and what is known of how it was opened.
    lines : sequence of str
        Python lines that follow those that open the network as ``net``.
    command : sequence of str, or str
        Words of the command without those that open the network; or why there is none.
    """
    opening = workspace.openings.get(id(model))
    opened = [_UNKNOWN] if opening is None else opening.python()
    made: dict[str, str | None] = {"python": "\n".join(["import optogram as og", *opened, *lines])}
    if isinstance(command, str):
        return {**made, "command": None, "no_command": f"There is no command: {command}"}
    if opening is None:
        return {**made, "command": None, "no_command": f"There is no command: {_GIVEN}"}
    name, *options = command
    words = [name, "--model", opening.model, *opening.words(), *options]
    if name == "inspect":
        words = [name, *opening.words(), *options, "--", opening.model]
    return {**made, "command": shlex.join(["optogram", *words]), "no_command": None}


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
        named["other_image"] = place_of(other_photo)
    if layer is not None:
        named["layers"] = layer
    given = _arguments(f"net, {place_of(photo)!r}", named)
    if not is_same_network:
        lines = [_UNKNOWN] if other is None else other.python()
        opened += [re.sub(r"^(# )?net\b", r"\1other", line) for line in lines]
        given += ", other_net=other"
    call = f"most = og.unit_differences({given}).most({count}, {by!r})"
    return "\n".join(["import optogram as og", *opened, call])


def place_of(photo: Photo) -> str:
    """The file of a photo; of one that has none, its name."""
    return str(photo.source) if isinstance(photo.source, Path) else photo.name


def target_in_python(target: str) -> str:
    """A target as it is written in Python; "" for the highest-scoring class."""
    if target.startswith("filter:"):
        layer, _, channel = target.removeprefix("filter:").rpartition(":")
        return f"og.Filter({layer!r}, {int(channel)})"
    return " - ".join(f"og.Class({int(number)})" for number in target.split("-") if number)


def target_in_words(target: str) -> list[str]:
    """Options of `optogram explain` for a target that is a class, or one minus another."""
    classes = target.split("-") if target else []
    given = zip(("--target", "--against"), classes, strict=False)
    return [word for option, number in given for word in (option, number)]


def call(function: str, *positional: str, **named: Any) -> str:
    """A call of a function of optogram in Python; ``positional`` is code, ``named`` are values."""
    return f"og.{function}({_arguments(', '.join(filter(None, positional)), named)})"


def _arguments(positional: str, named: Mapping[str, Any]) -> str:
    return ", ".join([positional, *(f"{name}={value!r}" for name, value in named.items())])


def _constant(text: str) -> tuple[str, float | list[float] | None]:
    """Name and numbers of a text such as "age=40"; None for a file."""
    name, _, given = text.partition("=")
    if given.endswith(".npy"):
        return name, None
    numbers = [float(number) for number in given.split(",")]
    return name, numbers if len(numbers) > 1 else numbers[0]

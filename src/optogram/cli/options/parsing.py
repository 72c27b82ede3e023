"""Parsing of option values: numbers, sizes, pairs."""

import hashlib
import re
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from optogram.arguments import shown
from optogram.errors import InputError
from optogram.words import counted

_LONGEST_STEM = 100  # bytes
_DEVICES = r"|con|prn|aux|nul|com\d|lpt\d"  # no files on Windows; nor is one of no name


def numbers(
    text: str, count: int | None = None, where: str = "", option: str = "--filters"
) -> list[int]:
    """The numbers in a text such as "0-9,17", without duplicates: channels of the layer ``where``.

    ``count`` is the number of channels; None: not known yet, only the text is checked.

    Raises
    ------
    InputError
        If a number is not one of the layer's ``count`` channels.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", part)
        ends = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if ends[0] > ends[1]:
            raise click.BadParameter(
                f'{shown(text)} is not a list of numbers such as "0-9,17".',
                param_hint=f"{option!r}",
            )
        if count is None:
            continue
        if ends[1] >= count:
            raise InputError(
                f"{where!r} has {counted(count, 'channel')}, numbered 0 to {count - 1}: "
                f"{shown(part)} is out "
                "of range."
            )
        found.update(dict.fromkeys(range(ends[0], ends[1] + 1)))
    return list(found)


def sides(
    text: str, option: str = "--size", example: str = "310x400", first: str = "height"
) -> tuple[int, int]:
    """The two numbers of a text such as "310x400": height and width, or rows and columns."""
    match = re.fullmatch(r"\s*([1-9]\d*)\s*[x×]\s*([1-9]\d*)\s*", text)
    if not match:
        raise click.BadParameter(
            f'{text!r} is not a size such as "{example}", {first} first.', param_hint=f"{option!r}"
        )
    return int(match[1]), int(match[2])


def sheet_sides(text: str) -> tuple[int | None, int]:
    """Rows and columns of a text such as "5x8"; "8" is a number of columns with any rows."""
    match = re.fullmatch(r"\s*(?:([1-9]\d*)\s*[x×])?\s*([1-9]\d*)\s*", text)
    if not match:
        raise click.BadParameter(
            f'{text!r} is not a size such as "5x8", rows first, or a number of columns.'
        )
    return int(match[1]) if match[1] else None, int(match[2])


def open_sides(text: str) -> tuple[int | None, int | None]:
    """Like `sides`, but one number may be missing, as in "x400"."""
    match = re.fullmatch(r"\s*([1-9]\d*)?\s*[x×]\s*([1-9]\d*)?\s*", text)
    if not match or not (match[1] or match[2]):
        raise click.BadParameter(
            f'{text!r} is not a size such as "310x400" or "x400", height first.',
            param_hint="'--size'",
        )
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None


def pair(text: str) -> tuple[float, float]:
    """The two numbers of a text such as "138,20"."""
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(
            f'{text!r} is not a pair of numbers such as "138,20".', param_hint="'--noise'"
        ) from None
    return first, second


def box(text: str) -> tuple[int, int, int, int]:
    """The four numbers of a text such as "4,4,12,12"."""
    try:
        top, left, bottom, right = map(int, text.split(","))
    except ValueError:
        raise click.BadParameter(
            f'{text!r} is not a box such as "4,4,12,12": top, left, bottom, right.',
            param_hint="'--region'",
        ) from None
    return top, left, bottom, right


def class_label(text: str) -> int | str:
    """A class for `Class`: its number, or its name."""
    return int(text) if text.isdecimal() else text


def file_stem(text: str) -> str:
    """``text`` as a valid file name, short enough for any file system."""
    stem = re.sub(r"[^\w.-]+", "-", text).strip("-.")
    if len(stem.encode()) > _LONGEST_STEM:
        digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=4).hexdigest()
        stem = stem.encode()[: _LONGEST_STEM - 9].decode(errors="ignore") + f"-{digest}"
    return f"_{stem}" if re.fullmatch(_DEVICES, stem.partition(".")[0], re.IGNORECASE) else stem


def constant_input(text: str) -> tuple[str, Any]:
    """The name and the numbers of a text such as "age=40", "box=0.1,0.9" or "map=file.npy"."""
    from optogram.files import read_array

    name, _, given = text.partition("=")
    try:
        if given.endswith(".npy"):
            return name, read_array(Path(given))
        values = [float(number) for number in given.split(",")]
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise click.BadParameter(
            f'{text!r} does not give values for an input, such as "age=40", "box=0.1,0.9" or '
            f'"map=file.npy" ({error}).',
            param_hint="'--fixed'",
        ) from None
    return name, values if len(values) > 1 else values[0]


def number_or_word(text: str) -> float | str:
    """A number if the text is one, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def is_given(context: click.Context, name: str) -> bool:
    """Whether the user gave the option called ``name``, be it its default."""
    source = context.get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)

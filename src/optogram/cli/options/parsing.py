"""Reading what options say in short: numbers, sizes, pairs."""

import hashlib
import re
from pathlib import Path
from typing import Any

import click

from optogram.arguments import shown
from optogram.errors import InputError

_LONGEST_STEM = 100  # bytes
_DEVICES = r"|con|prn|aux|nul|com\d|lpt\d"  # no files on Windows; nor is one of no name


def numbers(text: str, count: int, where: str) -> list[int]:
    """The numbers that a text such as "0-9,17" names, each once: channels of the layer ``where``.

    Raises
    ------
    InputError
        If the layer, which has ``count`` channels, has no such channel.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", part)
        ends = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if ends[0] > ends[1]:
            raise click.BadParameter(
                f'{shown(text)} is no list such as "0-9,17": expected numbers, or FIRST-LAST.'
            )
        if ends[1] >= count:
            raise InputError(
                f"{where!r} has {count} channels, numbered 0 to {count - 1}: {shown(part)} is out "
                "of range."
            )
        found.update(dict.fromkeys(range(ends[0], ends[1] + 1)))
    return list(found)


def sides(text: str) -> tuple[int, int]:
    """The two numbers of a text such as "310x400": rows and columns, or height and width."""
    match = re.fullmatch(r"\s*([1-9]\d*)\s*[x×]\s*([1-9]\d*)\s*", text)
    if not match:
        raise click.BadParameter(f'{text!r} is no size such as "310x400", height first.')
    return int(match[1]), int(match[2])


def open_sides(text: str) -> tuple[int | None, int | None]:
    """`sides`, of which one may be left out, as in "x400": it follows from the other."""
    match = re.fullmatch(r"\s*([1-9]\d*)?\s*[x×]\s*([1-9]\d*)?\s*", text)
    if not match or not (match[1] or match[2]):
        raise click.BadParameter(f'{text!r} is no size such as "310x400" or "x400", height first.')
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None


def pair(text: str) -> tuple[float, float]:
    """The two numbers of a text such as "138,20"."""
    try:
        first, second = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(f'{text!r} is no pair of numbers such as "138,20".') from None
    return first, second


def box(text: str) -> tuple[int, int, int, int]:
    """The four numbers of a text such as "4,4,12,12"."""
    try:
        top, left, bottom, right = map(int, text.split(","))
    except ValueError:
        raise click.BadParameter(
            f'{text!r} is no box such as "4,4,12,12": top, left, bottom, right.'
        ) from None
    return top, left, bottom, right


def class_label(text: str) -> int | str:
    """A class as `Class` takes it: its number, or its name."""
    return int(text) if text.isdecimal() else text


def file_stem(text: str) -> str:
    """``text`` as the name of a file in the folder it is put in, not too long for any system."""
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
            f'{text!r} is no input with its numbers, such as "age=40", "box=0.1,0.9" or '
            f'"map=file.npy" ({error}).'
        ) from None
    return name, values if len(values) > 1 else values[0]


def number_or_word(text: str) -> float | str:
    """A number where the text is one, else the text."""
    try:
        return float(text)
    except ValueError:
        return text

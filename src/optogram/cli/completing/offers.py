"""What is offered for each parameter of the commands, by the name of the parameter."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from optogram.cli.completing import models
from optogram.files import labels_beside
from optogram.network.opening import catalogue

Offer = Callable[[click.Context, str], Iterable[CompletionItem]]
"""Called with the context of the command and what is typed of the word."""


def complete(command: click.Command) -> None:
    """Give the parameters of ``command`` that are in `OFFERS` their offers."""
    for parameter in command.params:
        offer = OFFERS.get(parameter.name or "")
        # A choice offers itself.
        if offer is not None and not isinstance(parameter.type, click.Choice):
            offered = partial(_offered, offer)
            parameter.shell_complete = offered  # type: ignore[method-assign]


def _offered(offer: Offer, context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The offers that can be typed; none if there is an error, such as a damaged file."""
    try:
        return [item for item in offer(context, incomplete) if item.value.isprintable()]
    # The user is typing: whatever is wrong, it is not said here.
    except Exception:
        return []


# Files


def _paths(incomplete: str, endings: tuple[str, ...]) -> Iterator[CompletionItem]:
    """The folders, and the files with one of these endings, whose paths begin as typed."""
    home = str(Path.home())
    is_home = incomplete == "~" or incomplete.startswith("~/")
    typed = home + (incomplete[1:] or "/") if is_home else incomplete
    folder, start = os.path.split(typed)
    before = typed.removesuffix(start)
    with os.scandir(folder or ".") as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries]
    for name, is_folder in sorted(found):
        is_hidden = name.startswith(".") and not start.startswith(".")
        if name.startswith(start) and not is_hidden:
            if is_folder:
                yield CompletionItem(f"{before}{name}/", type="path")
            elif name.lower().endswith(endings):
                yield CompletionItem(f"{before}{name}", type="path")


def _files(*endings: str) -> Offer:
    return lambda context, incomplete: _paths(incomplete, endings)


def _out(context: click.Context, incomplete: str) -> Iterable[CompletionItem]:
    (out,) = (parameter for parameter in context.command.params if parameter.name == "out")
    is_folder = (out.metavar or "").startswith(("DIR", "STORE"))  # a store is one, too
    return _paths(incomplete, () if is_folder else (".png", *models.ENDINGS))


def _pictures(context: click.Context, incomplete: str) -> Iterable[CompletionItem]:
    from optogram.pictures.read import ENDINGS

    return _paths(incomplete, tuple(ENDINGS))


def _words(*words: str) -> Offer:
    def offer(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
        for word in words:
            if word.casefold().startswith(incomplete.casefold()):
                yield CompletionItem(word)

    return offer


def _either(*offers: Offer) -> Offer:
    def offer(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
        for one in offers:
            yield from one(context, incomplete)

    return offer


# What the model has


def _models(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    yield from _words(*sorted(catalogue.names()))(context, incomplete)
    yield from _paths(incomplete, models.ENDINGS)


def _model(given: Mapping[str, Any]) -> str:
    """The model that is given; of several the first."""
    return str(given["model"] if "model" in given else (given["models"] or (models.EMBEDDED,))[0])


def _described(context: click.Context) -> models.Description:
    return models.described(_model(context.params))


def _layers(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    known = _described(context)
    if set("*?[") & set(incomplete):
        # The names would replace the pattern.
        if any(fnmatchcase(name, incomplete) for name in known.layers):
            yield CompletionItem(incomplete)
        return
    halves = dict.fromkeys(known.halves if ":" in incomplete else (), "before the activation")
    for name, kind in {**known.layers, **halves}.items():
        if name.startswith(incomplete):
            yield CompletionItem(name, help=kind)


def _changed(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """Layers, after which filters and a value are typed."""
    for item in _layers(context, incomplete):
        yield CompletionItem(item.value, type="open", help=item.help)


def _inputs(context: click.Context, incomplete: str) -> Iterable[CompletionItem]:
    return _words(*_described(context).inputs)(context, incomplete)


def _outputs(context: click.Context, incomplete: str) -> Iterable[CompletionItem]:
    return _words(*_described(context).outputs)(context, incomplete)


def _fixed(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    name, is_named, value = incomplete.partition("=")
    if is_named:
        for path in _paths(value, (".npy",)):
            yield CompletionItem(f"{name}={path.value}", type="path")
        return
    for item in _inputs(context, incomplete):
        yield CompletionItem(f"{item.value}=", type="open")


def _classes(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """Names that begin as typed or have this word; after a digit, numbers."""
    names = _class_names(context.params)
    typed, plain = _plain(incomplete), [_plain(name) for name in names]
    found = [number for number, name in enumerate(plain) if name.startswith(typed)]
    found += [number for number, name in enumerate(plain) if f" {typed} " in f"{name} "]
    if not found:
        found = [number for number, name in enumerate(plain) if f" {typed}" in name]
    for number in found:
        yield CompletionItem(names[number], help=f"class {number}")
    if incomplete.isdecimal():
        for number, name in enumerate(names):
            if str(number).startswith(incomplete):
                yield CompletionItem(str(number), help=name)


def _class_names(given: Mapping[str, Any]) -> tuple[str, ...]:
    from optogram.network.labels import imagenet, read_labels

    if given.get("labels"):
        return read_labels(given["labels"]).names
    if models.is_file(model := _model(given)):
        return read_labels(labels_beside(Path(model).expanduser())).names
    return imagenet().names


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).casefold()


def _colormaps(context: click.Context, incomplete: str) -> Iterable[CompletionItem]:
    from cmap import Catalog

    names = (name for name in Catalog().short_keys() if ":" not in name)
    return _words(*sorted(names), "topo.colors(12)")(context, incomplete)


OFFERS: Mapping[str, Offer] = {
    "photos": _pictures,
    "folder": _files(),
    "model": _models,
    "models": _models,
    "layer": _layers,
    "layers": _layers,
    "set_maps": _changed,
    "scale_maps": _changed,
    "shift_maps": _changed,
    "targets": _classes,
    "target": _classes,
    "classes": _classes,
    "against": _classes,
    "labels": _files(".txt", ".json"),
    "weights": _either(_words("imagenet", "random"), _files(".h5")),
    "preprocess": _words("caffe", "tf", "torch", "unit", "lite", "none"),
    "input": _inputs,
    "output": _outputs,
    "fixed": _fixed,
    "code": _files(".py"),
    "truth": _either(_words("folders"), _files(".csv")),
    "boxes": _files(".csv"),
    "evaluation": _files(".npz"),
    "colors": _colormaps,
    "start": _either(_words("gray"), _pictures),
    "fill": _words("mean", "blur"),
    "baseline": _either(_words("black", "white", "gray", "mean", "blur"), _pictures),
    "filters": _words("all"),
    "out": _out,
    "data": _files(),
    "pictures": _files(".png"),
}

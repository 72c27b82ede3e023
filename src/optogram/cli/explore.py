"""`optogram explore`: walk through a network in the browser."""

import os
import webbrowser
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from optogram.cli.console import complain, say, shown_progress
from optogram.cli.options.attribution import memory_amount
from optogram.cli.options.network import DEFAULT, network_options, open_network
from optogram.cli.photos import Photos, is_store
from optogram.cli.stopping import STATUS, when_stopped

_OF_EXPLORER = ("photos", "models", "folder", "port", "host", "memory", "no_browser")
"""Parameters that are not about opening the network."""
_STOPPED = "The explorer was stopped."


@click.command()
@click.argument("photos", nargs=-1)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    help="Classifier of keras.applications by name, or a .keras or .h5 file; repeat it to compare "
    f"several.  [default: {DEFAULT}]",
)
@click.option(
    "--photos",
    "folder",
    metavar="DIR",
    help="Folder in which the photos that activate each filter most are searched.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port to listen at; 0: any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at. Others than this machine's own, such as 0.0.0.0, can be reached "
    "by other machines: the link then has a token.",
)
@click.option(
    "--memory",
    default="512 MB",
    show_default=True,
    callback=memory_amount,
    metavar="SIZE",
    help="Memory for answers that are kept, such as 2GB; as much again for what they are computed "
    "from.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@network_options
def explore(
    photos: tuple[str, ...],
    models: tuple[str, ...],
    folder: str | None,
    port: int,
    host: str,
    memory: str,
    no_browser: bool,
    **opening: Any,
) -> None:
    """Walk through a network in the browser. Default: a sample photo, and the embedded network.

    PHOTOS are files or folders; others can be added on the page. One of them may be a survey, such
    as net.zarr, which `optogram survey` made: its units are looked at, too, and without --model
    they alone. Stop with Ctrl-C.
    """
    from optogram.network.opening.named import require_model
    from optogram.web.listening import Listener, require_packages
    from optogram.web.photos import PHOTOS

    when_stopped(lambda: _STOPPED)
    require_packages()
    survey, photos = _apart(photos)
    is_alone = survey is not None and not models
    if is_alone:
        _require_alone(photos, folder)
    given = Photos(photos) if photos else None
    searched = Photos([folder]).paths if folder is not None else None
    count = 0 if given is None else len(given.paths)
    if count > PHOTOS:
        raise click.UsageError(
            f"The explorer shows up to {PHOTOS} photos, got {count}: give some of them, and the "
            "folder as --photos, in which strongest crops are searched."
        )
    for model in models:
        require_model(model)
    from optogram.surveying.opened import load_survey

    opened = None if survey is None else load_survey(survey)
    listener = Listener(host, port)
    say(listener.address)
    names = models or (() if is_alone else (DEFAULT,))
    networks = [open_network(model, **opening) for model in names]
    from optogram.web.explore import Explorer, workspace_of
    from optogram.web.opening import Opening

    shown = () if photos else None
    workspace = workspace_of(networks, shown, searched, memory, opened)
    workspace.searched = folder if folder is not None and Path(folder).is_dir() else None
    for net, name in zip(networks, names, strict=True):
        workspace.openings[id(net)] = Opening(name, opening)
    if given is not None:
        with shown_progress() as progress:
            for number, path in enumerate(given.paths):
                progress(number, count, "reading photos")
                with given.reading(path):
                    workspace.add(Path(path), Path(path).name)
        given.require_some()
    explorer = Explorer(workspace, listener)
    if not no_browser:
        webbrowser.open(listener.address)
    try:
        explorer.run()
    except KeyboardInterrupt:
        if explorer.is_busy:
            # What is being computed cannot be interrupted: the process ends without it.
            complain(_STOPPED)
            os._exit(STATUS)
        raise


def _apart(places: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The survey among ``places``, if there is one, and the photos."""
    surveys = [place for place in places if is_store(place)]
    if len(surveys) > 1:
        raise click.UsageError(f"One survey is looked at at a time, got {len(surveys)}.")
    photos = tuple(place for place in places if place not in surveys)
    return next(iter(surveys), None), photos


def _require_alone(photos: tuple[str, ...], folder: str | None) -> None:
    """Refuse what a survey without a network has no use for."""
    context = click.get_current_context()
    opening = [
        name
        for name in context.params
        if name not in _OF_EXPLORER
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if photos or folder is not None or opening:
        what = f"--{opening[0].replace('_', '-')}" if opening else "Looking at photos"
        raise click.UsageError(f"{what} needs a network: give it with --model.")

"""`optogram explore`: walk through a network in the browser."""

import os
import webbrowser
from pathlib import Path
from typing import Any

import click

from optogram.cli.console import complain, say, shown_progress
from optogram.cli.options.attribution import memory_amount
from optogram.cli.options.network import DEFAULT, network_options, open_network
from optogram.cli.photos import Photos
from optogram.cli.stopping import STATUS, when_stopped

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

    PHOTOS are files or folders; others can be added on the page. Stop with Ctrl-C.
    """
    from optogram.network.opening.named import require_model
    from optogram.web.listening import Listener, require_packages
    from optogram.web.photos import PHOTOS

    when_stopped(lambda: _STOPPED)
    require_packages()
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
    listener = Listener(host, port)
    say(listener.address)
    names = models or (DEFAULT,)
    networks = [open_network(model, **opening) for model in names]
    from optogram.web.explore import Explorer, workspace_of
    from optogram.web.opening import Opening

    workspace = workspace_of(networks, () if photos else None, searched, memory)
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

"""`optogram explore`: walk through a network in the browser."""

import webbrowser
from typing import Any

import click

from optogram.cli.console import say
from optogram.cli.options.network import DEFAULT, network_options, open_network
from optogram.cli.photos import Photos


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
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@network_options
def explore(
    photos: tuple[str, ...],
    models: tuple[str, ...],
    folder: str | None,
    port: int,
    host: str,
    no_browser: bool,
    **opening: Any,
) -> None:
    """Walk through a network in the browser. Default: a sample photo, and the embedded network.

    PHOTOS are files or folders; others can be added on the page. Stop with Ctrl-C.
    """
    from optogram.web.listening import Listener, require_packages

    require_packages()
    given = list(Photos(photos).paths) if photos else None
    searched = list(Photos([folder]).paths) if folder is not None else None
    listener = Listener(host, port)
    say(listener.address)
    names = models or (DEFAULT,)
    networks = [open_network(model, **opening) for model in names]
    from optogram.web.explore import Explorer, workspace_of
    from optogram.web.opening import Opening

    workspace = workspace_of(networks, given, searched)
    for net, name in zip(networks, names, strict=True):
        workspace.openings[id(net)] = Opening(name, opening)
    explorer = Explorer(workspace, listener)
    if not no_browser:
        webbrowser.open(listener.address)
    explorer.run()

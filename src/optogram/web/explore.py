"""`og.explore`: the explorer, served from this process."""

import html
import os
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optogram.arguments import checked
from optogram.errors import InputError
from optogram.interpreters.memory import allowance
from optogram.network.network import Network
from optogram.notebook import is_running
from optogram.pictures.prepared import PreparedPhotos
from optogram.pictures.read import pictures_in, require_picture_file
from optogram.pictures.sources import is_stream, labeled
from optogram.surveying.opened import Survey
from optogram.web.listening import Listener, require_packages
from optogram.web.photos import PHOTOS
from optogram.web.workspace import Workspace

if TYPE_CHECKING:
    from socket import socket

    import uvicorn

    from optogram.web.answering import Answering

MEMORY = 512 << 20
"""Bytes for answers that are kept, unless said otherwise."""
_SECONDS_TO_CLOSE = 2


class Explorer:
    """A running explorer; created by `explore`.

    Attributes
    ----------
    address : str
        What to open in a browser; with a token if other machines can reach it, or if a notebook
        shows it.
    workspace : Workspace
        Its networks and photos.
    """

    def __init__(self, workspace: Workspace, listener: Listener, is_framed: bool = False) -> None:
        require_packages()
        import uvicorn

        from optogram.web.app import create_app

        self.workspace, self.address, self._socket = workspace, listener.address, listener.socket
        self._frame = listener.frame
        app = create_app(workspace, listener.names, listener.token, is_framed)
        self._answering = app.state.answering
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            # Bounds what it reads of a request before it has its address and headers.
            http="h11",
            ws="websockets-sansio",
            ws_max_size=1 << 16,
            # Numbers hardly get smaller, and answers to a drag must not wait for it.
            ws_per_message_deflate=False,
            limit_concurrency=256,
            timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
        )
        self._server = _server_of(config, self._answering)
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Explorer at {self.address}>"

    def _repr_html_(self) -> str:
        """The page, inline."""
        address = html.escape(self._frame, quote=True)
        return (
            f'<iframe src="{address}" title="optogram explorer" allow="camera" '
            'style="width: 100%; height: 800px; border: 1px solid #8884"></iframe>'
        )

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed, also after the end: it cannot be interrupted."""
        return bool(self._answering.is_busy)

    def run(self) -> None:
        """Serve until Ctrl-C, which raises a KeyboardInterrupt in the end."""
        self._server.run([self._socket])

    def start(self) -> "Explorer":
        """Serve in a thread; `stop` ends it."""
        self._thread = threading.Thread(target=self.run, name="optogram-explorer", daemon=True)
        self._thread.start()
        return self

    def __enter__(self) -> "Explorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the explorer; its address is free again."""
        self._server.should_exit = True
        if self._thread is None:
            self._socket.close()
        else:
            self._thread.join(2 * _SECONDS_TO_CLOSE)


def _server_of(config: "uvicorn.Config", answering: "Answering") -> "uvicorn.Server":
    """A server that stops what is being answered before it waits for those who ask."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: "list[socket] | None" = None) -> None:
            answering.close()
            await super().shutdown(sockets)

    return Server(config)


@checked
def explore(
    net: Network | Survey | Sequence[Network],
    image: Any = None,
    *,
    photos: Any = None,
    survey: Survey | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    browser: bool | None = None,
    memory: int | float | str = MEMORY,
) -> Explorer:
    """Open the explorer: a page in the browser to walk through a network.

    Parameters
    ----------
    net : Network, sequence of Network, or Survey
        One network, or several to compare; or a survey to look at without its network.
    image : optional
        Photos to begin with: one or several, as for `Network.prepare`, but for batches that are
        prepared already; or a folder. None: a sample photo.
    photos : path or list of paths, optional
        A folder, or files, in which the photos that activate each filter most are searched.
    survey : Survey, optional
        A survey to look at beside the networks.
    port : int
        Port to listen at; 0: any free one.
    host : str
        Address to listen at. Others than this machine's own, such as "0.0.0.0", can be reached by
        other machines: the address then has a token.
    browser : bool, optional
        Whether to open a browser. None: unless in a notebook, which shows the page inline.
    memory : int, float or str
        Bytes for answers that are kept, as a number or such as "2 GB", and as many again for what
        they are computed from.

    Returns
    -------
    Explorer
        It serves in a thread: ``.address``, ``.stop()``; the end of a ``with`` block stops it, too.

    Raises
    ------
    InputError
        If a photo cannot be read, there are more than 500, or the port is taken.
    """
    require_packages()
    if isinstance(net, Survey):
        if survey is not None:
            raise InputError(
                "Expected one survey, got two: give the network, and one survey as survey=…."
            )
        networks: list[Network] = []
        survey = net
    else:
        networks = [net] if isinstance(net, Network) else list(net)
    workspace = workspace_of(networks, image, photos, memory, survey)
    is_framed = is_running()
    explorer = Explorer(workspace, Listener(host, port, is_framed), is_framed).start()
    if browser or (browser is None and not is_framed):
        webbrowser.open(explorer.address)
    return explorer


def workspace_of(
    networks: Sequence[Network],
    image: Any,
    photos: Any,
    memory: int | float | str = MEMORY,
    survey: Survey | None = None,
) -> Workspace:
    """Networks, photos and a survey, as for `explore`."""
    if not networks and survey is None:
        raise InputError("Expected a network, or several, got none.")
    if not networks and (image is not None or photos is not None):
        raise InputError("Photos need a network: give it, and the survey as survey=….")
    workspace = Workspace(networks, _files(photos), allowance(memory))
    workspace.survey = survey
    if not networks:
        return workspace
    if isinstance(photos, str | Path) and Path(photos).is_dir():
        workspace.searched = str(photos)
    images = _sample() if image is None else list(_each(image))
    if len(images) > PHOTOS:
        raise InputError(
            f"The explorer shows up to {PHOTOS} photos, got {len(images)}: give some of them, and "
            "the folder as photos=, in which strongest crops are searched."
        )
    for each in images:
        workspace.add(each, _name_of(each) or "photo")
    return workspace


def _each(images: Any) -> Iterator[Any]:
    """Photos one by one; a folder stands for those in it."""
    if is_stream(images):
        raise InputError(
            f"Expected photos, got a stream ({type(images).__name__}): give some of them, such as "
            "list(og.pixels(images, 8))."
        )
    for image, _ in labeled(images):
        if isinstance(image, str | os.PathLike) and Path(os.fsdecode(image)).is_dir():
            yield from pictures_in(image)
        elif isinstance(image, PreparedPhotos) and image.photos is not None:
            photo = image.photos[0]
            yield photo.path or photo.picture()
        else:
            yield image


def _name_of(photo: Any) -> str:
    """The name of the file of a photo; "" if it has none."""
    if isinstance(photo, str | os.PathLike):
        return Path(os.fsdecode(photo)).name
    named = getattr(photo, "filename", getattr(photo, "name", ""))
    return Path(named).name if isinstance(named, str) else ""


def _sample() -> list[Path]:
    from optogram import datasets

    return [Path(datasets.sample_photo())]


def _files(photos: Any) -> list[Path]:
    """The photos of folders, and those listed."""
    if photos is None:
        return []
    listed = [photos] if isinstance(photos, str | Path) else list(photos)
    found: list[Path] = []
    for path in map(Path, listed):
        if path.is_dir():
            found += pictures_in(path)
        else:
            require_picture_file(path)
            found.append(path)
    return found

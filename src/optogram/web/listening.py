"""Where the explorer listens, and under which names it may be reached."""

import importlib.util
import ipaddress
import secrets
import socket

from optogram.arguments import whole
from optogram.errors import InputError


def require_packages() -> None:
    """Raise an InputError if a package that serves the explorer is missing."""
    for package in ("starlette", "uvicorn", "websockets"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"The explorer needs the package {package}: install it with pip install "
                '"optogram[explorer]".'
            )


def is_local(host: str) -> bool:
    """Whether ``host`` can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Listener:
    """An address where the explorer listens; whoever opens it waits until the explorer answers.

    Parameters
    ----------
    host : str
        Address to listen at.
    port : int
        Port; 0: any free one.
    is_framed : bool
        Whether other pages may show the explorer in a frame: a token is needed then, too.

    Attributes
    ----------
    socket : socket
        Bound, and listening.
    address : str
        What to open in a browser, with the token.
    frame : str
        What a page shows in a frame: the token stays in the browser.
    token : str or None
        The token.
    names : list of str
        Names and addresses, without port, under which it may be reached.

    Raises
    ------
    InputError
        If host or port cannot be used.
    """

    def __init__(self, host: str, port: int, is_framed: bool = False) -> None:
        self.socket = _bound(host, whole("port", port, 0))
        number = self.socket.getsockname()[1]
        is_secret = is_framed or not is_local(host)
        self.token = secrets.token_urlsafe(24) if is_secret else None
        shown = socket.gethostname() if host in ("0.0.0.0", "::") else host
        self.names = _names(host, shown)
        bracketed = f"[{shown}]" if ":" in shown else shown
        query = f"?token={self.token}" if self.token else ""
        self.address = f"http://{bracketed}:{number}/{query}"
        self.frame = self.address.replace("?", "#")


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host`` and ``port``."""
    if not host:
        raise InputError("Expected an address to listen at, such as 127.0.0.1, got none.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    # A name may be too long for the domain name system, or hold a zero: a ValueError.
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(
            f"The explorer cannot listen at {host}, port {port} ({error}): choose another port, or "
            "port 0 for any free one."
        ) from error
    bound.listen(128)
    return bound


def _names(host: str, shown: str) -> list[str]:
    """The names under which the explorer may be reached."""
    if is_local(host):
        return ["127.0.0.1", "localhost", "::1", host]
    return [host, shown, "127.0.0.1", "localhost", "::1", *_own_addresses()]


def _own_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})

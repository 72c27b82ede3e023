"""Who may ask: only pages of the explorer itself, on this machine unless told otherwise."""

import hmac
import re
from collections.abc import Iterable
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {ancestors}"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


def _cookie(scope: Scope) -> str:
    """Name of the cookie with the token: all ports of a host share their cookies."""
    return f"optogram-{(scope.get('server') or ('', 0))[1]}"


def _query(scope: Scope) -> dict[str, list[str]]:
    """The query of an address."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1"))


def _is_file(scope: Scope) -> bool:
    """Whether a file of the page is asked for: they are the same for all."""
    return scope["path"] == "/" or scope["path"].startswith("/page/")


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s\[\]:@/\\?#]+)(?::\d*)?")


class Guard:
    """Refuses requests under foreign names (DNS rebinding), from foreign pages, and without token.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    hosts : iterable of str
        Names and addresses, without port, under which the explorer may be reached.
    token : str or None
        Secret that a request must bring: as ``?token=`` once, which sets a cookie, or as
        ``Authorization: Bearer``. None: none is needed.
    is_framed : bool
        Whether other pages may show the explorer in a frame, as notebooks do. Browsers send no
        cookies there: the files of the page, which are the same for all, need no token then, and
        what they ask brings it.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str], token: str | None, is_framed: bool = False
    ) -> None:
        self._app, self._token = app, token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._is_framed = is_framed
        self._policy = _POLICY.format(ancestors="*" if is_framed else "'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers, scope)
        if refusal is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal[:120]})
            else:
                refused: Response = PlainTextResponse(refusal, 403)
                if scope["path"].startswith("/api/"):
                    refused = JSONResponse({"error": refusal}, 403)
                await refused(scope, receive, self._with_headers(send))
            return
        query = _query(scope)
        is_link = "token" in query and scope["type"] == "http"
        # What a page in a frame asks, such as a picture, may have it in its address each time.
        if self._token is not None and is_link and not (self._is_framed and not _is_file(scope)):
            await self._enter(query, scope)(scope, receive, self._with_headers(send))
            return
        await self._app(scope, receive, self._with_headers(send))

    def _refusal(self, headers: Headers, scope: Scope) -> str | None:
        """Why the request is refused, or None."""
        host = headers.get("host", "").lower()
        if self._name(host) not in self._hosts:
            return "This address is not the explorer's own: open the one that it printed."
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            return "Other pages may not ask the explorer."
        # "same-site" are other ports and, of a name, its sisters.
        site = headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") and not self._is_page(headers, scope):
            return "Other pages may not ask the explorer."
        is_open = self._is_framed and _is_file(scope) and "token" not in _query(scope)
        if self._token is not None and not is_open and not self._is_known(headers, scope):
            return "A token is needed: open the whole link that the explorer printed."
        return None

    @staticmethod
    def _is_page(headers: Headers, scope: Scope) -> bool:
        """Whether the page itself is opened, as by a link."""
        return scope.get("path") == "/" and headers.get("sec-fetch-mode") == "navigate"

    @staticmethod
    def _name(host: str) -> str:
        """``host`` without its port and brackets, or "" if it is malformed."""
        found = _HOST.fullmatch(host)
        return found[1].strip("[]") if found else ""

    def _is_known(self, headers: Headers, scope: Scope) -> bool:
        """Whether the request brings the token."""
        token = self._token or ""
        cookie = cookie_parser(headers.get("cookie", "")).get(_cookie(scope), "")
        brought = [
            *_query(scope).get("token", []),
            headers.get("authorization", "").removeprefix("Bearer "),
            cookie,
        ]
        return any(hmac.compare_digest(each.encode(), token.encode()) for each in brought)

    def _enter(self, query: dict[str, list[str]], scope: Scope) -> RedirectResponse:
        """The page again, without the token in its address."""
        rest = urlencode({name: values[-1] for name, values in query.items() if name != "token"})
        response = RedirectResponse("/" + (f"?{rest}" if rest else ""), 303)
        # "lax": a link on another page leads here, too; what else other pages ask is refused.
        response.set_cookie(_cookie(scope), self._token or "", httponly=True, samesite="lax")
        return response

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = self._policy
                for name, value in _HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        return sending

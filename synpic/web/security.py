"""Who may ask the server of a page, and what the page may load.

The server holds what its user can read. Three things could reach it from elsewhere, and each is
refused: another machine (it listens on loopback unless asked otherwise, and then wants a token),
another page in the same browser under a name that leads here (the Host header has to be ours), and
a form or script of another page (what changes something needs our Origin and a header of ours).
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

__all__ = ["POLICY", "App", "Message", "OwnPageOnly", "is_loopback", "names_loopback"]

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The content security policy of every answer: files of ours, and nothing written into a page."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

OWN_HEADER = "x-synpic"
"""A header that a form cannot send, and a script of another page only after a preflight, to which
this server gives no answer."""

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def names_loopback(header: str) -> bool:
    """Whether a Host header names this machine alone: a name that another leads here does not."""
    return is_loopback(_without_port(header).lower())


class OwnPageOnly:
    """ASGI middleware: refuses what is not ours, and puts headers on every answer.

    Args:
        app: what answers. Its paths begin after the token.
        host: that the server listens on.
        token: the first part of every path, where ``host`` is not loopback; "" for none.
        names: others under which the machine is reached.
    """

    def __init__(self, app: App, host: str, token: str = "", names: Collection[str] = ()) -> None:
        self._app, self._host, self._token = app, host.strip("[]").lower(), token
        self._names = {name.lower() for name in names}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        refused = self._refused(scope, headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        if self._token and scope["path"] == f"/{self._token}":
            # What the page asks for is named from its folder.
            await _answer(send, 308, "The page is a folder.", location=f"/{self._token}/")
            return
        if self._token:
            # Starlette takes a path without its root as the one to route.
            scope = {**scope, "path": scope["path"][len(self._token) + 1 :] or "/"}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refused(self, scope: Message, headers: dict[str, bytes]) -> tuple[int, str] | None:
        host = headers.get("host", b"").decode("latin-1")
        if not self._is_ours(host):
            return 421, "This server does not answer to that name."
        if self._token:
            first, _slash, _rest = scope["path"].removeprefix("/").partition("/")
            if not secrets.compare_digest(first.encode("utf-8", "replace"), self._token.encode()):
                return (
                    403,
                    "The address lacks its token: open the one that was printed when the server "
                    "began.",
                )
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin", b"").decode("latin-1")
            # A proxy may speak TLS to the browser and not say so: our host is what counts.
            ours = {f"{scope.get('scheme', 'http')}://{host}", f"https://{host}"}
            if origin not in ours or OWN_HEADER not in headers:
                return 403, "Only the page itself may change something."
        return None

    def _is_ours(self, header: str) -> bool:
        name = _without_port(header).lower()
        if name in self._names:
            return True
        if is_loopback(self._host):
            return is_loopback(name)
        if self._host in ("0.0.0.0", "::", ""):
            # Any address of this machine: a name that another leads here is none of these.
            return _is_address(name) or name in _names_of_this_machine()
        return name == self._host or is_loopback(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names_of_this_machine() -> set[str]:
    name = socket.gethostname().lower()
    return {"localhost", name, f"{name}.local"}


async def _answer(
    send: Callable[[Message], Awaitable[None]], status: int, text: str, **more: str
) -> None:
    headers = {**HEADERS, "content-type": "text/plain; charset=utf-8", **more}
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})

"""Who may call a server of rewards.

It listens on loopback unless asked otherwise, and then wants a token. A page in a browser on this
machine could reach loopback too, so there the Host header has to name loopback (a name that leads
here is refused), and a request of another page, which its Origin header tells, is refused.

Clients of trainers know an address and send no header. What an address holds before its ``@``,
libraries send as the name and password of HTTP Basic: so the token is read there too.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from synpic.errors import SynpicError
from synpic.score.wires.synpic import TOKEN
from synpic.web.answers import problem
from synpic.web.security import App, Message, is_loopback, names_loopback

__all__ = ["CallersGuard", "require_token"]

_OPEN = "/health"
"""Asked by what starts and watches servers, which has no token."""


def require_token(host: str, token: str | None) -> None:
    """Refuse to listen to other machines without a token.

    Raises:
        SynpicError: ``host`` is not loopback, and there is no token; or it cannot be sent.
    """
    if token is not None and not (
        token and token.isascii() and token.isprintable() and " " not in token
    ):
        raise SynpicError(
            f"{TOKEN} is no token: it is empty, or holds what a header cannot",
            hint="use letters and digits: openssl rand -hex 24",
        )
    if token is None and not is_loopback(host):
        raise SynpicError(
            f"--host {host}: other machines could call this server, and there is no token",
            hint=f"set {TOKEN}, and let callers send it as `Authorization: Bearer …`, or in their "
            "address: http://:TOKEN@host",
        )


class CallersGuard:
    """ASGI middleware: refuses who may not call.

    Args:
        app: what answers the others.
        host: that the server listens on.
        token: that callers have to send; None: any may call.
    """

    def __init__(self, app: App, host: str, token: str | None) -> None:
        self._app, self._loopback = app, is_loopback(host)
        self._token = None if token is None else token.encode()

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """One request."""
        refused = self._refused(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refused(self, scope: Message) -> Response | None:
        headers: dict[str, bytes] = {name.decode("latin-1"): v for name, v in scope["headers"]}
        host = headers.get("host", b"").decode("latin-1")
        if self._loopback and not names_loopback(host):
            return problem(
                421, f"this server does not answer to the name {host[:100]!r}", "call 127.0.0.1"
            )
        origin = headers.get("origin")
        if origin is not None and origin.decode("latin-1") != f"http://{host}":
            return problem(403, "pages of other sites may not call this server")
        if self._token is None or scope["path"] == _OPEN:
            return None
        if secrets.compare_digest(_sent(headers.get("authorization", b"")), self._token):
            return None
        refused = problem(
            401,
            "the token is missing or wrong",
            "send the header `Authorization: Bearer …`, or write the address http://:TOKEN@host",
        )
        refused.headers["www-authenticate"] = "Bearer"
        return refused


def _sent(authorization: bytes) -> bytes:
    """The token in a header: after "Bearer", or as the password after "Basic"; else nothing."""
    scheme, _, value = authorization.partition(b" ")
    if scheme == b"Bearer":
        return value
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""

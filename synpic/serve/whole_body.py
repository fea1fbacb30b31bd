"""A request's body is read whole, up to a limit; a caller that hangs up ends its request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import Response

from synpic.readers.display import size
from synpic.serve.limits import RequestLimits
from synpic.web.answers import problem
from synpic.web.security import App, Message

__all__ = ["WholeBody"]

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class WholeBody:
    """ASGI middleware. What answers gets the body in one piece, and is cancelled at a hang-up.

    Args:
        app: what answers.
        limits: of one body, of all together, and of the time in which one arrives.
        on_hang_up: called with the scope of a request whose caller is gone.
    """

    def __init__(
        self, app: App, limits: RequestLimits, on_hang_up: Callable[[Message], object]
    ) -> None:
        self._app, self._limits, self._on_hang_up = app, limits, on_hang_up
        self._held = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reading = _Reading(self)
        try:
            body = await asyncio.wait_for(reading.read(scope, receive), self._limits.body_seconds)
        except _HungUp:
            self._on_hang_up(scope)
            return
        except (_TooLarge, TimeoutError) as error:
            answer = error.answer if isinstance(error, _TooLarge) else _late(self._limits)
            # The rest of the body is not read.
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)
            return
        else:
            await self._answer(scope, body, receive, send)
        finally:
            self._held -= reading.held

    async def _answer(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        del body

        async def once() -> Message:
            if messages:
                return messages.pop()
            return await asyncio.Future[Message]()  # whether it hangs up is watched here

        answering = asyncio.ensure_future(self._app(scope, once, send))
        watching = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait((answering, watching), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self._on_hang_up(scope)
                answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
        finally:
            for task in (answering, watching):
                task.cancel()

    def hold(self, number: int) -> None:
        """Make room for more bytes of a body.

        Raises:
            _TooLarge: all bodies together are larger than allowed.
        """
        if self._held + number > self._limits.bodies:
            answer = problem(503, "the server reads all it can hold", "try again")
            answer.headers["retry-after"] = "1"
            raise _TooLarge(answer)
        self._held += number


class _Reading:
    """One body, as it arrives."""

    def __init__(self, whole: WholeBody) -> None:
        self._whole, self.held = whole, 0

    async def read(self, scope: Message, receive: Receive) -> bytes:
        limits = self._whole._limits
        headers: dict[bytes, bytes] = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit() or len(announced) > 18 or int(announced) > limits.body:
            raise _TooLarge(_large(limits))
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _HungUp
            part = message.get("body", b"")
            if self.held + len(part) > limits.body:
                raise _TooLarge(_large(limits))
            self._whole.hold(len(part))
            self.held += len(part)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


class _TooLarge(Exception):
    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class _HungUp(Exception):
    pass


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _large(limits: RequestLimits) -> Response:
    return problem(
        413,
        f"a request has at most {size(limits.body)}",
        "send fewer images at a time; --max-body of `synpic serve` allows more",
    )


def _late(limits: RequestLimits) -> Response:
    return problem(408, f"the body did not arrive within {limits.body_seconds:g} s")

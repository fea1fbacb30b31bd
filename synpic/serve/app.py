"""The application: wires, health and metrics, behind the limits and the guard."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from synpic.serve.asking import Refused
from synpic.serve.guard import CallersGuard
from synpic.serve.limits import RequestLimits
from synpic.serve.metrics import TEXT
from synpic.serve.service import RewardService
from synpic.serve.whole_body import WholeBody
from synpic.serve.wires import flow_factory, own, pickles, unirl
from synpic.web.answers import NEVER, json_answer, problem
from synpic.web.security import App, Message

__all__ = ["JSON_WIRES", "WIRES", "make_app"]

WIRES: dict[str, ModuleType] = {
    "synpic": own,
    "flow-factory": flow_factory,
    "unirl": unirl,
    "pickles": pickles,
}
"""Name → a module with ``routes(scorer, limits)``."""

JSON_WIRES = ("synpic", "flow-factory", "unirl")
"""Those that are always there."""


def make_app(
    service: RewardService,
    limits: RequestLimits,
    *,
    host: str,
    token: str | None = None,
    wires: Sequence[str] = JSON_WIRES,
) -> App:
    """All that a server answers.

    Args:
        host: that it listens on.
        token: that callers have to send; None: any may call.
        wires: names of :data:`WIRES`.
    """
    named = [(name, route) for name in wires for route in WIRES[name].routes(service, limits)]
    routes = [
        *(route for _, route in named),
        *_of_the_server(service),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refused: _refused,
            HTTPException: _http_problem,
            Exception: _bug,
        },
    )
    metrics = service.metrics

    def wire_of(path: str, scope: Message) -> str:
        for name, route in named:
            if route.matches({**scope, "path": path, "root_path": ""})[0] is not Match.NONE:
                return name
        return "other"

    def hung_up(scope: Message) -> None:
        metrics.dropped(wire_of(scope["path"], scope))

    def took(scope: Message, status: int, seconds: float) -> None:
        metrics.took(wire_of(scope["path"], scope), seconds)

    def counted(scope: Message, status: int, seconds: float) -> None:
        metrics.request(wire_of(scope["path"], scope), status)

    # What is refused before its body is read is counted too, and takes no part in the seconds.
    whole = WholeBody(_Answered(app, took), limits, hung_up)
    return _Answered(CallersGuard(whole, host, token), counted)


class _Answered:
    """ASGI middleware: tells of each answer that begins.

    Args:
        tell: called with the scope, the status, and the seconds since the application was asked.
    """

    def __init__(self, app: App, tell: Callable[[Message, int, float], object]) -> None:
        self._app, self._tell = app, tell

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        began = time.monotonic()

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._tell(scope, message["status"], time.monotonic() - began)
            await send(message)

        await self._app(scope, receive, telling)


def _of_the_server(service: RewardService) -> list[Route]:
    async def health(request: Request) -> Response:
        state = service.state
        # UniRL's client does not begin where a reward of its is no key of `rewards`.
        rewards = {name: [state] for name in service.names}
        return json_answer(
            {"status": state, "rewards": rewards, "queue_images": service.held},
            200 if state == "ok" else 503,
        )

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type=TEXT, headers=NEVER)

    return [
        Route("/health", health, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    answer = problem(error.status, error.message, error.hint)
    answer.headers.update(error.headers)
    return answer


def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    if error.status_code == 405:
        answer = problem(
            405, f"{path} does not take {request.method}", "GET /openapi.json says what does"
        )
        answer.headers.update(error.headers or {})
        return answer
    return problem(
        error.status_code, f"there is no {path!r}", "GET /openapi.json says what there is"
    )


def _bug(request: Request, error: Exception) -> Response:
    return problem(500, "the server failed on this request; its own output says why")

"""The page of raters over HTTP. No answer holds the name of a model.

/                     the page
/assets/NAME          its scripts and styles
/api/begin            POST: a new rater; sets the cookie
/api/state            what is next and how much is done; no rater where none has begun. It writes
                      nothing
/api/vote             POST: an answer; it is on the disk before this is answered
/api/undo             POST: take the last answer back
/images/ADDRESS       WebP; the address is random, and of one rater alone
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from synpic import ids
from synpic.errors import SynpicError
from synpic.readers.images import ImageError
from synpic.study.asking import Asking, RaterPlace
from synpic.study.assignments import Assigned, now
from synpic.study.definition import ShownImage
from synpic.study.pictures import Pictures
from synpic.web.answers import NEVER, asset_answer, json_answer, problem
from synpic.web.bodies import read_json_body
from synpic.web.pages import render
from synpic.workspace.votes import ANSWERS, Vote

__all__ = ["make_app"]

_LOG = logging.getLogger(__name__)

_KEPT = {"cache-control": "private, max-age=3600"}
_YEAR = 365 * 24 * 3600
_LONGEST_MILLISECONDS = 24 * 3600 * 1000
_LONGEST_BODY = 10_000
_ASK_FIRST = "Press Begin first: without it nothing is kept of you."


def make_app(asking: Asking, pictures: Pictures) -> Starlette:
    """The application in which raters answer."""
    page = _Page(asking, pictures)
    return Starlette(
        routes=[
            Route("/", page.shell),
            Route("/assets/{name}", page.asset),
            Route("/api/begin", page.begin, methods=["POST"]),
            Route("/api/state", page.state),
            Route("/api/vote", page.vote, methods=["POST"]),
            Route("/api/undo", page.undo, methods=["POST"]),
            Route("/images/{address}", page.image),
        ],
        exception_handlers={SynpicError: _failed, ImageError: _failed},
    )


class _Page:
    """What answers. Plain functions: Starlette runs them in threads of its own."""

    def __init__(self, asking: Asking, pictures: Pictures) -> None:
        self._asking, self._pictures = asking, pictures
        self._study = asking.study
        # Browsers send a cookie to every port of a machine: each study has one of its own.
        self._cookie = f"rater-{ids.short(self._study.fingerprint)}"
        self._html = render("synpic.study", "study.html.jinja", {})

    def shell(self, request: Request) -> Response:
        return Response(self._html, media_type="text/html", headers=NEVER)

    def asset(self, request: Request) -> Response:
        return asset_answer("synpic.study", request.path_params["name"])

    def begin(self, request: Request) -> Response:
        rater = self._rater(request) or secrets.token_hex(16)
        answer = json_answer(self._state(self._asking.progress(rater)))
        answer.set_cookie(
            self._cookie, rater, max_age=_YEAR, path="/", httponly=True, samesite="strict"
        )
        return answer

    def state(self, request: Request) -> Response:
        rater = self._rater(request)
        if rater is None:
            return json_answer({"rater": None})
        return json_answer(self._state(self._asking.place(rater)))

    async def vote(self, request: Request) -> Response:
        rater, asked, refused = await self._asked(request, {"ticket", "answer", "milliseconds"})
        if refused is not None:
            return refused
        took = asked["milliseconds"]
        if asked["answer"] not in ANSWERS or type(took) is not int or took < 0:
            return problem(400, "not an answer")
        return await run_in_threadpool(self._vote, rater, asked)

    def _vote(self, rater: str, asked: dict[str, Any]) -> Response:
        one = self._asking.assignments.by_ticket(rater, asked["ticket"])
        if one is not None:
            left, right = self._sides(one)
            self._asking.votes.append(
                Vote(
                    comparison=one.comparison,
                    question=one.question,
                    left=left.candidate_id,
                    right=right.candidate_id,
                    answer=asked["answer"],
                    rater=rater,
                    milliseconds=min(asked["milliseconds"], _LONGEST_MILLISECONDS),
                    kind=one.kind,
                    time=now(),
                )
            )
        place = self._asking.progress(rater)
        return json_answer({"stored": one is not None, **self._state(place)})

    async def undo(self, request: Request) -> Response:
        rater, asked, refused = await self._asked(request, {"ticket"})
        if refused is not None:
            return refused
        return await run_in_threadpool(self._undo, rater, asked)

    def _undo(self, rater: str, asked: dict[str, Any]) -> Response:
        one = self._asking.assignments.by_ticket(rater, asked["ticket"])
        if one is not None:
            self._asking.votes.withdraw(*one.key)
            self._asking.assignments.renew(one.ticket)
        return json_answer(self._state(self._asking.progress(rater)))

    def image(self, request: Request) -> Response:
        rater, address = self._rater(request), request.path_params["address"]
        one = None if rater is None else self._asking.assignments.by_image(rater, address)
        if one is None:
            return problem(404, "there is no such image")
        left, right = self._sides(one)
        shown = (left, right) if address == one.left_image else (right, left)
        data = self._pictures.get(*shown)
        return Response(data, media_type="image/webp", headers=_KEPT)

    def _sides(self, one: Assigned) -> tuple[ShownImage, ShownImage]:
        first, second = self._study.pictures_of(one.comparison)
        return (second, first) if one.turned else (first, second)

    async def _asked(
        self, request: Request, keys: set[str]
    ) -> tuple[str, dict[str, Any], Response | None]:
        """Who asks and what; or what to answer instead. Of others no body is read."""
        rater = await run_in_threadpool(self._rater, request)
        if rater is None:
            return "", {}, problem(401, _ASK_FIRST)
        asked, refused = await _body(request, keys)
        return rater, asked, refused

    def _rater(self, request: Request) -> str | None:
        """The id that a browser sends, if this server gave it out: somebody pressed Begin."""
        found = request.cookies.get(self._cookie, "")
        is_one = len(found) == 32 and set(found) <= set("0123456789abcdef")
        return found if is_one and self._asking.knows(found) else None

    def _state(self, place: RaterPlace) -> dict[str, Any]:
        return {
            "answered": place.answered,
            "total": place.total,
            "last": place.last,
            "rater": place.rater,
            "upcoming": [self._shown(one) for one in place.upcoming],
        }

    def _shown(self, one: Assigned) -> dict[str, Any]:
        question = self._study.question_by_name[one.question]
        prompt = self._study.prompt_of(one.comparison) if question.shows_prompt else None
        return {
            "ticket": one.ticket,
            "question": question.text,
            "prompt": prompt,
            "left": one.left_image,
            "right": one.right_image,
        }


async def _body(request: Request, keys: set[str]) -> tuple[dict[str, Any], Response | None]:
    """The JSON object that was sent, with just these keys; or what to answer instead.

    ``ticket``, which each has, is a text in ASCII.
    """
    asked, refused = await read_json_body(request, _LONGEST_BODY, "an answer")
    if refused is not None:
        return {}, refused
    if not isinstance(asked, dict) or asked.keys() != keys:
        return {}, problem(400, f"an answer has {', '.join(sorted(keys))}")
    # What is not ASCII is no ticket of ours, and half of a surrogate pair no text of SQLite.
    if not isinstance(asked["ticket"], str) or not asked["ticket"].isascii():
        return {}, problem(400, "there is no such ticket")
    return asked, None


def _failed(request: Request, error: Exception) -> Response:
    # The message may name a file, and a file a model: a rater gets none of it.
    _LOG.error("%s", getattr(error, "message", error))
    return problem(500, "The server could not do that.", "try again, or skip this comparison")

"""The page over HTTP: its shell, rows as JSON, thumbnails and images.

/                                     the page
/assets/NAME                          its scripts and styles
/api/rows?QUERY                       rows of one page of prompts
/api/charts?QUERY                     of all prompts that the query keeps
/api/prompt/ID                        one row
/api/marks                            marks: GET all, POST one
/thumbnails/EDGE/ID                   WebP
/images/ID                            the encoded file, as it lies; as PNG where no browser shows it
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import polars as pl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from synpic.errors import RecipeError, SynpicError
from synpic.readers.images import ImageError
from synpic.view.charts import charts
from synpic.view.frame import Frame
from synpic.view.marking import Marking
from synpic.view.page import page_facts, render_page
from synpic.view.query import Query, QueryError, answer, parse_query
from synpic.view.rows import rows_of
from synpic.view.thumbnails import EDGES, Thumbnails, for_browsers
from synpic.web.answers import FOREVER, NEVER, asset_answer, json_answer, problem
from synpic.web.bodies import read_json_body

__all__ = ["make_app"]

MOST_KNOWN = 10_000
"""Images whose hashes are kept at hand."""

_LONGEST_MARK = 100_000
"""Bytes of a request that marks something."""


def make_app(frame: Frame) -> Starlette:
    """The application that shows ``frame``."""
    page = _Page(frame)
    return Starlette(
        routes=[
            Route("/", page.shell),
            Route("/assets/{name}", page.asset),
            Route("/api/rows", page.rows),
            Route("/api/charts", page.charts),
            Route("/api/prompt/{id}", page.prompt),
            Route("/api/marks", page.marks, methods=["GET"]),
            Route("/api/marks", page.mark, methods=["POST"]),
            Route("/thumbnails/{edge:int}/{id}", page.thumbnail),
            Route("/images/{id}", page.image),
        ],
        exception_handlers={SynpicError: _said, ImageError: _damaged},
    )


class _Page:
    """What answers. Plain functions: Starlette runs them in threads of its own."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._marking = Marking(frame)
        self._thumbnails = Thumbnails()
        self._charting = threading.Lock()
        self._known: dict[str, str | None] = {}
        self._html = render_page(page_facts(frame, self._marking.allowed))
        # The same query is asked for each page that is turned, and for its charts.
        self._answer = lru_cache(maxsize=16)(self._answer_now)

    def shell(self, request: Request) -> Response:
        return Response(self._html, media_type="text/html", headers=NEVER)

    def asset(self, request: Request) -> Response:
        return asset_answer("synpic.view", request.path_params["name"])

    def rows(self, request: Request) -> Response:
        query = parse_query(request.query_params.multi_items(), self._frame)
        found = self._ids(query)
        pages = max(1, -(-len(found) // query.size))
        page = min(query.page, pages)  # of an older address, when there were more
        first = (page - 1) * query.size
        ids = found.slice(first, query.size).to_list()
        return json_answer(
            {
                "total": len(found),
                "page": page,
                "pages": pages,
                "size": query.size,
                "rows": self._rows(ids),
            }
        )

    def charts(self, request: Request) -> Response:
        query = parse_query(request.query_params.multi_items(), self._frame)
        ids = self._ids(query) if query.address() else None
        with self._charting:  # each takes a copy of the scores: one at a time
            return json_answer(charts(self._frame, ids))

    def prompt(self, request: Request) -> Response:
        found = self._rows([request.path_params["id"]])
        return json_answer(found[0]) if found else problem(404, "there is no such prompt")

    def marks(self, request: Request) -> Response:
        return json_answer(self._marking.as_dict())

    async def mark(self, request: Request) -> Response:
        asked, refused = await read_json_body(request, _LONGEST_MARK, "a mark")
        return refused or json_answer(self._marking.change(asked))

    def thumbnail(self, request: Request) -> Response:
        edge, one = request.path_params["edge"], request.path_params["id"]
        sha256 = self._hash(one)
        if edge not in EDGES or sha256 is None:
            return problem(404, "there is no such thumbnail")
        data = self._thumbnails.get(one, edge, lambda: self._read(one, sha256))
        return Response(data, media_type="image/webp", headers=FOREVER)

    def image(self, request: Request) -> Response:
        one = request.path_params["id"]
        sha256 = self._hash(one)
        if sha256 is None:
            return problem(404, "there is no such image")
        data, ending = for_browsers(self._read(one, sha256))
        kind = "jpeg" if ending == "jpg" else ending
        return Response(data, media_type=f"image/{kind}", headers=FOREVER)

    def _read(self, candidate_id: str, sha256: str) -> bytes:
        return self._frame.shown.images.read(candidate_id, sha256)

    def _hash(self, candidate_id: str) -> str | None:
        """The hash of an image that is there. An index of all would take as much as all rows."""
        if (known := self._known.get(candidate_id)) is not None:
            return known
        rows = self._frame.shown.candidates
        at = rows["candidate_id"].eq(candidate_id).arg_true()
        found: str | None = rows["sha256"][at[0]] if len(at) else None
        return found

    def _rows(self, prompt_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Rows, of which images are going to be asked for."""
        rows = rows_of(self._frame, prompt_ids)
        if len(self._known) > MOST_KNOWN:
            self._known = {}
        self._known |= {one["candidate_id"]: one["sha256"] for row in rows for one in row["images"]}
        return rows

    def _ids(self, query: Query) -> pl.Series:
        return self._answer(replace(query, page=1, size=1), self._marking.version)

    def _answer_now(self, query: Query, version: int) -> pl.Series:
        return answer(query, self._frame, self._marking.marked() if query.marked else {})


def _said(request: Request, error: Exception) -> Response:
    assert isinstance(error, SynpicError)
    # A file of marks that was edited, and is none any more, is a conflict; no fault of the server.
    status = {QueryError: 400, RecipeError: 409}.get(type(error), 500)
    return problem(status, error.message, error.hint)


def _damaged(request: Request, error: Exception) -> Response:
    return problem(500, f"the image is damaged: {error}")

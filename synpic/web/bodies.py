"""The JSON that a page sends, read up to a limit."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from synpic.web.answers import problem

__all__ = ["read_json_body"]


async def read_json_body(request: Request, longest: int, what: str) -> tuple[Any, Response | None]:
    """What was sent, as a value of JSON; or what to answer instead.

    Args:
        longest: bytes; of a longer body the rest is not read, and the connection is closed.
        what: that is sent, for messages: "an answer".
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > longest:
            refused = problem(413, f"{what} is smaller than that")
            refused.headers["connection"] = "close"
            return None, refused
    try:
        return json.loads(body), None
    except (ValueError, RecursionError):
        return None, problem(400, f"{what} is JSON")

"""What a page's server answers: JSON, a problem, or a file of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from synpic.readers.display import visible
from synpic.web.pages import read_asset

__all__ = ["FOREVER", "NEVER", "asset_answer", "json_answer", "problem"]

FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
"""Of what never changes under its address."""
NEVER = {"cache-control": "no-store"}

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] = NEVER) -> Response:
    """``value`` as JSON in ASCII."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(text, status, media_type="application/json", headers=headers)


def problem(status: int, message: str, hint: str | None = None) -> Response:
    """What is wrong, and what to do, as JSON."""
    return json_answer({"error": visible(message), "hint": visible(hint) if hint else None}, status)


def asset_answer(package: str, name: str) -> Response:
    """A script, style or icon of a page (:func:`synpic.web.pages.read_asset`), or 404."""
    kind = _KINDS.get(name.rpartition(".")[2])
    try:
        if kind is not None:
            return Response(read_asset(package, name), media_type=kind, headers=NEVER)
    except FileNotFoundError:
        pass
    return problem(404, f"there is no {name!r}")

"""A server in the Hub's place: honest for some requests, then hostile, in one of many ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.hub_server import Fault
from tests.hub_server.messages import Answer, Exchange

__all__ = ["BODIES", "KINDS", "Hostile"]

DEPTH = 100_000

BODIES: Mapping[str, tuple[bytes, str]] = {
    "html": (b"<html><title>Log in to the network</title></html>", "text/html; charset=utf-8"),
    "html as json": (b"<html><title>Log in</title></html>", "application/json"),
    "object": (b"{}", "application/json"),
    "list": (b"[]", "application/json"),
    "null": (b"null", "application/json"),
    "string": (b'"hello"', "application/json"),
    "deep": (b"[" * DEPTH + b"]" * DEPTH, "application/json"),
    "deep object": (b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, "application/json"),
    "bytes": (b"\xff\xfe\x00", "application/octet-stream"),
}
"""What takes the place of any answer: body and kind of content."""


def _types(value: Any) -> Any:
    """Each leaf is of another type."""
    if isinstance(value, dict):
        return {key: _types(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_types(one) for one in value]
    return {"x": [value]} if isinstance(value, str) else "seven"


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return 10**400 if is_number else value


def _inside_out(value: Any) -> Any:
    """A list is an object, and an object a list."""
    if isinstance(value, dict):
        return [_inside_out(one) for one in value.values()]
    return (
        {str(n): _inside_out(one) for n, one in enumerate(value)}
        if isinstance(value, list)
        else value
    )


_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_PATHS = ("path", "rfilename", "name", "ref")


def _naming(evil: str) -> Callable[[Any], Any]:
    def hashes(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: hashes(one) for key, one in value.items()}
        if isinstance(value, list):
            return [hashes(one) for one in value]
        return evil if isinstance(value, str) and _COMMIT.fullmatch(value) else value

    return hashes


def _pathing(evil: str) -> Callable[[Any], Any]:
    def paths(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: evil if key in _PATHS and isinstance(one, str) else paths(one)
                for key, one in value.items()
            }
        return [paths(one) for one in value] if isinstance(value, list) else value

    return paths


VALUES: Mapping[str, Callable[[Any], Any]] = {
    "types": _types,
    "numbers": _numbers,
    "inside out": _inside_out,
    "commit climbs": _naming("../../../../../pwned"),
    "commit absolute": _naming("{box}/pwned"),
    "commit nul": _naming("pwned\0" + "0" * 34),
    "path climbs": _pathing("../../../../../../pwned"),
    "path absolute": _pathing("{box}/pwned"),
    "path nul": _pathing("pwned\0x"),
}

HEADERS: Mapping[str, Mapping[str, str]] = {
    "X-Repo-Commit climbs": {"X-Repo-Commit": "../../../../../pwned"},
    "X-Repo-Commit absolute": {"X-Repo-Commit": "{box}/pwned"},
    "ETag climbs": {"ETag": '"../../../../../pwned"', "X-Linked-ETag": '"../../../../../pwned"'},
    "ETag absolute": {"ETag": '"{box}/pwned"', "X-Linked-ETag": '"{box}/pwned"'},
    "ETag null": {"ETag": '"x\x01y"', "X-Linked-ETag": '"x\x01y"'},
    "sizes": {"X-Linked-Size": "9" * 400, "Content-Range": "bytes 0-9/" + "9" * 400},
    "size words": {"X-Linked-Size": "seven", "Content-Range": "seven"},
    "redirect to a file": {"Location": "file:///etc/passwd"},
    "redirect in a circle": {"Location": "{same}"},
    "redirect nowhere": {"Location": "../../../../../pwned"},
    "redirect to no URL": {"Location": "http://[::"},
    "next page": {"Link": '<file:///etc/passwd>; rel="next"'},
}

KINDS = (*BODIES, *VALUES, *HEADERS)


@dataclass(frozen=True)
class Hostile(Fault):
    """The answer is hostile: another body, other values in it, or other headers.

    Args:
        kind: one of :data:`KINDS`.
        box: a folder that nothing may be written to.
    """

    kind: str
    box: str

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        """What is sent in place of ``answer``."""
        if self.kind in BODIES:
            body, content = BODIES[self.kind]
            return Answer(200, body, {"Content-Type": content})
        if self.kind in HEADERS:
            bad = {
                name: text.replace("{box}", self.box).replace("{same}", exchange.target)
                for name, text in HEADERS[self.kind].items()
            }
            status = 302 if "Location" in bad else answer.status
            return replace(answer, status=status, headers={**answer.headers, **bad})
        if not isinstance(answer.body, bytes):
            return answer
        try:
            value = json.loads(answer.body)
        except ValueError:
            return answer
        text = json.dumps(VALUES[self.kind](value)).replace("{box}", self.box)
        return replace(answer, body=text.encode())

"""Faults in what a server answers: its body, its headers, its status."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.operators import mutate_bytes
from tests.fuzz.values import mutate_json
from tests.hub_server import Fault, HubServer
from tests.hub_server.fixtures import online
from tests.hub_server.messages import Answer, Exchange

__all__ = ["Damaged", "fill", "standing_online"]

STATUS = [204, 301, 302, 304, 400, 401, 403, 404, 409, 410, 413, 416, 418, 500, 502, 503, 504]
"""Without 429, after which a client waits for as long as it was told."""

HEADERS = ["ETag", "X-Repo-Commit", "X-Linked-Size", "X-Linked-Etag", "Location", "Link",
           "Content-Type", "X-Error-Code", "X-Error-Message", "Content-Encoding",
           "Content-Range", "Retry-After", "Accept-Ranges"]  # fmt: skip
TEXTS = ["", " ", "0", "-1", "x", "\x7f", '"', 'W/"x"', "é", "gzip", "text/html", "../../x",
         "http://127.0.0.1:9/x", "x" * 5000, "1e999", "bytes 0-0/0", "EntryNotFound", "GatedRepo",
         "RepoNotFound", "RevisionNotFound", "a" * 40, '<x>; rel="next"']  # fmt: skip


class Damaged(Fault):
    """An answer with one fault in it, which ``seed`` chooses.

    Attributes:
        what: was done, and to which request.
        content: bytes of a file were damaged, which a hash tells.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.what = "no request"
        self.content = False

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        """``answer``, damaged: the same way each time."""
        rng = random.Random(self._seed)
        made, what = _damage(answer, rng)
        self.what = f"{exchange.method} {exchange.target[:90]}: {what}"
        self.content = "resolve" in exchange.target or exchange.host == "storage"
        return made


def _damage(answer: Answer, rng: random.Random) -> tuple[Answer, str]:
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    answer = replace(answer, body=body)
    json = "json" in answer.headers.get("Content-Type", "") and body[:1] in (b"{", b"[")
    how = rng.choice(["bytes", "header", "status", "cut", "empty", *(["value"] * 4 * json)])
    if how == "value":
        changed, what, _ = mutate_json(body, rng)
        return replace(answer, body=changed), what
    if how == "bytes" and body:
        made = mutate_bytes(body, rng)
        return replace(answer, body=made.data), made.what
    if how == "cut" and body:
        return replace(answer, cut=rng.randrange(len(body))), "cut"
    if how == "status":
        status = rng.choice(STATUS)
        return replace(answer, status=status), f"status {status}"
    if how == "header":
        there = [name for name in HEADERS if name in answer.headers]
        name = rng.choice(there or HEADERS) if rng.random() < 0.7 else rng.choice(HEADERS)
        headers = {key: text for key, text in answer.headers.items() if key != name}
        if name in answer.headers and rng.random() < 0.3:
            return replace(answer, headers=headers), f"without {name}"
        text = rng.choice(TEXTS)
        return replace(answer, headers={**headers, name: text}), f"{name}: {text[:40]!r}"
    return replace(answer, body=b""), "an empty body"


def fill(hub: HubServer, folder: Path) -> None:
    """Two releases of user/set, from ``folder``, and a model."""
    hub.create("user/set")
    for tag, name in [("v1.0.0", "rel"), ("v1.1.0", "later")]:
        files = {
            path.relative_to(folder / name).as_posix(): path.read_bytes()
            for path in (folder / name).rglob("*")
            if path.is_file()
        }
        commit = hub.commit("user/set", files)
        hub.repositories["user/set"].tags[tag] = commit.oid
    hub.create("maker/model", kind="model")
    hub.commit("maker/model", {"model_index.json": b"{}", "weights.safetensors": b"x" * 64})


@contextmanager
def standing_online(hub: HubServer, home: Path) -> Iterator[None]:
    """In the block clients speak to ``hub``, and wait for nothing."""
    import time

    from huggingface_hub import utils

    with pytest.MonkeyPatch.context() as patch:
        going: Any = online.__wrapped__(patch)  # type: ignore[attr-defined]
        next(going)(hub, "hf_write", home)
        pause = time.sleep
        patch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.001)))
        utils.logging.set_verbosity_error()
        try:
            yield
        finally:
            next(going, None)

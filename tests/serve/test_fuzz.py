"""Bodies of any kind: each gets one clear answer, no traceback, and the server goes on."""

from __future__ import annotations

import json
import logging
import pickle
import random
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.serve.loopback import Loopback, Redness, loopback, text
from tests.serve.scorers import jpeg, png

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0.5, 1e400, "", "a", "\ud800", "a" * 30_000),
    *([], {}, [[]], ["a"], [None], {"a": 1}),
)
STATUSES = {200, 404, 405, 413, 415, 422}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    wires = ("synpic", "flow-factory", "unirl", "pickles")
    with loopback({"red": Redness(), "other": Redness()}, wires=wires) as server:
        yield server


@pytest.mark.parametrize(
    "bodies", [100, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_any_body_is_answered(
    server: Loopback, bodies: int, caplog: pytest.LogCaptureFixture
) -> None:
    choose = random.Random(0)
    process = psutil.Process()
    before = 0
    caplog.set_level(logging.WARNING)
    for number in range(bodies):
        path, body = choose.choice((changed, changed, of_trainers))(choose)
        answer = server.client.post(path, content=body)
        # Flow-Factory's wire has no room for the error of one image.
        failed = answer.status_code == 500 and b"this prompt is refused" in answer.content
        assert failed or answer.status_code in STATUSES, (number, path, body[:200], answer.text)
        found = pickle.loads(answer.content) if path.startswith("/pickles/") else answer.json()
        if answer.status_code != 200:
            assert found.get("error") or found.get("detail")
            assert b"Traceback" not in answer.content
        if number == bodies // 4:
            before = process.memory_info().rss
    assert not [one for one in caplog.records if one.exc_info]
    assert server.score(["a"], [png(255)]).json()["scores"]["red"] == [1.0]
    assert server.service.held == 0
    if bodies >= 5000:
        assert process.memory_info().rss - before < 32 << 20


def changed(choose: random.Random) -> tuple[str, bytes]:
    """A request that would be answered, with something wrong in most."""
    images = [text(broken(choose, choose.choice((png(3), jpeg(9))))) for _ in range(2)]
    if choose.random() < 0.6:
        path, body = "/v1/score", {"prompts": ["a", "raise"], "images": images}
        fields = ["prompts", "images", "rewards", "metadata", "more"]
    else:
        path, body = "/v1/group", {"prompt": "a", "images": images}
        fields = ["prompt", "images", "rewards", "weights", "aggregation", "metadata"]
    sent: dict[str, Any] = dict(body)
    if choose.random() < 0.6:
        field = choose.choice(fields)
        if field in sent and isinstance(sent[field], list) and choose.random() < 0.5:
            sent[field] = [*sent[field][:1], choose.choice(VALUES)]
        else:
            sent[field] = choose.choice(VALUES)
    data = json.dumps(sent).encode()
    return path, broken(choose, data) if choose.random() < 0.2 else data


def of_trainers(choose: random.Random) -> tuple[str, bytes]:
    """The same, as trainers' clients send it."""
    files = [broken(choose, choose.choice((png(3), jpeg(9)))) for _ in range(2)]
    images = [text(one) for one in files]
    items = [{"history": [{"text": "a", "image_b64": one}]} for one in images]
    sent: dict[str, Any]
    path, sent = choose.choice(
        (
            ("/compute", {"prompt": ["a", "raise"], "image": images, "video": None}),
            ("/score", {"requests": [{**one, "required_rewards": ["red"]} for one in items]}),
            ("/pickles/red", {"images": files, "prompts": ["a", "raise"], "metadata": {}}),
        )
    )
    if choose.random() < 0.6:
        inner = sent["requests"][0] if path == "/score" else sent
        field = choose.choice([*inner, "metadata", "meta_datas"])
        held, value = inner.get(field), choose.choice(VALUES)
        nested = isinstance(held, list) and choose.random() < 0.5
        inner[field] = [*held[:1], value] if nested else value
    if path.startswith("/pickles/"):
        data = pickle.dumps(sent, choose.randrange(6))
    else:
        data = json.dumps(sent).encode()
    return path, broken(choose, data) if choose.random() < 0.2 else data


def broken(choose: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut, or added; or none."""
    kind = choose.random()
    if kind < 0.4:
        return data
    place = choose.randrange(len(data))
    if kind < 0.7:
        return data[:place] + bytes([choose.randrange(256)]) + data[place + 1 :]
    return data[:place] if kind < 0.9 else data + choose.randbytes(place)

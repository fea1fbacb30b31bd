"""What one caller can take of a server: values, names, pixels, and what is left of a hang-up."""

from __future__ import annotations

import http.client
import json
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from synpic.errors import RewardError, did_you_mean
from synpic.score.wires.synpic import RewardDescription, ScoreRequest
from synpic.serve.asking import Refused
from synpic.serve.batching import Batcher, PendingRequest
from synpic.serve.limits import RequestLimits
from synpic.serve.metrics import ServerMetrics
from synpic.serve.served import BatchImage, ServedReward
from synpic.serve.wires.reading import message
from tests.serve.loopback import Redness, loopback, text
from tests.serve.scorers import png


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompts": [' + b"1," * 100_001,
        b'{"prompts": [' + b"[" * 100_001,
        b'{"metadata": [{"a": [' + b"{}," * 100_001,
    ],
)
def test_more_values_than_a_request_needs_are_no_objects(body: bytes) -> None:
    with pytest.raises(Refused, match="more than 100,000 values"):
        message(ScoreRequest, body)


def test_signs_within_texts_are_no_values() -> None:
    prompt = 'a cat, "so to say", [sic] {\\' * 20_000
    body = json.dumps({"prompts": [prompt], "images": [""]}).encode()
    assert message(ScoreRequest, body).prompts == [prompt]


@pytest.mark.parametrize("end", [b"", b"\\", b'\\"'])
def test_a_text_without_end_is_read_once(end: bytes) -> None:
    body = b'["' + b'\\"' * 100_000 + b"," * 100_001 + end
    began = time.perf_counter()
    with pytest.raises(Refused, match="the body: Invalid JSON"):
        message(ScoreRequest, body)
    assert time.perf_counter() - began < 2, "the time grows with the square of the length"


def test_a_name_that_is_far_too_long_is_compared_with_none() -> None:
    began = time.perf_counter()
    assert did_you_mean("hpsv2" * 2_000_000, ["hpsv2", "pickscore"]) == ""
    assert time.perf_counter() - began < 0.2
    assert did_you_mean("hpsv2x", ["hpsv2", "pickscore"]) == " Did you mean 'hpsv2'?"


def test_an_error_repeats_no_long_name() -> None:
    long = "red" * 50_000
    good: dict[str, Any] = {"prompts": ["a"], "images": [text(png(1))]}
    group = {"prompt": "a", "images": good["images"] * 2}
    with loopback({"red": Redness()}) as server:
        for path, body in [
            ("/v1/score", {**good, "rewards": [long]}),
            ("/v1/score", {**good, long: 1}),
            ("/v1/group", {**group, "weights": {long: 1}}),
            ("/v1/group", {**group, "weights": {long: "a"}}),
            ("/v1/group", {**group, "aggregation": long}),
            ("/score", {"requests": [{"history": [], "required_rewards": [], "metadata": long}]}),
        ]:
            answer = server.client.post(path, json=body)
            assert answer.status_code in (404, 422)
            assert len(answer.text) < 1000, (path, answer.text[:300])


def test_pixels_of_all_images_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RequestLimits().all_pixels == 512 * 2**21
    monkeypatch.setattr(RequestLimits, "all_pixels", 10_000)
    red, large = Redness(), png(255, 80)
    with loopback({"red": red}) as server, ThreadPoolExecutor(1) as callers:
        both = server.score(["a", "b"], [large] * 2)
        assert (both.status_code, "12,800 pixels" in both.json()["error"]) == (413, True)
        red.gate.clear()
        first = callers.submit(server.score, ["a"], [large])
        while not red.batches:
            server.wait_for(1)
        refused = server.score(["b"], [large])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "no room for image 0" in refused.json()["error"]
        red.gate.set()
        assert first.result().json()["scores"] == {"red": [1.0]}
        for _ in range(2):
            assert server.score(["c"], [large]).is_success


class Waiting:
    """A reward that is at work until it is let go."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        self.begun.set()
        assert self.gate.wait(30)
        return [0.0] * len(prompts)


class Pixels:
    def copy(self) -> Pixels:
        return self


def test_nothing_is_kept_of_a_caller_that_hung_up() -> None:
    """Also while the device is busy: else each hang-up would leave as much as the queue holds."""
    waiting = Waiting()
    description = RewardDescription(
        reward="one", version="1", fingerprint=None, scale=1, reads_prompt=True
    )
    served = ServedReward(waiting, description, 2)  # type: ignore[arg-type]
    batcher = Batcher({"one": served}, 0.0, ServerMetrics())
    batcher.start()

    def added(images: Sequence[Any]) -> PendingRequest:
        request = PendingRequest({"one": [BatchImage(n, "a", im) for n, im in enumerate(images)]})
        batcher.expect()
        batcher.add(request)
        return request

    first = added([Pixels()])
    assert waiting.begun.wait(30)
    gone: list[weakref.ref[Any]] = []
    last = added([Pixels()])
    for _ in range(3):
        pixels = Pixels()
        gone.append(weakref.ref(pixels))
        request = added([pixels] * 5)
        request.answer.cancel()
        batcher.drop(request)
        del request, pixels
    assert [one() for one in gone] == [None] * 3
    waiting.gate.set()
    for one in (first, last):
        assert len(one.answer.result(30)["one"]) == 1
        batcher.drop(one)
    batcher.end(30)


class Away:
    """A reward whose server is away, which takes it long to find out."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.found_out = threading.Event()

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        self.asked.append(list(prompts))
        assert self.found_out.wait(30)
        raise RewardError("the endpoint does not answer")


def test_a_reward_that_is_away_is_not_asked_for_callers_that_hung_up() -> None:
    away = Away()
    prompts = ["a", "b", "c", "d"]
    with loopback({"away": away}) as server:
        caller = http.client.HTTPConnection(server.address.removeprefix("http://"))
        caller.request(
            "POST", "/v1/score", json.dumps({"prompts": prompts, "images": [text(png(1))] * 4})
        )
        while not away.asked:
            server.wait_for(4)
        caller.close()
        server.wait_for(0)
        away.found_out.set()
        errors = server.score(["e", "f"], [png(1)] * 2).json()["errors"]
        assert [one["message"] for one in errors] == ["the endpoint does not answer"] * 2
    assert away.asked == [prompts, ["e", "f"], ["e"], ["f"]]


def test_what_is_refused_before_it_is_read_is_counted() -> None:
    bearer = {"authorization": "Bearer secret"}
    limits = RequestLimits(body=1000)
    with loopback({"red": Redness()}, token="secret", limits=limits) as server:
        server.client.post("/v1/score", content=b"{}")
        server.client.post("/v1/score", content=b" " * 1001, headers=bearer)
        server.client.post("/compute", content=b"{}", headers=bearer)
        lines = server.client.get("/metrics", headers=bearer).text.splitlines()
    assert 'synpic_requests_total{wire="synpic",status="401"} 1' in lines
    assert 'synpic_requests_total{wire="synpic",status="413"} 1' in lines
    assert 'synpic_requests_total{wire="flow-factory",status="422"} 1' in lines
    assert 'synpic_request_seconds_count{wire="flow-factory"} 1' in lines
    assert not [one for one in lines if one.startswith('synpic_request_seconds_count{wire="syn')]

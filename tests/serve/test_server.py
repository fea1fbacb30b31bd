"""The server as callers see it: numbers, batches of several callers, limits, and bad input."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import requests

import synpic
from synpic.errors import DeviceLost, SynpicError
from synpic.score.api import reward
from synpic.score.wires.unirl import UnirlHealth
from synpic.serve.guard import require_token
from synpic.serve.limits import RequestLimits
from tests.serve.loopback import Loopback, Redness, loopback, text
from tests.serve.scorers import jpeg, png

SHAPES = ("shapes_quality", "shapes_alignment")


@pytest.fixture(scope="module")
def shapes() -> Iterator[Loopback]:
    with loopback({name: reward(name).opened for name in SHAPES}) as server:
        yield server


@pytest.fixture
def red() -> Redness:
    return Redness()


@pytest.fixture
def server(red: Redness) -> Iterator[Loopback]:
    with loopback({"red": red}, limits=RequestLimits(queue=8, body=1 << 16, pixels=4096)) as server:
        yield server
        red.gate.set()


@pytest.mark.parametrize("name", SHAPES)
def test_numbers_are_those_of_a_direct_call(shapes: Loopback, name: str) -> None:
    prompts = ["a red circle", "a blue square", "two green rings"]
    images = [png(200), png(40, 32), jpeg(90)]
    answer = shapes.score(prompts, images, rewards=[name])
    assert answer.json() == {
        "scores": {name: reward(name).score(prompts, images)},
        "errors": [],
    }


def test_all_rewards_are_asked_where_none_is_named(shapes: Loopback) -> None:
    assert list(shapes.score(["a"], [png(1)]).json()["scores"]) == list(SHAPES)


def test_a_scale_divides_scores(red: Redness) -> None:
    with loopback({"red": red}, scales={"red": 26.0}) as server:
        found = server.score(["a"], [png(255)]).json()["scores"]["red"]
        assert found == [1 / 26]
        assert server.client.get("/v1/rewards").json()["rewards"]["red"]["scale"] == 26


def test_callers_share_batches(red: Redness, server: Loopback) -> None:
    red.gate.clear()
    with ThreadPoolExecutor(6) as callers:
        first = callers.submit(server.score, ["first"], [png(0)])
        while not red.batches:
            server.wait_for(1)
        others = [callers.submit(server.score, [f"{n}"], [png(n)]) for n in range(1, 6)]
        server.wait_for(6)
        red.gate.set()
        assert first.result().json()["scores"] == {"red": [0.0]}
        found = [one.result().json()["scores"]["red"][0] for one in others]
    assert found == pytest.approx([n / 255 for n in range(1, 6)])
    assert sorted(map(len, red.batches)) == [1, 5]


def test_one_image_spoils_no_other_of_its_batch(red: Redness, server: Loopback) -> None:
    answer = server.score(["a", "raise", "b", "nan"], [png(255)] * 4)
    assert answer.status_code == 200
    found = answer.json()
    assert found["scores"] == {"red": [1.0, None, 1.0, None]}
    assert [error["item"] for error in found["errors"]] == [1, 3]
    assert "this prompt is refused" in found["errors"][0]["message"]
    assert "nan" in found["errors"][1]["message"]
    assert server.score(["a"], [png(255)]).json()["scores"] == {"red": [1.0]}


def test_what_is_refused(server: Loopback) -> None:
    good: dict[str, Any] = {"prompts": ["a"], "images": [text(png(1))]}
    for body, status, part in [
        (b"{", 422, "JSON"),
        (b"[]", 422, "the body"),
        ({**good, "prompts": []}, 422, "0 prompts for 1 images"),
        ({**good, "images": []}, 422, "images: there are none"),
        ({**good, "images": ["$"]}, 422, "images.0: not base64"),
        ({**good, "images": [text(b"no image")]}, 422, "image 0: "),
        ({**good, "images": [text(png(1)[:60])]}, 422, "image 0: "),
        ({**good, "images": [text(png(1, 65))]}, 413, "65 × 65 pixels"),
        ({**good, "rewards": ["rde"]}, 404, "Did you mean 'red'?"),
        ({**good, "rewards": []}, 422, "rewards"),
        ({**good, "more": 1}, 422, "more"),
        ({**good, "prompts": ["a" * 20_001]}, 422, "20,000"),
        ({"prompts": ["a"] * 9, "images": good["images"] * 9}, 413, "the queue holds 8"),
        ({**good, "metadata": [{}, {}]}, 422, "metadata"),
        (rb'{"prompts": ["\ud800"], "images": ["' + text(png(1)).encode() + b'"]}', 422, ""),
        (b" " * 70_000, 413, "at most 65.5 kB"),
    ]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = server.client.post("/v1/score", content=content)
        assert (answer.status_code, part in answer.json()["error"]) == (status, True), answer.text
    assert server.client.get("/v1/nothing").status_code == 404
    assert server.client.get("/v1/score").status_code == 405
    assert server.score(["a"], [png(255)]).json()["scores"] == {"red": [1.0]}


def test_a_full_queue_asks_to_come_again(red: Redness, server: Loopback) -> None:
    red.gate.clear()
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(server.score, ["a"] * 8, [png(255)] * 8)
        server.wait_for(8)
        refused = server.score(["b"], [png(1)])
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        red.gate.set()
        assert first.result().json()["scores"] == {"red": [1.0] * 8}


def test_what_a_caller_that_hung_up_wanted_is_not_scored(red: Redness, server: Loopback) -> None:
    red.gate.clear()
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(server.score, ["first"], [png(0)])
        while not red.batches:
            server.wait_for(1)
        gone = {"prompts": ["gone"], "images": [text(png(1))]}
        with pytest.raises(httpx2.TimeoutException):
            httpx2.post(f"{server.address}/v1/score", json=gone, timeout=0.3)
        server.wait_for(1)
        red.gate.set()
        assert first.result().is_success
    assert server.score(["last"], [png(255)]).is_success
    assert red.batches == [["first"], ["last"]]
    assert 'synpic_requests_dropped_total{wire="synpic"} 1' in server.client.get("/metrics").text


def test_a_token_is_asked_for(red: Redness) -> None:
    with loopback({"red": red}, token="secret") as server:
        assert server.client.get("/health").is_success
        for value in (None, "Bearer secre", "Basic secret"):
            headers = {} if value is None else {"authorization": value}
            answer = server.client.get("/v1/rewards", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        found = server.client.get("/v1/rewards", headers={"authorization": "Bearer secret"})
        assert found.json()["synpic"] == synpic.__version__


@pytest.mark.parametrize("token", ["", " ", "a b", "secret ", "secret\n", "schlüssel"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    with pytest.raises(SynpicError, match="SYNPIC_SERVE_TOKEN is no token"):
        require_token("127.0.0.1", token)


def test_an_image_is_named_by_its_place_in_a_request_of_unirl() -> None:
    """Items that want other rewards are asked apart."""
    wanted = [(png(1), "other"), (png(1), "red"), (b"none", "red")]
    items = [
        {"history": [{"text": "a", "image_b64": text(image)}], "required_rewards": [reward]}
        for image, reward in wanted
    ]
    with loopback({"red": Redness(), "other": Redness()}) as server:
        answer = server.client.post("/score", json={"requests": items})
        assert (answer.status_code, answer.json()["detail"][:8]) == (422, "image 2:")
        server.wait_for(0)


def _by_requests(address: str) -> int:
    return requests.get(address, timeout=30).status_code


def _by_httpx(address: str) -> int:
    return httpx2.get(address, timeout=30).status_code


@pytest.mark.parametrize("asked", [_by_requests, _by_httpx])
def test_a_client_that_knows_an_address_alone_sends_the_token_in_it(
    red: Redness, asked: Callable[[str], int]
) -> None:
    with loopback({"red": red}, token="secret") as server:
        place = server.address.removeprefix("http://") + "/v1/rewards"
        assert asked(f"http://:secret@{place}") == 200
        assert asked(f"http://any:secret@{place}") == 200
        for wrong in ("", ":wrong@", "secret:@", "secret@"):
            assert asked(f"http://{wrong}{place}") == 401


def test_a_header_that_is_no_basic_is_refused(red: Redness) -> None:
    with loopback({"red": red}, token="secret") as server:
        for value in ("Basic", "Basic ä", "Basic OnNlY3JldA", "Basic !!!!", "bearer secret"):
            answer = server.client.get(
                "/v1/rewards", headers={"authorization": value.encode("utf-8")}
            )
            assert answer.status_code == 401
        basic = {"authorization": "basic " + base64.b64encode(b":secret").decode()}
        assert server.client.get("/v1/rewards", headers=basic).is_success


def test_health_names_the_rewards_as_unirl_looks_for_them(server: Loopback) -> None:
    body = server.client.get("/health").json()
    assert body["status"] == "ok"
    assert UnirlHealth.model_validate(body).rewards.keys() == {"red"}


def test_pages_of_a_browser_are_refused(server: Loopback) -> None:
    rebound = server.client.get("/health", headers={"host": "evil.example"})
    assert rebound.status_code == 421
    foreign = server.client.post("/v1/score", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_metrics_count_what_was_done(server: Loopback) -> None:
    server.score(["a", "raise"], [png(1)] * 2)
    server.score(["a"], [b"no image"])
    lines = server.client.get("/metrics").text.splitlines()
    assert 'synpic_requests_total{wire="synpic",status="200"} 1' in lines
    assert 'synpic_requests_total{wire="synpic",status="422"} 1' in lines
    assert 'synpic_images_scored_total{reward="red"} 1' in lines
    assert 'synpic_images_failed_total{reward="red"} 1' in lines
    assert 'synpic_batch_images_bucket{reward="red",le="2"} 1' in lines
    assert "synpic_queue_images 0" in lines


def test_a_lost_device_ends_the_work(red: Redness, server: Loopback) -> None:
    def lose(*_: object) -> list[float]:
        raise DeviceLost("the device is lost to this process: an ECC error")

    red.score = lose  # type: ignore[method-assign]
    answer = server.score(["a"], [png(1)])
    assert (answer.status_code, "ECC error" in answer.json()["error"]) == (503, True)
    for address in ("/health", "/flow-factory/red/health"):
        assert server.client.get(address).status_code == 503
        assert server.client.get(address).json()["status"] == "failed"
    assert server.score(["a"], [png(1)]).status_code == 503


def test_openapi_describes_the_messages(server: Loopback) -> None:
    from synpic.serve.wires.own import ENDPOINTS

    found = server.client.get("/openapi.json").json()
    assert set(found["paths"]) == {one.path for one in ENDPOINTS}
    schemas = found["components"]["schemas"]
    for one in ENDPOINTS:
        operation = found["paths"][one.path][one.method.lower()]
        for model, place in ((one.request, "requestBody"), (one.answer, "responses")):
            if model is None:
                assert place not in operation
                continue
            content = operation[place] if place == "requestBody" else operation[place]["200"]
            name = content["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert name == model.__name__
            assert set(schemas[name]["properties"]) == set(model.model_fields)
    refs = [part.partition('"')[0] for part in json.dumps(found).split("#/components/schemas/")[1:]]
    assert set(refs) <= set(schemas)


class Held(Redness):
    """A reward that holds more than memory, as one that runs in a process of its own."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_what_a_reward_holds_is_let_go_at_the_end() -> None:
    held = Held()
    with loopback({"held": held}):
        assert held.closed == 0
    assert held.closed == 1

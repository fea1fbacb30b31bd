"""Requests as the trainers' clients make them: each gets the answer that it reads."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from synpic.serve.limits import RequestLimits
from synpic.serve.wires import flow_factory, pickles, unirl
from tests.serve.scorers import CountingScorer, jpeg, png, score_of

TAGS = {"single_object", "two_object", "counting", "colors", "position", "color_attr"}


@pytest.fixture
def scorer() -> CountingScorer:
    return CountingScorer()


@pytest.fixture
def client(scorer: CountingScorer) -> TestClient:
    wires = (flow_factory, unirl, pickles)
    routes = [route for wire in wires for route in wire.routes(scorer, RequestLimits(queue=4))]
    return TestClient(Starlette(routes=routes))


def text(image: bytes) -> str:
    return base64.b64encode(image).decode()


def compute(prompts: list[str], images: list[str] | None) -> dict[str, Any]:
    """As Flow-Factory's client builds it."""
    return {
        "prompt": prompts,
        "image": images,
        "video": None,
        "condition_images": None,
        "condition_videos": None,
    }


def test_flow_factory_has_an_address_for_each_reward(client: TestClient) -> None:
    body = compute(["a cat", "a blue dog"], [text(png(200)), text(png(90))])
    wanted = [score_of("a cat", png(200)), score_of("a blue dog", png(90))]
    assert client.post("/compute", json=body).json() == {"rewards": wanted}
    assert client.post("/flow-factory/first/compute", json=body).json() == {"rewards": wanted}
    second = client.post("/flow-factory/second/compute", json=body).json()
    assert second == {"rewards": [-one for one in wanted]}
    assert client.get("/flow-factory/second/health").is_success
    assert client.get("/flow-factory/third/health").status_code == 404


@pytest.mark.parametrize(
    ("reward", "body", "status", "part"),
    [
        ("third", compute(["a"], [text(png(1))]), 404, "third"),
        ("failing", compute(["a"], [text(png(1))]), 500, "image 0: it does not like it"),
        ("first", compute(["a", "b"], [text(png(1))]), 422, "2 prompts for 1 images"),
        ("first", compute(["a"], None), 422, "none was sent"),
        ("first", compute(["a"], ["päng"]), 422, "image.0: not base64"),
        ("first", {"prompt": "a", "image": []}, 422, "prompt: "),
        ("first", [], 422, "the body: "),
    ],
)
def test_flow_factory_gets_a_detail_and_no_number(
    client: TestClient, reward: str, body: Any, status: int, part: str
) -> None:
    answer = client.post(f"/flow-factory/{reward}/compute", json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}
    assert part in answer.json()["detail"]


def item(prompt: str, image: bytes, *rewards: str, before: bytes | None = None) -> dict[str, Any]:
    """As UniRL's client builds it; ``before``: the image that was edited."""
    edited = [] if before is None else [{"text": prompt, "image_b64": text(before)}]
    return {
        "history": [*edited, {"text": prompt, "image_b64": text(image)}],
        "required_rewards": list(rewards),
        "metadata": {"of": prompt},
    }


def test_unirl_gets_what_each_item_asks_for(client: TestClient, scorer: CountingScorer) -> None:
    items = [
        item("a cat", png(200), "first", "second"),
        item("a dog", png(90), "second", "failing", before=png(3)),
    ]
    answer = client.post("/score", json={"requests": items}).json()
    cat, dog = score_of("a cat", png(200)), score_of("a dog", png(90))
    assert answer["results"] == [
        {"first": {"score": cat}, "second": {"score": -cat}},
        {"second": {"score": -dog}},
    ]
    assert answer["errors"] == [{}, {"failing": "it does not like it (leave it out)"}]
    assert [ask.metadata for ask in scorer.asked] == [{"of": "a cat"}, {"of": "a dog"}]
    assert client.get("/rewards").json() == {"rewards": list(scorer.names)}
    assert client.post("/score", json={"requests": []}).json() == {"results": [], "errors": []}


@pytest.mark.parametrize(
    ("request_item", "status", "part"),
    [
        (item("a", png(1), "third"), 404, "third"),
        (item("a", png(1)), 422, "required_rewards"),
        ({"history": [], "required_rewards": ["first"]}, 422, "history is empty"),
        (
            {"history": [{"text": "a", "video_b64": "AA=="}], "required_rewards": ["first"]},
            422,
            "has no image_b64",
        ),
    ],
)
def test_unirl_gets_a_detail(
    client: TestClient, request_item: dict[str, Any], status: int, part: str
) -> None:
    answer = client.post("/score", json={"requests": [request_item]})
    assert answer.status_code == status
    assert part in answer.json()["detail"]


def test_unirl_s_parts_are_one_request(client: TestClient, scorer: CountingScorer) -> None:
    """Items that want other rewards are asked apart: neither room nor number is their part's."""
    items = [item("a", png(1), name) for name in ("first", "second") for _ in range(3)]
    answer = client.post("/score", json={"requests": items})
    assert (answer.status_code, answer.headers.get("Retry-After")) == (413, None)
    assert "6 images in one request, and the queue holds 4" in answer.json()["detail"]
    assert not scorer.asked
    items = [item("a", png(1), name) for name in ("first", "second", "second")]
    assert client.post("/score", json={"requests": items}).is_success
    assert [ask.number for ask in scorer.asked] == [0, 1, 2]


def posted(client: TestClient, address: str, value: Any) -> tuple[int, Any]:
    answer = client.post(address, content=pickle.dumps(value))
    return answer.status_code, pickle.loads(answer.content)


def test_verl_omni_sends_one_jpeg(client: TestClient) -> None:
    body = {"images": [jpeg(200)], "prompts": ["a cat"], "metadata": {}}
    status, answer = posted(client, "/pickles/second", body)
    assert status == 200
    assert answer["scores"] == [-score_of("a cat", jpeg(200))]
    assert posted(client, "/", body)[1]["scores"] == [score_of("a cat", jpeg(200))]


def test_deqa_s_client_reads_outputs(client: TestClient) -> None:
    body = {"images": [jpeg(200), jpeg(3)]}
    status, answer = posted(client, "/pickles/second", body)
    assert (status, answer["outputs"]) == (200, [-score_of("", jpeg(200)), -score_of("", jpeg(3))])


def metadata(tag: str, *classes: str) -> dict[str, Any]:
    include = [{"class": name, "count": 1} for name in classes]
    return {"tag": tag, "include": include, "prompt": f"a photo of {' and '.join(classes)}"}


@pytest.mark.parametrize("only_strict", [True, False])
def test_geneval_s_client_gets_every_form_by_tag(client: TestClient, only_strict: bool) -> None:
    rows = [metadata("single_object", "dog"), metadata("two_object", "dog", "cat")]
    # As Flow-GRPO cuts them: rows of a group are one dict, and come out of an array of objects.
    rows = list(np.array([*rows, rows[1]], dtype=object))
    images = [jpeg(64), jpeg(128), jpeg(192)]
    status, answer = posted(
        client, "/", {"images": images, "meta_datas": rows, "only_strict": only_strict}
    )
    assert status == 200
    assert answer["scores"] == [
        score_of(row["prompt"], image) / 256 for row, image in zip(rows, images, strict=True)
    ]
    assert answer["strict_rewards"] == [0, 1, 1]
    assert answer["rewards"] == ([0, 0, 0] if only_strict else [1, 0, 0])
    assert set(answer["group_rewards"]) == set(answer["group_strict_rewards"]) == TAGS
    assert answer["group_strict_rewards"]["two_object"] == [-10, 1, 1]
    assert answer["group_rewards"]["single_object"] == [answer["rewards"][0], -10, -10]
    assert answer["group_rewards"]["counting"] == [-10, -10, -10]


@pytest.mark.parametrize(
    ("address", "body", "status", "part"),
    [
        ("/pickles/third", {"images": [jpeg(1)], "prompts": ["a"]}, 404, "third"),
        ("/pickles/failing", {"images": [jpeg(1)], "prompts": ["a"]}, 422, "image 0: it does"),
        ("/", {"images": [jpeg(1)], "prompts": ["a", "b"]}, 422, "2 prompts for 1 images"),
        ("/", {"images": "a.png", "prompts": ["a"]}, 422, "images: "),
        ("/", {"images": [jpeg(1)]}, 422, "prompts: there are none, and first reads them"),
        ("/pickles/first", {"images": [jpeg(1)], "prompts": None}, 422, "prompts: there are none"),
        ("/", [jpeg(1)], 422, "the pickle: "),
        ("/", {"images": [jpeg(1)], "prompts": np.array(["a"])}, 422, "numpy"),
        ("/pickles/first", {"images": [jpeg(1)], "meta_datas": [{}]}, 422, "no forms of GenEval"),
    ],
)
def test_pickles_get_an_error_that_no_client_sends_again(
    client: TestClient, address: str, body: Any, status: int, part: str
) -> None:
    answered, answer = posted(client, address, body)
    assert answered == status
    assert set(answer) == {"error"}
    assert part in answer["error"]


def test_each_client_learns_when_to_come_again(client: TestClient, scorer: CountingScorer) -> None:
    scorer.busy = True
    answers = [
        client.post("/compute", json=compute(["a"], [text(png(1))])),
        client.post("/score", json={"requests": [item("a", png(1), "first")]}),
        client.post("/", content=pickle.dumps({"images": [jpeg(1)], "prompts": ["a"]})),
    ]
    assert [(one.status_code, one.headers["Retry-After"]) for one in answers] == [(503, "7")] * 3

"""Adapters, called as trainers call them: numbers are those of `synpic.reward`, bit for bit."""

from __future__ import annotations

import abc
import asyncio
import base64
import inspect
import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import synpic
from synpic.errors import RewardError
from synpic.readers.images import as_png
from synpic.serve.adapters import flow_factory, flow_grpo, scoring, trl, verl_omni
from synpic.serve.adapters.pictures import as_pictures

PROMPTS = ["a red circle", "a large blue square", "a red circle"]


def redness(prompt: str, image: Image.Image) -> float:
    """How red the image is; a longer prompt counts for less."""
    return float(np.float32(np.asarray(image)[..., 0].mean() / len(prompt)))


def blueness(prompt: str, image: Image.Image) -> float:
    return float(np.asarray(image)[..., 2].mean())


def nothing(prompt: str, image: Image.Image) -> float:
    raise ValueError("it has no eyes")


REDNESS, BLUENESS, NOTHING = (f"{__name__}:{one}" for one in ("redness", "blueness", "nothing"))


@pytest.fixture
def pixels() -> np.ndarray:
    """uint8 [3, 10, 12, 3]: n, height, width, channels."""
    return np.random.default_rng(3).integers(0, 256, (3, 10, 12, 3), dtype=np.uint8)


@pytest.fixture
def direct(pixels: np.ndarray) -> list[float]:
    return synpic.reward(REDNESS).score(PROMPTS, [Image.fromarray(one) for one in pixels])


def test_every_layout_of_trainers_is_the_same_picture(pixels: np.ndarray) -> None:
    nchw = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    layouts = [
        pixels,
        nchw,
        nchw.numpy(),
        nchw.float() / 255,
        (nchw.double() / 255 + 1e-4).clamp(0, 1.2),
        nchw.to(torch.float16) / 255,
        list(nchw),
        [Image.fromarray(one) for one in pixels],
    ]
    for layout in layouts:
        pictures = as_pictures(layout)
        assert [np.asarray(one).tolist() for one in pictures] == pixels.tolist()
    assert [np.asarray(Image.open(_file(as_png(one)))).tolist() for one in as_pictures(pixels)] == (
        pixels.tolist()
    )


def _file(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


@pytest.mark.parametrize(
    ("images", "part"),
    [
        (np.zeros((1, 4, 8, 8), np.uint8), "image 0 has the shape"),
        (np.zeros((1, 3, 8, 8), np.int64), "image 0 is of int64"),
        (np.full((1, 3, 8, 8), np.nan), "no finite numbers"),
        ([Image.new("RGB", (2, 2)), np.zeros((2, 2))], "image 1 has the shape"),
    ],
)
def test_what_is_no_picture_is_refused(images: Any, part: str) -> None:
    with pytest.raises(RewardError, match=part):
        as_pictures(images)


@pytest.mark.parametrize("layout", ["NCHW floats", "NHWC uint8"])
def test_flow_grpo_calls_what_its_table_makes(
    pixels: np.ndarray, direct: list[float], layout: str
) -> None:
    make = flow_grpo.maker(REDNESS)
    assert "device" in make.__code__.co_varnames  # how multi_score finds out what to pass
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    fn = make(torch.device("cpu"))
    scores, rest = fn(images if layout == "NCHW floats" else pixels, tuple(PROMPTS), ({}, {}, {}))
    assert (scores, rest) == (direct, {})
    halved, _ = flow_grpo.reward_function(REDNESS, scale=2)(images, PROMPTS, {})
    assert halved == [score / 2 for score in direct]


def test_trl_calls_by_keyword_with_columns(pixels: np.ndarray, direct: list[float]) -> None:
    reward_fn = trl.reward_function(REDNESS)
    assert reward_fn.__name__ == "redness"
    images = [Image.fromarray(one) for one in pixels]
    assert reward_fn(prompts=PROMPTS, images=images, source=["x", "y", "z"]) == direct


def test_verl_omni_calls_in_threads_with_one_image(pixels: np.ndarray, direct: list[float]) -> None:
    assert not inspect.iscoroutinefunction(verl_omni.compute_score)  # then it is run in a thread

    async def one(number: int) -> dict[str, float]:
        """As its reward manager does."""
        image = torch.from_numpy(pixels[number]).permute(2, 0, 1)
        return await asyncio.get_running_loop().run_in_executor(
            None,
            lambda: verl_omni.compute_score(
                data_source="ocr",
                solution_image=image if number else image[None],
                ground_truth=PROMPTS[number],
                extra_info={"num_turns": None, "rollout_reward_scores": {}},
                reward_router_address="127.0.0.1:1",
                reward=REDNESS,
            ),
        )

    async def every() -> list[dict[str, float]]:
        return await asyncio.gather(*map(one, range(3)))

    # In a thread of its own: a browser that a test left open has a loop that runs in this one.
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(asyncio.run, every()).result()
    assert found == [{"score": score} for score in direct]


class _Config(SimpleNamespace):
    """As Flow-Factory's arguments: what is not set raises AttributeError."""


@pytest.fixture
def flow_factory_abc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What Flow-Factory has loaded when it makes a reward."""

    module = ModuleType("flow_factory.rewards.abc")
    for name in ("PointwiseRewardModel", "GroupwiseRewardModel"):
        setattr(module, name, abc.ABCMeta(name, (), {}))
    monkeypatch.setitem(sys.modules, "flow_factory.rewards.abc", module)
    return module


ACCELERATOR = SimpleNamespace(device=torch.device("cpu"))


def test_flow_factory_takes_a_class_for_pointwise(
    flow_factory_abc: ModuleType, pixels: np.ndarray, direct: list[float]
) -> None:
    config = _Config(reward=REDNESS, batch_size=16, device=torch.device("cuda"))
    model = flow_factory.FlowFactoryReward(config=config, accelerator=ACCELERATOR)
    assert isinstance(model, flow_factory_abc.PointwiseRewardModel)
    assert not isinstance(model, flow_factory_abc.GroupwiseRewardModel)
    assert set(inspect.signature(model.__call__).parameters) == {"prompt", "image"}
    assert model.config.batch_size == 16
    assert model.device == torch.device("cpu")
    answer = model(prompt=PROMPTS, image=[Image.fromarray(one) for one in pixels])
    assert torch.as_tensor(answer.rewards, dtype=torch.float32).tolist() == direct


def test_flow_factory_s_settings_of_a_server_s_reward_are_not_passed_over() -> None:
    for setting in ({"scale": 26}, {"options": {"size": 224}}):
        config = _Config(reward="pickscore", server_url="http://localhost:1", **setting)
        with pytest.raises(RewardError, match="scale, device and options are its own"):
            flow_factory.FlowFactoryReward(config, ACCELERATOR)
    config = _Config(reward="pickscore", server_url="http://localhost:1")
    flow_factory.FlowFactoryReward(config, ACCELERATOR)


def test_flow_factory_takes_a_class_for_groups(
    flow_factory_abc: ModuleType, pixels: np.ndarray
) -> None:
    config = _Config(rewards={REDNESS: 2, BLUENESS: 1})
    model = flow_factory.FlowFactoryGroupPreference(config=config, accelerator=ACCELERATOR)
    assert isinstance(model, flow_factory_abc.GroupwiseRewardModel)
    images = [Image.fromarray(one) for one in pixels]
    answer = model(prompt=["a cat"] * 3, image=images)
    wanted = np.zeros(3)
    for weight, one in ((2, redness), (1, blueness)):
        scores = np.array([one("a cat", image) for image in images])
        wanted += weight * (scores[:, None] > scores[None]).sum(1)
    assert answer.rewards == pytest.approx(list(wanted / (3 * 2)))
    with pytest.raises(RewardError, match="2 prompts"):
        model(prompt=PROMPTS, image=images)
    with pytest.raises(RewardError, match="no rewards are named"):
        flow_factory.FlowFactoryGroupPreference(_Config(), ACCELERATOR)
    with pytest.raises(RewardError, match="no aggregation is called"):
        flow_factory.FlowFactoryGroupPreference(
            _Config(rewards=[REDNESS], aggregation="mean"), ACCELERATOR
        )


def test_no_number_stands_for_an_image_without_a_score(pixels: np.ndarray) -> None:
    with pytest.raises(RewardError, match=r"image 0: .*it has no eyes"):
        trl.reward_function(NOTHING)(PROMPTS, pixels)
    with pytest.raises(RewardError, match="no reward is named"):
        scoring.scoring(None)
    with pytest.raises(RewardError, match="scale is 0"):
        scoring.scoring(REDNESS, scale=0)
    with pytest.raises(RewardError, match="are its own"):
        scoring.scoring("hpsv2", server_url="http://localhost:1", scale=26)


class _Served(ThreadingHTTPServer):
    """A `synpic serve` of this reward that is busy at first."""

    daemon_threads = True
    busy = 1
    seen: list[Any]


class _Handler(BaseHTTPRequestHandler):
    server: _Served

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(asked.get("metadata"))
        assert self.headers["Authorization"] == "Bearer of-a-test"
        assert self.path == "/v1/score"
        [name] = asked["rewards"]
        if self.server.busy:
            self.server.busy -= 1
            self._send(503, {}, {"Retry-After": "0"})
        elif name == "missing":
            self._send(404, {"message": "no reward 'missing' is served"})
        elif name == "failing":
            error = {"reward": name, "item": 1, "message": "it has no eyes", "hint": "look"}
            self._send(200, {"scores": {name: [1.0, None, 2.0]}, "errors": [error]})
        elif name == "other":
            self._send(200, {"rewards": [1.0]})
        else:
            images = [base64.b64decode(one) for one in asked["images"]]
            scores = synpic.reward(REDNESS).score(asked["prompts"], images)
            self._send(200, {"scores": {name: scores}})

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for key, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[_Served]:
    server = _Served(("127.0.0.1", 0), _Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_server_s_reward_is_asked_again_while_it_is_busy(
    served: _Served,
    pixels: np.ndarray,
    direct: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNPIC_SERVE_TOKEN", "of-a-test")
    url = f"http://127.0.0.1:{served.server_port}/"
    fn = flow_grpo.reward_function("redness", server_url=url)
    rows = [{"tag": "counting"}, {}, {"tag": "colors"}]
    assert fn(pixels, PROMPTS, rows)[0] == direct
    assert served.seen == [rows, rows]
    for name, part in (
        ("missing", "refuses to answer: HTTP 404: .*no reward 'missing'"),
        ("failing", "image 1: it has no eyes"),
        ("other", "what answers there is not synpic serve"),
    ):
        with pytest.raises(RewardError, match=part):
            trl.reward_function(name, server_url=url)(PROMPTS, pixels)


def test_a_server_that_is_away_is_an_error(
    monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray
) -> None:
    monkeypatch.setattr(scoring, "_PATIENCE", 0.0)
    with pytest.raises(RewardError, match="does not answer: ConnectError"):
        trl.reward_function("redness", server_url="http://127.0.0.1:9")(PROMPTS, pixels)

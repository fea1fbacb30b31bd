"""A server of rewards on loopback, in a thread of the test's own process."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx2
import numpy as np
import uvicorn
from PIL.Image import Image

from synpic.score.reward import RewardInfo
from synpic.score.wires.synpic import RewardDescription
from synpic.serve.app import make_app
from synpic.serve.limits import RequestLimits
from synpic.serve.served import ServedReward
from synpic.serve.service import RewardService
from synpic.web.listening import bind


class Redness:
    """The mean of red, in 0 … 1. Prompts make it fail, and ``gate`` makes it wait."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="mean of red", score_range="0 … 1")

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        self.batches.append(list(prompts))
        assert self.gate.wait(30)
        if "raise" in prompts:
            raise ValueError("this prompt is refused")
        return [
            float("nan") if prompt == "nan" else float(np.asarray(image)[..., 0].mean() / 255)
            for prompt, image in zip(prompts, images, strict=True)
        ]


@dataclass
class Loopback:
    """A server that runs."""

    client: httpx2.Client
    service: RewardService
    address: str

    def score(self, prompts: Sequence[str], images: Sequence[bytes], **more: Any) -> Any:
        """What ``/v1/score`` answers."""
        body = {"prompts": list(prompts), "images": [text(one) for one in images], **more}
        return self.client.post("/v1/score", json=body)

    def wait_for(self, images: int) -> None:
        """Until the server holds this number of images."""
        for _ in range(3000):
            if self.client.get("/health").json()["queue_images"] == images:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"there were never {images} images")


def text(image: bytes) -> str:
    """As it travels in JSON."""
    return base64.b64encode(image).decode()


@contextmanager
def loopback(
    rewards: Mapping[str, Any],
    *,
    limits: RequestLimits | None = None,
    scales: Mapping[str, float] | None = None,
    batch_size: int = 32,
    deadline: float = 0.02,
    **options: Any,
) -> Iterator[Loopback]:
    """A server of these rewards, which are open."""
    served = {
        name: ServedReward(
            opened,
            RewardDescription(
                reward=name,
                version="1",
                fingerprint="0" * 64,
                scale=(scales or {}).get(name, 1.0),
                reads_prompt=True,
            ),
            batch_size,
        )
        for name, opened in rewards.items()
    }
    limits = limits or RequestLimits()
    service = RewardService(served, limits, deadline=deadline)
    with bind("127.0.0.1", 0) as listener:
        app = make_app(service, limits, host="127.0.0.1", **options)
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx2.Client(base_url=address, timeout=30) as client:
                yield Loopback(client, service, address)
        finally:
            server.should_exit = True
            thread.join(20)
            service.close()

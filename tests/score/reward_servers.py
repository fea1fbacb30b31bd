"""A server of rewards on the loopback that speaks each wire, for tests: it scores by a function."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

__all__ = ["RewardServer", "serving"]

Reply = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
Score = Callable[[str, Image.Image], float]


@dataclass
class RewardServer:
    """What is served, and what was asked.

    Args:
        score: prompt and image → a number; what it raises is an error of the wire.
        instead: path and body → another reply than the wire's; None for the wire's own.
        described: what GET /v1/rewards says of the reward ``red``.
    """

    score: Score
    instead: Callable[[str, Any], Reply | None] = lambda path, body: None
    described: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def posts(self) -> list[Any]:
        """Bodies of what was posted."""
        return [body for _, body in self.asked if body is not None]

    def reply(self, path: str, body: Any) -> Reply:
        self.asked.append((path, body))
        return self.instead(path, body) or getattr(self, _WIRES.get(path, "_missing"))(body)

    def _missing(self, body: Any) -> Reply:
        return 404, {"detail": "Not Found"}

    def _flow_factory(self, body: Any) -> Reply:
        try:
            pairs = zip(body["prompt"], map(_decoded, body["image"]), strict=True)
            return 200, {"rewards": [self.score(*pair) for pair in pairs]}
        except ValueError as error:
            return 500, {"detail": str(error)}

    def _unirl_rewards(self, body: Any) -> Reply:
        return 200, {"rewards": ["red"]}

    def _unirl(self, body: Any) -> Reply:
        asked = [one["history"][-1] for one in body["requests"]]
        try:
            scores = [self.score(one["text"], _decoded(one["image_b64"])) for one in asked]
        except ValueError as error:
            return 200, {
                "results": [{} for _ in asked],
                "errors": [{"red": repr(error)}] * len(asked),
            }
        return 200, {
            "results": [{"red": {"score": one}} for one in scores],
            "errors": [{}] * len(asked),
        }

    def _rewards(self, body: Any) -> Reply:
        red = {"reward": "red", "version": "1", "fingerprint": "a" * 64, "scale": 1.0}
        red |= {"reads_prompt": False, **self.described}
        return 200, {"rewards": {"red": red}, "synpic": "0.1.0"}

    def _synpic(self, body: Any) -> Reply:
        scores: list[float | None] = []
        errors = []
        for item, (prompt, image) in enumerate(zip(body["prompts"], body["images"], strict=True)):
            try:
                scores.append(self.score(prompt, _decoded(image)))
            except ValueError as error:
                scores.append(None)
                errors.append({"reward": "red", "item": item, "message": str(error)})
        return 200, {"scores": {"red": scores}, "errors": errors}


_WIRES = {
    "/compute": "_flow_factory",
    "/rewards": "_unirl_rewards",
    "/score": "_unirl",
    "/v1/rewards": "_rewards",
    "/v1/score": "_synpic",
}


@contextmanager
def serving(score: Score, port: int = 0, **more: Any) -> Iterator[RewardServer]:
    """A server on a free port, or on ``port``."""
    served = RewardServer(score, **more)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            served.headers.append(dict(self.headers))
            status, found, *more = served.reply(self.path, body)
            text = found if isinstance(found, str | bytes) else json.dumps(found)
            data = text if isinstance(text, bytes) else text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def _decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))

"""A server on the loopback that speaks OpenAI's chat completions, for tests.

What it answers is a function's: a small model of transformers that computes (:class:`Computed`), or
a canned one.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

__all__ = [
    "Computed",
    "Gate",
    "Reply",
    "Served",
    "completion",
    "content",
    "kept",
    "let_answer",
    "served",
]

Reply = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""Status, body (JSON, or text as it is) and further headers."""


class Served:
    """A running server, and what it was asked."""

    def __init__(self, reply: Callable[[dict[str, Any]], Reply], port: int) -> None:
        self.reply = reply
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._lock = threading.Lock()
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with served._lock:
                    served.asked.append(body)
                    served.headers.append(dict(self.headers))
                    served.paths.append(self.path)
                status, found, *more = served.reply(body)
                data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                # A client that was killed does not wait for its answer.
                with suppress(ConnectionError):
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.thread.start()

    def texts(self) -> list[str]:
        """What was asked, without pictures."""
        return ["".join(text for text in _texts(body)) for body in self.asked]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def served(reply: Callable[[dict[str, Any]], Reply], port: int = 0) -> Iterator[Served]:
    """A server on a free port, or on ``port``."""
    server = Served(reply, port)
    try:
        yield server
    finally:
        server.stop()


def completion(*places: Mapping[str, float]) -> dict[str, Any]:
    """An answer in which each place has these tokens with ln P, the likeliest first."""
    content = []
    for place in places:
        alternatives = [
            {"token": text, "logprob": value, "bytes": list(text.encode())}
            for text, value in sorted(place.items(), key=lambda one: -one[1])
        ]
        content.append({**alternatives[0], "top_logprobs": alternatives})
    return {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(c["token"] for c in content)},
                "logprobs": {"content": content},
                "finish_reason": "length",
            }
        ],
    }


class Gate:
    """Answers a number of questions, then lets all others wait until it is opened."""

    def __init__(self, number: int, answer: Callable[[dict[str, Any]], Reply]) -> None:
        self._left, self._answer = number, answer
        self._open = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            self._left -= 1
            held = self._left < 0
        if held:
            self._open.wait(60)
        return self._answer(body)

    def open(self) -> None:
        self._open.set()


def kept(root: Path) -> int:
    """How many answers a workspace has kept."""
    return sum(len(file.read_bytes().splitlines()) for file in root.rglob("answers/*/*.jsonl"))


def content(body: dict[str, Any]) -> str:
    """What a request asks, as one text."""
    return json.dumps(body["messages"])


class Computed:
    """Answers of a model in a folder, one forward pass for each token, greedy."""

    def __init__(self, folder: Path) -> None:
        self._processor: Any = AutoProcessor.from_pretrained(folder)
        self._model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
        self._model.eval()
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            return 200, completion(*self._places(body))

    def _places(self, body: dict[str, Any]) -> Iterator[dict[str, float]]:
        messages, images = _chat(body["messages"])
        text = self._processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        words = self._processor.tokenizer
        for _ in range(body["max_tokens"]):
            inputs = self._processor(text=[text], images=[images], return_tensors="pt")
            with torch.inference_mode():
                logits = self._model(**inputs).logits[0, -1]
            values, tokens = logits.float().log_softmax(-1).topk(body["top_logprobs"])
            place = {
                words.decode([token]): value
                for token, value in reversed(
                    list(zip(tokens.tolist(), values.tolist(), strict=True))
                )
            }
            yield place
            if int(tokens[0]) == words.eos_token_id:
                return
            text += words.decode([int(tokens[0])])


def let_answer(
    folder: Path,
    answers: Sequence[str],
    by: float = 5.0,
    after: Sequence[str] = ("",),
    question: str = "Is it a cat?",
) -> Path:
    """Make ``answers`` likelier tokens of a small model of random weights, all alike.

    A server returns the 20 likeliest, and of random weights any may be these.

    Args:
        by: what is added to their logits, about.
        after: what the model has answered before.
        question: what it was asked.
    """
    processor: Any = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    head = model.get_output_embeddings()
    seen: list[torch.Tensor] = []
    head.register_forward_pre_hook(lambda _, given: seen.append(given[0][0, -1]))
    content = [{"type": "image"}, {"type": "text", "text": question}]
    chat = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    with torch.inference_mode():
        for text in after:
            model(**processor(text=[chat + text], images=[[grey]], return_tensors="pt"))
    towards = torch.linalg.pinv(torch.stack(seen)).sum(dim=1)
    chosen = [processor.tokenizer(one, add_special_tokens=False)["input_ids"] for one in answers]
    assert all(len(tokens) == 1 for tokens in chosen), "each answer has to be a single token"
    file = folder / "model.safetensors"
    tensors = load_file(file)
    (name,) = [one for one in tensors if one.endswith("lm_head.weight")]
    tensors[name][[tokens[0] for tokens in chosen]] += by * towards
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


def _chat(messages: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Image.Image]]:
    """The chat as a processor takes it, and its images."""
    images: list[Image.Image] = []
    found = []
    for message in messages:
        content = []
        for part in message["content"]:
            if part["type"] == "text":
                content.append({"type": "text", "text": part["text"]})
                continue
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/png;base64"
            images.append(Image.open(io.BytesIO(base64.b64decode(data))))
            content.append({"type": "image"})
        found.append({"role": message["role"], "content": content})
    return found, images


def _texts(body: dict[str, Any]) -> Iterator[str]:
    for message in body["messages"]:
        for part in message["content"]:
            if part["type"] == "text":
                yield part["text"]

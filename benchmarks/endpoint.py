"""How fast an endpoint is asked, against what its server can do; and what a picture weighs.

    python benchmarks/endpoint.py [--images 256] [--edge 1024] [--seconds 0.2] [--slots 16] [--json]

A server in a process of its own takes ``--seconds`` for an answer and gives ``--slots`` at once, as
one with a GPU does; its answers are canned. ``synpic score`` reads parts, decodes images, encodes
them as PNG, sends them, keeps answers and writes scores:

- server: slots / seconds;
- limit: questions about images that are ready, all at once and nothing kept: what the server gives
  to this machine while it has other work;
- synpic: from the first batch's beginning to the last's end;
- client: processor seconds of this process for a picture, of which one core has one a second;
- bytes: of a request; tokens: of a picture, by the processor of Qwen3-VL.

The pictures are PNGs of smooth noise, four to a prompt. Opening is in none of these.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.rewards import Clock, build, encoded
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.readers.images import decode
from synpic.score.servers.address import Address
from synpic.score.vlm.endpoint import Endpoint, data_url
from synpic.score.vlm_yes_endpoint import VlmYesEndpoint
from tests.score.tiny_vlms import ARCHITECTURES

_ANSWER = {
    "choices": [
        {
            "message": {"content": "Yes"},
            "logprobs": {
                "content": [
                    {
                        "token": "Yes",
                        "top_logprobs": [
                            {"token": "Yes", "logprob": -0.3},
                            {"token": "No", "logprob": -1.4},
                        ],
                    }
                ]
            },
        }
    ]
}


def serve(seconds: float, slots: int, ready: Connection) -> None:
    """Answer questions on a free port of the loopback, which is sent first."""
    at_once = threading.Semaphore(slots)
    number = iter(range(1 << 40))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with at_once:
                time.sleep(seconds)
            # Each another, since a reward that says the same of everything is refused.
            text = json.dumps(_ANSWER).replace("-1.4", f"-1.{next(number)}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def server(seconds: float, slots: int) -> Iterator[str]:
    """The address of one that runs."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(seconds, slots, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.kill()
        process.join()


def image_tokens(image: Any) -> int:
    """Of an image, for Qwen3-VL: its own processor, with patches as published."""
    # With a size of its own, the small one has patches of the published edge.
    model, processor = ARCHITECTURES["qwen3_vl"](hidden_size=32)
    mark = model.config.image_token_id
    chat = "<|vision_start|><|image_pad|><|vision_end|>"
    inputs = processor(text=[chat], images=[[image]], return_tensors="pt")
    return int((inputs["input_ids"] == mark).sum())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The row of one server."""
    with tempfile.TemporaryDirectory() as folder, server(options.seconds, options.slots) as url:
        table = (
            '[rewards.judge]\nreward = "vlm_yes_endpoint"\n'
            f"batch_size = {options.batch_size}\n[rewards.judge.options]\n"
            f'model = "canned"\nendpoint = {{ url = "{url}", concurrency = {options.slots} }}\n'
        )
        workspace = build(Path(folder), options.images, options.edge, table)
        (wanted,) = take_inventory(workspace).found_rewards
        prompts, files = encoded(workspace)
        bare, sent = _bare(wanted.settings.options, prompts, [decode(data) for data in files])

        clock = Clock()
        before = time.process_time()
        report = score_candidates(workspace, device="cpu", listener=clock)
        used = time.process_time() - before
        report.raise_if_unfinished()
        seconds = clock.ended.wall - clock.began.wall
    rate = options.images / seconds
    return {
        "server, images/s": round(options.slots / options.seconds, 2),
        "limit, images/s": round(options.images / bare, 2),
        "synpic, images/s": round(rate, 2),
        "of the limit": round(bare / seconds, 3),
        "client, s/image": round(used / options.images, 4),
        "bytes of a request": sent,
        "tokens of an image": image_tokens(decode(files[0])),
    }


def _bare(settings: dict[str, Any], prompts: list[str], images: list[Any]) -> tuple[float, int]:
    """Seconds for all questions, and the bytes of one request."""
    reward = VlmYesEndpoint(**settings)
    ready = [reward.pixels(image) for image in images]
    reward.judge(prompts[:1], ready[:1])  # the first question of all, and connections
    began = time.perf_counter()
    reward.judge(prompts[1:], ready[1:])
    seconds = (time.perf_counter() - began) * len(ready) / (len(ready) - 1)
    reward.close()
    address = Address.of("judge", settings["endpoint"])
    body = Endpoint(address, "canned", {}).body(reward.question(prompts[0], ready[0]), data_url)
    return seconds, len(json.dumps(body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--edge", type=int, default=1024, help="pixels each side")
    parser.add_argument("--seconds", type=float, default=0.2, help="of an answer")
    parser.add_argument("--slots", type=int, default=16, help="answers at once")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the canned model affirms everything
    row = measure(options)
    if options.json:
        print(json.dumps(row, indent=2))
    else:
        print("  ".join(f"{key}: {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

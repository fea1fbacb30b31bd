"""How fast `synpic serve` answers, against direct batches and against a server without batches.

    python benchmarks/serve.py [--requests 600] [--reward pickscore] [--full] [--json]

Every request has one prompt and one PNG. Callers are threads of a process of their own; each sends,
waits for its answer, and sends the next. The server is the command itself, in another process.

- direct: ``synpic.reward(…).score`` of all images, in batches of ``--batch-size``;
- synpic: ``synpic serve`` with 1, 8 and 32 callers;
- one by one: a server as trainers bring them: one thread, which decodes an image and scores it when
  its request is read.

``--reward device`` stands for a GPU: a pass takes ``--pass-ms`` and ``--image-ms`` for each image,
and no processor. With ``--reward pickscore`` CLIP-H has random weights, at a quarter of its width
and depth unless ``--full`` is given, and server and callers share the processor with the tower.

``--memory N`` sends N more requests of 32 callers, and shows what the server holds meanwhile.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx2
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.rewards import picture
from synpic.score.api import OpenedReward, reward
from synpic.score.reward import RewardInfo

ROOT = Path(__file__).parent.parent
CALLERS = (1, 8, 32)
PROMPT = "a small red house by the sea, its door ajar, under a wide sky"


class Device:
    """A reward whose work is done elsewhere, as on a GPU: the processor is free meanwhile."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a stand-in for a GPU")

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """The red of each image's first pixel."""
        of_pass, of_image = map(float, os.environ["SYNPIC_BENCHMARK_MS"].split(","))
        time.sleep((of_pass + of_image * len(images)) / 1000)
        return [image.getpixel((0, 0))[0] / 255 for image in images]  # type: ignore[index]


def opened(options: argparse.Namespace, root: Path) -> OpenedReward:
    """The reward in this process."""
    size = options.batch_size
    if options.reward == "device":
        return reward("benchmarks.serve:Device", batch_size=size)
    made = weights(options, root)
    return reward("pickscore", checkpoint=made, batch_size=size, processor=str(made))


def weights(options: argparse.Namespace, root: Path) -> Path:
    """The folder of random weights."""
    from tests.score import random_rewards

    size = random_rewards.FULL if options.full else random_rewards.REDUCED
    return random_rewards.make("pickscore", root, size).checkpoint


def one_by_one(options: argparse.Namespace, root: Path) -> None:
    """Serve Flow-Factory's message without batches, on a free port, which is printed first."""
    scorer = opened(options, root).opened

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            scores: list[float] = []
            for prompt, data in zip(asked["prompts"], asked["images"], strict=True):
                image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
                scores += scorer.score([prompt], [image])
            body = json.dumps({"scores": {"one": [float(score) for score in scores]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            # One thread: a connection that stays open would keep the others out.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(HTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        print(json.dumps({"address": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


@contextmanager
def running(words: Sequence[str], cwd: Path = ROOT) -> Iterator[tuple[str, int]]:
    """Address and process id of a server that prints its address when it answers."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=cwd)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["address"], process.pid
    finally:
        process.terminate()
        process.wait()


def call(address: str, callers: int, requests: int, edge: int) -> dict[str, float]:
    """Send ``requests`` requests; in a process of their own."""
    words = [sys.executable, __file__, "--call", address]
    words += ["--callers", str(callers), "--requests", str(requests), "--edge", str(edge)]
    found: dict[str, float] = json.loads(subprocess.check_output(words, text=True, cwd=ROOT))
    return found


def bodies(edge: int) -> list[bytes]:
    """Requests of 32 pictures."""
    files = pictures(32, edge)
    texts = (base64.b64encode(data).decode() for data in files)
    return [json.dumps({"prompts": [PROMPT], "images": [text]}).encode() for text in texts]


def pictures(count: int, edge: int) -> list[bytes]:
    """PNGs, none like another."""
    return [picture({"candidate_id": f"{number:08x}"}, edge) for number in range(count)]


def callers_of(address: str, callers: int, requests: int, edge: int) -> dict[str, float]:
    """What :func:`call` prints."""
    ready, seconds, path = bodies(edge), list[float](), f"{address}/v1/score"
    share = requests // callers

    def one(number: int) -> None:
        with httpx2.Client(timeout=600) as client:
            for turn in range(share + 1):
                sent = time.perf_counter()
                client.post(path, content=ready[(number + turn) % 32]).raise_for_status()
                if turn:  # the first opens a connection
                    seconds.append(time.perf_counter() - sent)
                else:
                    begun.append(time.perf_counter())

    begun: list[float] = []
    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(one, range(callers)))
    took = time.perf_counter() - max(begun)
    seconds.sort()
    return {
        "requests/s": len(seconds) / took,
        "p50 ms": 1000 * statistics.median(seconds),
        "p95 ms": 1000 * seconds[int(0.95 * (len(seconds) - 1))],
    }


def direct(scorer: OpenedReward, images: int, edge: int) -> float:
    """Images a second."""
    files = pictures(32, edge)
    scorer.score(PROMPT, files)
    began = time.perf_counter()
    scorer.score(PROMPT, [bytes(bytearray(files[number % 32])) for number in range(images)])
    return images / (time.perf_counter() - began)


def memory(pid: int) -> dict[str, float]:
    """MiB that a process holds, and held at most."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {name: int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")}


def measure(options: argparse.Namespace, root: Path) -> dict[str, Any]:
    """All rows, and what the server held."""
    batches = direct(opened(options, root), options.requests, options.edge)
    rows: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    with running(served(options, root), root) as (address, pid):
        for callers in CALLERS:
            count = options.requests if callers > 1 else max(32, options.requests // 8)
            row = call(address, callers, count, options.edge)
            rows.append({"server": "synpic", "callers": callers, **row})
        if options.memory:
            held.append({"requests": sum(CALLERS), **memory(pid)})
            for _ in range(4):
                call(address, 32, options.memory // 4, options.edge)
                held.append({"requests": options.memory // 4, **memory(pid)})
    words = [sys.executable, __file__, "--one-by-one", str(root), *shared(options)]
    with running(words) as (address, _):
        few = max(64, options.requests // 8)
        for callers in CALLERS:
            row = call(address, callers, few, options.edge)
            rows.append({"server": "one by one", "callers": callers, **row})
    usual = {row["callers"]: row["requests/s"] for row in rows if row["server"] == "one by one"}
    for row in rows:
        row["of direct batches"] = row["requests/s"] / batches
        row["× one by one"] = row["requests/s"] / usual[row["callers"]]
    return {"direct, images/s": batches, "rows": rows, "memory": held}


def served(options: argparse.Namespace, root: Path) -> list[str]:
    """The command, in the folder ``root``."""
    words = [sys.executable, "-m", "synpic_cli", "serve", "--port", "0", "--json"]
    words += ["--batch-size", str(options.batch_size)]
    if options.reward == "device":
        return [*words, "--reward", "benchmarks.serve:Device"]
    made = weights(options, root)
    (root / "recipe.toml").write_text(
        '[prompts]\nworld = "shapes"\ncount = 1\n\n[models.shapes_unet]\n\n[rewards.pickscore]\n'
        f'checkpoint = "{made}"\noptions = {{ processor = "{made}" }}\n'
    )
    return words


def shared(options: argparse.Namespace) -> list[str]:
    """Options that the process of the other server needs, too."""
    return ["--reward", options.reward, *(["--full"] if options.full else [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reward", choices=("device", "pickscore"), default="device")
    parser.add_argument("--full", action="store_true", help="the architecture as published")
    parser.add_argument("--requests", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--edge", type=int, default=512, help="pixels each side")
    parser.add_argument("--pass-ms", type=float, default=50)
    parser.add_argument("--image-ms", type=float, default=20)
    parser.add_argument("--memory", type=int, default=0, metavar="REQUESTS")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one-by-one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    parser.add_argument("--callers", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        print(json.dumps(callers_of(options.call, options.callers, options.requests, options.edge)))
        return
    os.environ.setdefault("SYNPIC_BENCHMARK_MS", f"{options.pass_ms},{options.image_ms}")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "cli")))
    if options.one_by_one:
        one_by_one(options, options.one_by_one)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"direct batches of {options.batch_size}: {found['direct, images/s']:.1f} images/s")
    for row in [*found["rows"], *found["memory"]]:
        print("  ".join(f"{key}: {shown(value)}" for key, value in row.items()))
    print(f"load of this machine: {', '.join(f'{one:.1f}' for one in os.getloadavg())}")


def shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()

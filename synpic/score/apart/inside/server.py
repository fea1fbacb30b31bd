"""Scores by some code, asked over a Unix socket. It runs in another environment than synpic's.

The first line of stdin says what to load. Then one line on stdout says that it is ready. It ends
when stdin does, which is when the process that started it ends, however that is.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import inspect
import io
import json
import os
import shutil
import signal
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

__all__ = ["main"]

Score = Callable[[Sequence[str], Sequence[Any]], Sequence[float]]


def main() -> None:
    """Serve until stdin ends."""
    # Ctrl-C, a closed terminal and SIGTERM, which may go to every process, are for the command.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    parent = os.getppid()
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with, args=(parent, told["folder"]), daemon=True).start()
    # What the code prints is no message of ours.
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    score = _loaded(told["code"], told["beside"], told["options"])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(_answer(score, request)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with socketserver.UnixStreamServer(str(Path(told["folder"]) / "socket"), Handler) as server:
        ready.write("ready\n")
        ready.flush()
        server.serve_forever()


def _end_with(parent: int, folder: str) -> None:
    def gone() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def watch() -> None:
        # A process that the parent started meanwhile may hold the pipe open.
        while os.getppid() == parent:
            time.sleep(0.5)
        gone()

    threading.Thread(target=watch, daemon=True).start()
    sys.stdin.read()
    gone()


def _loaded(code: str, beside: str | None, options: dict[str, Any]) -> Score:
    place, _, name = code.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None
        assert spec.loader is not None
        thing: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(thing)
    else:
        if beside is not None:
            sys.path.append(beside)
        thing = importlib.import_module(place)
    for piece in name.split("."):
        thing = getattr(thing, piece)
    if inspect.isclass(thing):
        made: Any = thing(**options)
        return cast(Score, made.score)
    return lambda prompts, images: [
        float(thing(*pair, **options)) for pair in zip(prompts, images, strict=True)
    ]


def _answer(score: Score, request: dict[str, Any]) -> dict[str, Any]:
    try:
        from PIL import Image

        images = [
            Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")
            for one in request["images"]
        ]
        scores = [float(one) for one in score(request["prompts"], images)]
        if len(scores) != len(images):
            raise ValueError(f"{len(scores)} scores for {len(images)} images")
        finite = [one if abs(one) < float("inf") else None for one in scores]
        return {"scores": {"reward": finite}}
    except Exception as error:
        # The code may be anyone's: whatever it raises is about these images.
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        failed = {"reward": "reward", "item": 0, "message": f"{type(error).__name__}: {first}"}
        return {"scores": {"reward": [None] * len(request["images"])}, "errors": [failed]}


if __name__ == "__main__":
    main()

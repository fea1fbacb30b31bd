"""How fast the page of ``synpic view`` answers, cold and warm, and in how much memory.

    python benchmarks/view.py [--prompts 58000] [--labels] [--browser] [--set FOLDER] [--json]

A set of that number of prompts with four images each is written first (pictures are drawn a few
times and repeated; no model draws, and no reward looks). Then ``synpic view`` is started as a user
does, and asked over HTTP as a browser asks: rows of 20 prompts and their 80 thumbnails, six
requests at a time. With ``--browser`` Chromium asks, and the time ends when what is on the screen
is complete. With ``--labels`` there are three votes of people on every pair of images.

Cold is the first time; warm the same again. Sorts, expressions and filters are other ones each
time: the server remembers the last answers. p95 is the highest of 20 but one. What is read lies in
the cache of the operating system.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import view_data
from benchmarks.browser import chromium
from synpic.workspace import RECIPE, Workspace
from synpic.workspace.labels import label_sources

ROUNDS = 20
CONNECTIONS = 6
AIMS = {"page": 1.0, "search": 0.3, "large": 0.3}
"""Seconds."""
MEMORY = 600
"""MB."""


@dataclass
class Figures:
    """What was measured: a row for each thing that a person does.

    Args:
        process: the server, whose CPU time is counted.
    """

    process: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    _cpu: float = 0.0

    def skip(self) -> None:
        """Count the server's CPU time from here."""
        self._cpu = cpu(self.process)

    def add(self, by: str, what: str, aim: str, seconds: list[float]) -> None:
        """A row of ``seconds``, and of the server's CPU time since the last row."""
        ordered = sorted(seconds)
        before, self._cpu = self._cpu, cpu(self.process)
        worst = ordered[max(0, round(0.95 * len(ordered)) - 1)]
        self.rows.append(
            {
                "by": by,
                "what": what,
                "median s": round(ordered[len(ordered) // 2], 3),
                "p95 s": round(worst, 3),
                "server CPU s": round((self._cpu - before) / len(seconds), 3),
                "memory MB": round(most_memory(self.process)),
                "aim s": AIMS[aim],
                "within": worst < AIMS[aim],
            }
        )


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int, float]]:
    """The address of the page, the process that serves it, and the seconds until it was ready."""
    command = [sys.executable, "-m", "synpic_cli", "view", str(folder), "--json"]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = json.loads(process.stdout.readline())
        yield found["address"], process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def most_memory(process: int) -> float:
    """MB that ``process`` held at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def cpu(process: int) -> float:
    """Seconds that ``process`` computed, in user and system mode."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Asker:
    """Asks the server as a browser does: each thread over a connection that stays open."""

    def __init__(self, address: str) -> None:
        self._port = urlsplit(address).port
        self._threads = ThreadPoolExecutor(CONNECTIONS)
        self._free = [http.client.HTTPConnection("127.0.0.1", self._port) for _ in range(8)]

    def get(self, path: str) -> bytes:
        """The body of an answer."""
        connection = self._free.pop()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        self._free.append(connection)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a page."""
        found: list[dict[str, Any]] = json.loads(self.get(f"/api/rows?{query}"))["rows"]
        return found

    def page(self, query: str) -> None:
        """A page with all its thumbnails."""
        images = [image for row in self.rows(query) for image in row["images"]]
        places = [f"/thumbnails/320/{image['candidate_id']}?v=1" for image in images]
        list(self._threads.map(self.get, places))

    def first(self) -> None:
        """The page itself, its files, rows, thumbnails and charts."""
        html = self.get("/").decode()
        list(self._threads.map(self.get, [f"/{one}" for one in re.findall(r'assets/[^"]+', html)]))
        self.page("")
        self.get("/api/charts?")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


SEARCHES: dict[str, Callable[[int], str]] = {
    # A filter that keeps all makes each another question.
    "sort by disagreement": lambda number: f"sort=agreement&order=asc&length=..{5000 + number}",
    "regular expression": lambda number: (
        f"regex=1&q={quote(f'(circle|star).*(left|right).*[0-9]*{number % 10}?')}&page={number + 1}"
    ),
    "meta_ filter": lambda number: f"meta_things={1 + number % 2}..{2 + number}",
}

OF_PEOPLE: dict[str, Callable[[int], str]] = {
    "sort by people against φ": lambda number: (
        f"sort=against.ingested.overall&order=desc&length=..{5000 + number}"
    ),
    "filter by people against φ": lambda number: (
        f"against.ingested.overall={1 + number % 4}..&length=..{5000 + number}"
    ),
}
"""Of a set with labels."""


def over_http(
    address: str, count: int, figures: Figures, searches: dict[str, Callable[[int], str]]
) -> None:
    """Ask the server itself."""
    asker = Asker(address)
    far = f"page={min(500, count // 20)}"
    for name, ask in (
        ("first page", asker.first),
        (far.replace("=", " "), lambda: asker.page(far)),
    ):
        figures.add("HTTP", f"{name}, cold", "page", [seconds(ask)])
        figures.add("HTTP", f"{name}, warm", "page", [seconds(ask) for _ in range(ROUNDS)])
    for name, query in searches.items():
        took = [seconds(partial(asker.rows, query(number))) for number in range(ROUNDS)]
        figures.add("HTTP", name, "search", took)
    took = [
        seconds(partial(asker.get, f"/api/charts?{query(ROUNDS + number)}"))
        for number, query in enumerate(list(searches.values()) * 7)
    ]
    figures.add("HTTP", "charts of what is found", "page", took)
    rows = asker.rows("page=77&size=20")
    figures.skip()
    some = [image["candidate_id"] for row in rows for image in row["images"]]
    took = [seconds(partial(asker.get, f"/images/{one}")) for one in some[:ROUNDS]]
    figures.add("HTTP", "large view", "large", took)


COMPLETE = """() => document.querySelector("#rows").getAttribute("aria-busy") === "false"
  && document.querySelector(".card") && [...document.querySelectorAll(".card img")]
  .filter((one) => one.getBoundingClientRect().top < innerHeight
    && one.getBoundingClientRect().bottom > 0)
  .every((one) => one.complete && one.naturalWidth > 0)"""
"""Whether the rows are there, and each picture on the screen."""


def in_chromium(
    address: str, count: int, figures: Figures, searches: dict[str, Callable[[int], str]]
) -> None:
    """Ask in a browser."""
    with chromium() as browser:
        _browse(browser, address, count, figures, searches)


def _browse(
    browser: Any,
    address: str,
    count: int,
    figures: Figures,
    searches: dict[str, Callable[[int], str]],
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})

    def shown(act: Callable[[], object]) -> float:
        """Seconds from ``act`` until all of it is on the screen."""

        def work() -> None:
            act()
            page.wait_for_function(COMPLETE, polling="raf")

        return seconds(work)

    def load(query: str) -> Callable[[], object]:
        return lambda: page.evaluate(
            "asked => { synpic.page.query = new URLSearchParams(asked); synpic.page.go(); }", query
        )

    figures.add("Chromium", "first page, cold", "page", [shown(lambda: page.goto(address))])
    figures.add("Chromium", "first page, warm", "page", [shown(page.reload) for _ in range(ROUNDS)])
    far = min(500, count // 20)
    cold = [shown(load(f"page={far - 1 - number}")) for number in range(ROUNDS)]
    figures.add("Chromium", f"a page near {far}, cold", "page", cold)
    figures.add(
        "Chromium", f"page {far}, warm", "page", [shown(load(f"page={far}")) for _ in range(ROUNDS)]
    )
    for name, query in searches.items():
        took = [shown(load(query(number + ROUNDS))) for number in range(ROUNDS)]
        figures.add("Chromium", f"{name}, with pictures", "search", took)
    shown(load("page=99"))
    large = "() => document.querySelector('#large[open] .pane img')?.naturalWidth > 0"
    took = []
    for number in range(ROUNDS):
        card = f".card:nth-child({1 + number % 20}) .pic"

        def work(card: str = card) -> None:
            page.evaluate("one => document.querySelector(one).click()", card)
            page.wait_for_function(large, polling="raf")

        took.append(seconds(work))
        page.keyboard.press("Escape")
    figures.add("Chromium", "large view", "large", took)


def build(folder: Path, count: int, labels: bool) -> None:
    """The set, unless it is there."""
    if not (folder / RECIPE).exists():
        view_data.build(folder, count, edge=128, pictures=25)
    if labels and not label_sources(workspace := Workspace.open(folder)):
        view_data.label(workspace)


def measure(folder: Path, count: int, labels: bool, browser: bool) -> dict[str, Any]:
    """All figures of the set in ``folder``."""
    searches = {**SEARCHES, **(OF_PEOPLE if labels else {})}
    with served(folder) as (address, process, ready):
        figures = Figures(process, _cpu=cpu(process))
        opened = cpu(process)
        over_http(address, count, figures, searches)
        if browser:
            in_chromium(address, count, figures, searches)
        memory = most_memory(process)
    return {
        "prompts": count,
        "images": 4 * count,
        "ready s": round(ready, 1),
        "ready, CPU s": round(opened, 1),
        "peak MB": round(memory),
        "aim MB": MEMORY,
        "rows": figures.rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=58_000)
    parser.add_argument("--labels", action="store_true", help="with votes of people")
    parser.add_argument("--browser", action="store_true", help="ask in Chromium, too")
    parser.add_argument("--set", type=Path, help="a folder to keep the set in, and to find it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.set or Path(scratch) / "set"
        build(folder, options.prompts, options.labels)
        found = measure(folder, options.prompts, options.labels, options.browser)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['prompts']:,} prompts, {found['images']:,} images")
    print(f"ready in {found['ready s']} s, {found['ready, CPU s']} s of CPU time")
    print(f"peak memory of the server: {found['peak MB']} MB (aim: {MEMORY} MB)")
    for row in found["rows"]:
        print("  " + "  ".join(f"{key}: {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()

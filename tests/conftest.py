"""Fixtures for every room: offline, in folders of their own."""

from __future__ import annotations

import atexit
import functools
import gc
import hashlib
import os
import pickle
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import typer.testing
from hypothesis import settings

# Locks and folders half made lie apart from what other programs, and runs before, have left.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="synpic-", dir=os.environ["PYTEST_DEBUG_TEMPROOT"])
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where it is set, each process that a test starts compiles thousands of modules anew.
os.environ["PYTHONDONTWRITEBYTECODE"] = ""

from synpic import registry
from synpic.hub import retry
from synpic.publish import extra_files
from synpic.readers import card_head
from synpic.workspace import Workspace
from tests.nursery import ForkServer

sys.dont_write_bytecode = False
tempfile.tempdir = os.environ["TMPDIR"]
atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)

# Tests send these to their own process; nohup, and ``&`` of a script, have them ignored.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# On a busy machine a first call takes as long as it takes. The slow tests come with all examples.
settings.register_profile("fast", deadline=None, max_examples=50)
settings.register_profile("slow", deadline=None)

RECIPE = """
[prompts]
world = "tests.fakes:world"
count = {prompts}

[models.a]
family = "tests.fakes:Painter"
checkpoint = "{weights}"
samples = {samples}
batch_size = 4
{a}

[models.b]
family = "tests.fakes:Painter"
checkpoint = "{weights}"
steps = 7
batch_size = 4
{b}

[rewards.red]
reward = "tests.fakes:redness"
batch_size = 8

[rewards.blue]
reward = "tests.fakes:blueness"
weight = 0.5
batch_size = 8
{more}
"""


# Typer makes the tree of commands anew whenever it is asked, and a registry looks through all
# that is installed: most of what a small test would take.
typer.main.get_command = functools.cache(typer.main.get_command)
typer.testing._get_command = typer.main.get_command
registry.entry_points = functools.cache(registry.entry_points)  # type: ignore[assignment]
# A client of the Hub reads all certificates of the world when it is made, for servers of tests
# that have none.
ssl.create_default_context = functools.cache(ssl.create_default_context)


def _remembered(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    made: dict[bytes, Any] = {}

    def remembering(argument: Any) -> Any:
        key = hashlib.sha256(pickle.dumps(argument)).digest()
        if key not in made:
            made[key] = function(argument)
        return made[key]

    return remembering


# What is written is whole also after a power cut, for which each file waits for the disk. Tests
# kill processes, which keeps what they wrote; those of a disk that refuses have their own function.
os.fsync = lambda _: None

# Hundreds of tests publish the same few releases: their pictures are drawn once. Those that draw
# them for the pictures' sake call the functions where they are.
extra_files._picture = _remembered(extra_files._picture)
extra_files.draw_charts = _remembered(extra_files.draw_charts)
# Each publish to a Hub reads the heads of the cards that are there, which takes as long.
card_head._parsed = functools.lru_cache(256)(card_head._parsed)

# What libraries have made is frozen below. To count it takes longer than a small run.
frozen_objects = gc.get_freeze_count
gc.get_freeze_count = lambda: 1

_seen = 0


@pytest.fixture(autouse=True)
def young() -> None:
    """Only what tests made is looked through for garbage, which runs do whenever they end.

    The millions of objects of the libraries are left alone, once they are imported.
    """
    global _seen
    if len(sys.modules) > _seen:
        _seen = len(sys.modules)
        gc.collect()
        gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fast" if config.getoption("markexpr") == "not slow" else "slow")


def pytest_unconfigure() -> None:
    # The libraries' objects are to be taken to pieces at the end, as ever.
    gc.unfreeze()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the Hub does not answer is asked again without a wait."""
    readers = [retry.Patience(retry.READING, sleep=lambda _: None)]
    monkeypatch.setattr(retry, "_readers", readers)


ROOT = Path(__file__).parent.parent

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]),
    "OMP_NUM_THREADS": "1",
}
"""Of the processes that tests start."""


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Starts commands in processes of their own, in milliseconds."""
    server = ForkServer(ENVIRONMENT)
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, opened once a process: Playwright cannot be begun twice in one thread."""
    from benchmarks.browser import BROWSERS, chromium, find_browser

    if find_browser() is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    pytest.importorskip("playwright.sync_api")
    with chromium() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _working_directory() -> Iterator[None]:
    """``-C`` changes the working directory: each test begins where the run began."""
    before = Path.cwd()
    yield
    os.chdir(before)


MakeRecipe = Callable[..., str]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def recipe(weights: Path) -> MakeRecipe:
    """The text of a recipe on fakes: two models (one image each a prompt), two rewards."""

    def make(prompts: int = 10, samples: int = 1, a: str = "", b: str = "", more: str = "") -> str:
        return RECIPE.format(
            prompts=prompts, samples=samples, a=a, b=b, more=more, weights=weights.as_posix()
        )

    return make


@pytest.fixture
def workspace(tmp_path: Path, recipe: MakeRecipe) -> Workspace:
    return Workspace.create(tmp_path / "set", recipe())


def edit(workspace: Workspace, text: str) -> Workspace:
    """``workspace`` with another recipe, opened anew."""
    workspace.store.write("recipe.toml", text.encode())
    return Workspace.open(workspace.store.root)


def corrupt_parts(workspace: Workspace) -> list[str]:
    """Names of the files that ``workspace.verify`` finds damaged."""
    return [one.file for one in workspace.verify().damaged]

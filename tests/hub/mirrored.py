"""Commands that speak to the Hub, each in folders of its own, deep in a tree that is watched."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synpic
from synpic.errors import SynpicError
from synpic.publish import publish_to
from tests.cli.conftest import in_process
from tests.generate import tiny
from tests.generate.loras import save_lora
from tests.hub.hostile import Hostile
from tests.hub_server import HubServer
from tests.hub_server.fixtures import online
from tests.ingest.conftest import pairs_table
from tests.publish.fixtures import TWO_SPLITS, build, picture
from tests.publish.test_model_release import trained
from tests.score import random_rewards
from tests.score.random_rewards import Size, Tower
from tests.train.runs import RECIPE

__all__ = ["MAKING", "READING", "SCENES", "WRITING", "Mirror", "Seen"]

DRAWING = """
[prompts]
dataset = "user/prompts"

[models.m]
family = "sd"
samples = 2
checkpoint = "maker/base"
steps = 1
sizes = ["16x16"]
adapters = [{ checkpoint = "maker/style", scale = 0.5 }]
components = { unet = { checkpoint = "maker/tuned" } }

[rewards.clip]
reward = "clip_score"
checkpoint = "maker/clip"
"""

LOAD = "@load"

SMALL = Tower(32, 1, 1)
TINY = Size(
    h_vision=SMALL, h_text=SMALL, h_joint=64, h_patch=112,
    l_vision=SMALL, l_text=SMALL, l_joint=32,
    blip_vision=SMALL, blip_text=SMALL, t5=SMALL, t5_feed=32, vlm=SMALL,
)  # fmt: skip

Scene = tuple[str, Sequence[str]]

READING: Mapping[str, Scene] = {
    "versions": ("", ("versions", "user/set", "--json")),
    "verify": ("", ("verify", "user/set@v1.1.0")),
    "quick": ("", ("verify", "user/set", "--quick")),
    "diff": ("", ("diff", "user/set@v1.0.0", "user/set@v1.1.0", "--json")),
    "re-rank": ("", ("re-rank", "user/set@v1.0.0", "--json")),
    "export": ("", ("export", "--to", "pickapic", "made", "user/set@v1.0.0")),
    "load": ("", (LOAD,)),
}
"""A name → the folder that the command starts in, and the command."""

WRITING: Mapping[str, Scene] = {
    "publish": ("set", ("publish", "user/new")),
    "again": ("set", ("publish", "user/set")),
    "model": ("", ("publish", "--model", "run/model", "user/tuned")),
}

MAKING: Mapping[str, Scene] = {
    "validate": ("drawing", ("validate",)),
    "plan": ("drawing", ("plan", "--json", "--batches", "1", "--device", "cpu")),
    "generate": ("drawing", ("generate", "--device", "cpu")),
    "score": ("drawn", ("score", "--device", "cpu")),
    "dataset": (
        "empty",
        ("score", "--dataset", "user/pairs", "--reward", "tests.fakes:redness", "--device", "cpu"),
    ),
    "train": ("tune", ("train", "tune.toml")),
}
"""These need :meth:`Mirror.make_models`."""

SCENES = {**READING, **WRITING, **MAKING}


@dataclass(frozen=True)
class Seen:
    """What came of a command.

    Args:
        code: its exit code; None where it ended in a traceback.
        text: what it printed, its error included; or the traceback.
        strayed: what it wrote where nothing belongs.
        requests: how many it made.
    """

    code: int | None
    text: str
    strayed: Sequence[str]
    requests: Sequence[str]


class Mirror:
    """Runs of commands below ``root``; what they start from is made once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stock = root / "stock"
        self._stock.mkdir(parents=True)
        self._runs = 0
        _make_releases(self._stock)

    def make_models(self) -> None:
        """Models, a reward, and images drawn with them: what the scenes of MAKING start from."""
        _make_models(self._stock)
        drawn = self.run("generate", keep=True)
        assert drawn.code == 0, drawn.text
        shutil.copytree(self._box / "w/o/r/k/drawing", self._stock / "work" / "drawn")
        shutil.rmtree(self._box)

    def run(
        self,
        scene: str,
        kind: str | None = None,
        nth: int = 0,
        times: int = 10**6,
        *,
        keep: bool = False,
    ) -> Seen:
        """A scene, with the server hostile from request ``nth`` on, for ``times`` requests."""
        self._runs += 1
        box = self._box = self._root / f"run-{self._runs}"
        home, work = box / "h/o/m/e", box / "w/o/r/k"
        shutil.copytree(self._stock / "work", work)
        home.mkdir(parents=True)
        folder, words = SCENES[scene]
        with HubServer(box / "h" / "hub") as hub, _turned_to(hub, home, work / folder):
            _fill(hub, self._stock)
            if kind is not None:
                hub.faults.plan(Hostile(kind, str(box)), nth, times=times)
            before = _files(box)
            code, text = _call(words)
            strayed = sorted(
                name
                for name in _files(box) - before
                if not name.startswith(("h/o/m/e/", "w/o/r/k/", "h/hub/"))
            )
            asked = [str(one) for one in hub.requests]
            assert not hub.errors, hub.errors[0]
        if not keep:
            shutil.rmtree(box)
        return Seen(code, text, strayed, asked)


def _call(words: Sequence[str]) -> tuple[int | None, str]:
    try:
        if words[0] == LOAD:
            synpic.load_rankings("user/set", revision="v1.0.0", split="train")
            return 0, ""
        ended = in_process(*words)
    except SynpicError as error:
        return error.exit_code, f"{error.message}\n{error.hint}"
    except Exception:
        return None, traceback.format_exc()
    error = ended.exception
    said = f"\n{error.message}\n{error.hint}" if isinstance(error, SynpicError) else ""
    return ended.exit_code, ended.output + said


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _make_releases(stock: Path) -> None:
    work = stock / "work"
    work.mkdir()
    made = build(work / "set", TWO_SPLITS)
    configs = ["ranked", "scores", "pairwise"]
    publish_to(made, stock / "later", configs=configs)
    first = build(stock / "first-set", TWO_SPLITS[:4])
    publish_to(first, stock / "first", configs=configs)
    trained(work)


def _make_models(stock: Path) -> None:
    work = stock / "work"
    for name in ("empty", "tune", "drawing"):
        (work / name).mkdir()
    (work / "drawing" / "recipe.toml").write_text(DRAWING)
    tune = RECIPE.format(checkpoint="maker/sd3", dataset="user/ranked").replace(
        "steps = 2\nbatch", "steps = 1\nbatch"
    )
    (work / "tune" / "tune.toml").write_text(tune)
    learnt = build(
        stock / "ranked-set",
        [(f"a red circle {n}", "train") for n in range(4)],
        draw=lambda row: picture(row, tiny.SIDE),
    )
    publish_to(learnt, stock / "ranked", configs=["ranked"])
    tiny.save("sd", stock / "base")
    tiny.save("sd", stock / "whole", seed=1)
    tiny.save("sd3_without_t5", stock / "sd3")
    save_lora(stock / "base", stock / "style", seed=1)
    shutil.copytree(stock / "whole" / "unet", stock / "tuned" / "unet")
    made_reward = random_rewards.make("clip_score", stock, TINY)
    Path(made_reward.checkpoint).rename(stock / "clip")
    for name, table in [
        ("pairs", pairs_table()),
        ("prompts", pa.table({"prompt": ["a cat", "a dog"]})),
    ]:
        (stock / name / "data").mkdir(parents=True)
        pq.write_table(table, stock / name / "data" / "train-00000-of-00001.parquet")


def _fill(hub: HubServer, stock: Path) -> None:
    hub.create("user/set")
    for tag, name in [("v1.0.0", "first"), ("v1.1.0", "later")]:
        hub.repositories["user/set"].tags[tag] = hub.commit("user/set", _bytes(stock / name)).oid
    owned = dict.fromkeys(("ranked", "pairs", "prompts"), ("user", "dataset"))
    owned |= dict.fromkeys(("base", "style", "tuned", "clip", "sd3"), ("maker", "model"))
    for name, (owner, kind) in owned.items():
        if (stock / name).exists():
            hub.create(f"{owner}/{name}", kind=kind)
            hub.commit(f"{owner}/{name}", _bytes(stock / name))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def _turned_to(hub: HubServer, home: Path, work: Path) -> Iterator[None]:
    from huggingface_hub import utils

    from synpic.generate.schedules import asking
    from synpic.generate.schedules.trial import answer_of

    with pytest.MonkeyPatch.context() as patch:
        going: Any = online.__wrapped__(patch)  # type: ignore[attr-defined]
        next(going)(hub, "hf_write", home)
        patch.setenv("SYNPIC_CACHE", str(home / "synpic"))
        patch.setenv("COLUMNS", "1000")
        patch.chdir(work)
        pause = time.sleep
        patch.setattr(time, "sleep", lambda seconds: pause(min(seconds, 0.001)))
        patch.setattr("synpic.publish.hub.release.check_loads", lambda *_: None)
        patch.setattr(asking, "try_all", lambda schedules: [*map(answer_of, schedules)])
        utils.logging.set_verbosity_error()
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            next(going, None)

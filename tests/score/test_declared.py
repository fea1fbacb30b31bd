"""What every registered reward says of itself: complete, true of its code, and told without torch.

A reward that joins the registry is held to this without a line here.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synpic.registry import REWARDS
from synpic.score.cached import repositories
from synpic.score.reward import RewardInfo
from synpic.score.two_stage import TwoStageReward

ROOT = Path(__file__).parent.parent.parent
NAMES = REWARDS.names()
every = pytest.mark.parametrize("name", NAMES)


def parameters(thing: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(thing).parameters)


def info(name: str) -> RewardInfo:
    found = REWARDS.load(name).info
    assert isinstance(found, RewardInfo)
    return found


@every
def test_what_people_ask_first_is_answered(name: str) -> None:
    told = info(name)
    assert told.summary, "say in `info.summary` what it is"
    assert len(told.summary) <= 90, "`info.summary` is one line: at most 90 characters"
    assert not told.summary.endswith("."), "`info.summary` has no full stop"
    assert told.version >= 1
    assert told.score_range, "say in `info.score_range` where scores lie, such as 0 … 1"
    if told.reads_prompt:
        assert told.text_limit, "say in `info.text_limit` what happens to a long prompt"


@every
def test_how_it_was_verified_is_there_to_be_run(name: str) -> None:
    told = info(name).verified
    assert told, "say in `info.verified` how it was checked, with the path of the test"
    files = re.findall(r"tests/[\w/]+\.py", told)
    assert files, f"`info.verified` names no test, such as tests/score/test_NAME.py: {told}"
    for file in files:
        assert (ROOT / file).is_file(), f"`info.verified` names {file}, which does not exist"
    targets = re.findall(r"make ([a-z-]+)", told)
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets), targets


@every
def test_what_it_reads_is_declared_in_full(name: str) -> None:
    told = info(name)
    assert bool(told.checkpoint) == bool(told.files)
    if not told.checkpoint:
        assert not told.companions
        return
    assert told.paper or told.checkpoint.startswith("package:") or not told.reads_prompt
    for of, (repository, files) in repositories(told).items():
        assert re.fullmatch(r"[\w.-]+/[\w.-]+|(package:|https://)[\w./-]+", repository), of
        assert files, f"{of}: which files of {repository}?"
        for entry in files:
            assert re.fullmatch(r"[\w.+*?/-]+(\|[\w.+*?/-]*)*", entry), entry
    weights = [e for e in told.files if re.search(r"\.(safetensors|pth?|bin)\b", e)]
    assert weights, "no weights among its files"
    for entry in weights:
        pickles = re.search(r"\.(pth?|bin)\b", entry)
        assert not pickles or "|" in entry, f"{entry}: is there no safetensors to look for first?"


@every
def test_its_constructor_takes_what_it_declares(name: str) -> None:
    told, thing = info(name), REWARDS.load(name)
    assert inspect.isclass(thing)
    assert callable(thing.score)
    taken = parameters(thing)
    assert not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in taken.values())
    given = [key for name in told.companions for key in (name, f"{name}_revision")]
    if told.checkpoint:
        given = ["checkpoint", "revision", "device", *given]
    assert list(taken)[: len(given)] == given, "in this order"
    for key, parameter in taken.items():
        if key not in given:
            # What a recipe may leave out has a default.
            assert parameter.default is not parameter.empty, key
    if told.checkpoint and not getattr(thing, "apart", False):
        assert taken["dtype"].default == "float32"
        assert issubclass(thing, TwoStageReward), "its pixels cannot be made ready ahead"


@every
def test_its_documentation_explains_its_options(name: str) -> None:
    thing = REWARDS.load(name)
    text = inspect.getdoc(thing) or ""
    assert text
    told = "\n".join(cls.__doc__ or "" for cls in thing.__mro__)
    for key in parameters(thing):
        assert re.search(rf"^\s+(?:\w+, )*{key}\b.*:", told, re.M), f"{key} is not explained"


def test_all_of_this_is_told_without_torch() -> None:
    code = (
        "import sys\n"
        "from synpic.pipeline.catalogue import rewards\n"
        "rows = rewards()\n"
        f"heavy = {['torch', 'torchvision', 'transformers', 'open_clip', 'accelerate']!r}\n"
        "print(sum(row['installed'] for row in rows), *(n for n in heavy if n in sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [str(len(NAMES))]

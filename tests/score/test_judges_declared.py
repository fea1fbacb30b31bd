"""What every registered judge says of itself: complete, and true of its code.

A judge that joins the registry is held to this without a line here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synpic.registry import JUDGES
from synpic.score.cached import repositories
from synpic.score.judges.judge import Judge
from synpic.score.reward import RewardInfo

ROOT = Path(__file__).parent.parent.parent
every = pytest.mark.parametrize("name", JUDGES.names())


def info(name: str) -> RewardInfo:
    found = JUDGES.load(name).info
    assert isinstance(found, RewardInfo)
    return found


@every
def test_it_is_a_judge(name: str) -> None:
    thing = JUDGES.load(name)
    assert issubclass(thing, Judge)
    assert not thing.__abstractmethods__


@every
def test_what_people_ask_first_is_answered(name: str) -> None:
    told = info(name)
    assert told.summary, "say in `info.summary` what it is"
    assert len(told.summary) <= 90, "`info.summary` is one line: at most 90 characters"
    assert not told.summary.endswith("."), "`info.summary` has no full stop"
    assert told.version >= 1
    if told.reads_prompt:
        assert told.text_limit, "say in `info.text_limit` what happens to a long prompt"
    if told.checkpoint:
        assert told.licence, "say in `info.licence` what its weights may be used for"


@every
def test_how_it_was_verified_is_there_to_be_run(name: str) -> None:
    told = info(name).verified
    assert told, "say in `info.verified` how it was checked, with the path of the test"
    files = re.findall(r"tests/[\w/]+\.py", told)
    assert files, f"`info.verified` names no test, such as tests/score/test_NAME.py: {told}"
    for file in files:
        assert (ROOT / file).is_file(), f"`info.verified` names {file}, which does not exist"


@every
def test_what_it_reads_is_declared(name: str) -> None:
    told = info(name)
    assert bool(told.checkpoint) == bool(told.files)
    for of, (repository, files) in repositories(told).items():
        known = r"[\w.-]+/[\w.-]+|package:[\w./-]+|https://[\w./-]+-[0-9a-f]{8,64}\.\w+"
        assert re.fullmatch(known, repository), of
        assert files, f"{of}: which files of {repository}?"


@every
def test_it_has_a_section(name: str) -> None:
    heads = [
        line.removeprefix("## ").lower()
        for line in (ROOT / "docs" / "judging.md").read_text().splitlines()
        if line.startswith("## ")
    ]
    wanted = name.replace("_", " ")
    assert wanted in heads, f"write a section `## {wanted.capitalize()}` in docs/judging.md"

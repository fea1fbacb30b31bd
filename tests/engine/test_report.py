from __future__ import annotations

import json

import pytest

from synpic.engine.report import Outcome, Report
from synpic.errors import ModelError, Stopped, Unfinished


def test_what_is_missing_is_said_with_what_to_do() -> None:
    report = Report(
        "generate",
        [
            Outcome("a", 10, made=10),
            Outcome("b", 10, broken=ModelError("no weights", hint="fetch them")),
            Outcome("c", 10, made=7, failed=3, examples=["x.png: no image", "y.png: no image"]),
            Outcome("d", 10, made=3, broken=ModelError("it fell over")),
            Outcome("e", 10, broken=ModelError("none either", hint="fetch them")),
        ],
    )
    assert not report.finished
    with pytest.raises(Unfinished) as caught:
        report.raise_if_unfinished()
    assert caught.value.message.splitlines() == [
        "b: no weights",
        "d: it fell over",
        "e: none either",
        "c: 3 of 10 failed and have a failure row each",
        "  x.png: no image",
        "  y.png: no image",
        "  and 1 more",
    ]
    assert caught.value.hint is not None
    assert caught.value.hint.splitlines() == [
        "b, e: fetch them",
        "c: `synpic status` tells why; --retry-failed tries them again",
    ]


def test_two_sizes_of_a_model_are_told_apart() -> None:
    broken = ModelError("no weights", hint="fetch them")
    sizes = [Outcome("m", 9, made=8, failed=1, size="8x8"), Outcome("m", 9, broken=broken)]
    with pytest.raises(Unfinished) as caught:
        Report("generate", sizes).raise_if_unfinished()
    assert caught.value.message.splitlines() == [
        "m: no weights",
        "m 8x8: 1 of 9 failed and have a failure row each",
    ]


def test_a_single_hint_needs_no_name() -> None:
    report = Report("score", [Outcome("r", 1, broken=ModelError("no", hint="do this"))])
    with pytest.raises(Unfinished) as caught:
        report.raise_if_unfinished()
    assert caught.value.hint == "do this"


def test_another_shard_s_share_is_left_and_not_missing() -> None:
    report = Report("generate", [Outcome("a", 10, already=2, made=3, by_others=1)])
    assert report.finished
    report.raise_if_unfinished()
    told = json.loads(json.dumps(report.as_dict()))
    assert told["complete"] is True
    assert told["outcomes"] == [
        {
            "name": "a",
            "wanted": 10,
            "already": 2,
            "made": 3,
            "failed": 0,
            "by_others": 1,
            "left": 4,
            "broken": None,
            "size": None,
            "failed_before": 0,
            "other_shards": 0,
            "examples": [],
        }
    ]


def test_what_was_stopped_is_not_complete() -> None:
    report = Report("generate", [Outcome("a", 10, made=3)], stopped=True)
    assert report.as_dict()["complete"] is False
    with pytest.raises(Stopped, match="stopped; everything finished so far is kept"):
        report.raise_if_unfinished()

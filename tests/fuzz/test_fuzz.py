"""Whatever a file holds, a command ends with a right result or with one message that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.judge import FAULTS, Outcome, judge
from tests.fuzz.operators import KINDS, mutate
from tests.fuzz.runner import Fuzz
from tests.fuzz.scenes import prompts_in, tars
from tests.fuzz.targets import TARGETS

PENDING: set[str] = set()
"""Targets with known faults."""

_PENDING = [pytest.mark.xfail(reason="known faults", strict=True, raises=AssertionError)]
FAST = [
    pytest.param(name, marks=_PENDING if name in PENDING else [])
    for name, target in TARGETS.items()
    if target.fast
]
ALL = [pytest.param(name, marks=_PENDING if name in PENDING else []) for name in TARGETS]
SLOW = 20_000


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    with Fuzz(tmp_path_factory.mktemp("fuzz").resolve()) as made:
        yield made


@pytest.mark.parametrize("name", FAST)
def test_a_damaged_file_is_named_or_does_no_harm(name: str, fuzz: Fuzz) -> None:
    _no_fault(fuzz, name, TARGETS[name].fast)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", ALL)
def test_many_damaged_files(name: str, fuzz: Fuzz) -> None:
    _no_fault(fuzz, name, SLOW // len(TARGETS) + 1)


def _no_fault(fuzz: Fuzz, name: str, number: int) -> None:
    wrong = [case for case in fuzz.cases(name, 0, number) if case.fault]
    assert not wrong, f"{len(wrong)} of {number}:\n" + "\n".join(map(str, wrong[:5]))


# -- the fuzz itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_one_mutation(kind: str, tmp_path: Path) -> None:
    data = _sample(kind, tmp_path)
    made = [mutate(data, kind, seed) for seed in range(40)]
    assert [one.data for one in made] == [mutate(data, kind, seed).data for seed in range(40)]
    assert all(one.data != data for one in made)
    assert len({one.what for one in made}) > 15


def _sample(kind: str, folder: Path) -> bytes:
    from tests.ingest.conftest import picture

    if kind in ("png", "jpeg"):
        return picture(0, kind.upper())
    if kind in ("csv", "jsonl", "parquet"):
        return (folder / prompts_in(kind, folder)).read_bytes()
    if kind == "tar":
        tars(folder / kind)
        return (folder / kind / "set.tar").read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    samples = {
        "json": b'{"a": [1, {"b": 2.5}], "c": "text", "d": null}',
        "toml": b'[a]\nb = 1\nc = ["x"]\n\n[d]\ne = "text"\n',
        "card": b"---\nlicense: mit\nconfigs:\n- config_name: a\n---\n# Title\n",
        "safetensors": len(header).to_bytes(8, "little") + header + bytes(4),
    }
    return samples.get(kind, b"some text\nin two lines\n")


RIGHT = {"names": ["a.json"], "expected": "1", "key": "key", "changed": [], "allowed": []}


@pytest.mark.parametrize(
    ("outcome", "changes", "fault"),
    [
        (Outcome(0, "1", "1"), {}, None),
        (Outcome(1, "error: a.json: key: is missing"), {}, None),
        (Outcome(1, "error: a.json:3: is missing"), {}, None),
        (Outcome(0, "2", "2"), {}, "silent"),
        (Outcome(0, "2", "2"), {"expected": None}, None),
        (Outcome(None, "", trace="KeyError: 'x'"), {}, "traceback"),
        (Outcome(None, "", trace="tests.fuzz.judge.Hang: no end"), {}, "hang"),
        (Outcome(1, "error: b.json: key: is missing"), {}, "unnamed"),
        (Outcome(1, "error: a.json is wrong"), {}, "unplaced"),
        (Outcome(1, "error: a.json: KeyError: 'key'"), {}, "wordless"),
        (Outcome(7, "error: a.json: key"), {}, "exit code"),
        (Outcome(0, "1", "1"), {"changed": ["good"]}, "lost"),
        (Outcome(0, "1", "1"), {"changed": ["made/x"], "allowed": ["made/*"]}, None),
    ],
)
def test_the_judge(outcome: Outcome, changes: dict[str, object], fault: str | None) -> None:
    found = judge(outcome, **{**RIGHT, **changes})  # type: ignore[arg-type]
    assert (found and found[0]) == fault
    assert fault is None or fault in FAULTS

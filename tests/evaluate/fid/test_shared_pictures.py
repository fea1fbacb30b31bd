"""FID of models that share pictures: each of them has its own images, shared ones too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synpic.prompts.suites import find_suite
from synpic.prompts.suites.suite import SuiteData
from synpic.shapes.references import scene_of
from tests.cli.conftest import in_process

PROMPTS = [item.prompt for item in find_suite("shapes").read(SuiteData()).items[::60]]


def test_each_model_has_the_pictures_that_it_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, prompt in enumerate(PROMPTS):
        for name in ("one", "two"):
            # They differ in the first alone.
            (tmp_path / name).mkdir(exist_ok=True)
            scene = scene_of(prompt, int(name == "two" and number == 0))
            scene.save(tmp_path / name / f"{prompt}_000001.png")
    rows = [{"item": str(at), "prompt": prompt} for at, prompt in enumerate(PROMPTS)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = in_process(
        *("eval", "--images", "one=one", "--images", "two=two", "--suite", "mine.jsonl"),
        *("--judge", "shapes", "--fid", "world:shapes", "--fid-features", "shapes_clip"),
        *("--to", "report"),
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "report" / "report.json").read_bytes())["fid"]
    n = len(PROMPTS)
    assert [(one["model"], one["n"], one["n_reference"]) for one in found] == [
        ("one", n, n), ("two", n, n),
    ]  # fmt: skip

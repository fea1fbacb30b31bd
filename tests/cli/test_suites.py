"""Suites, through the commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from synpic.registry import SUITES
from tests.cli.conftest import in_process


def test_every_suite_is_listed_without_fetching_anything() -> None:
    rows = {row["name"]: row for row in json.loads(in_process("list", "suites", "--json").stdout)}
    assert rows.keys() == SUITES.builtin.keys()
    assert {name: row["held"] for name, row in rows.items() if row["held"] != "pinned"} == {
        "shapes": "code",
        "shapes_validation": "code",
        "hpdv2": "lock",
        "pickapic": "lock",
    }
    geneval = rows["geneval"]
    assert (geneval["items"], geneval["licence"], geneval["aggregated"]) == (553, "MIT", "tags")
    assert geneval["protocol"]["text"] == "4 images a prompt, 50 steps, guidance 9"
    assert geneval["places"]["evaluation_metadata.jsonl"].startswith("https://raw.github")
    assert rows["dpg"]["judges"]["vlm_questions"] == {"rule": "dpg"}
    shown = in_process("list", "suites").stdout
    for name in rows:
        assert f"\n{name} " in shown


def test_one_suite_is_described() -> None:
    shown = in_process("list", "suites", "dpg").stdout
    for line in (
        "items         1065",
        'judges        vlm_questions (rule = "dpg"); vlm_questions_endpoint (rule = "dpg")',
        "number        mean over prompts of the means over their images",
        "list          pinned",
    ):
        assert line in shown.splitlines()
    assert "quirk         the first row of the list is dropped" in shown
    assert "number        win rates" in in_process("list", "suites", "pickapic").stdout
    own = json.loads(
        in_process("list", "suites", "tests.prompts.suites.test_opening:SMALL", "--json").stdout
    )
    assert (own["name"], own["protocol"]["images"], own["licence"]) == (
        "tests.prompts.suites.test_opening:SMALL",
        3,
        None,
    )
    unknown = in_process("list", "suites", "genevl")
    assert unknown.exit_code == 1
    assert "Did you mean 'geneval'?" in str(unknown.exception)


def test_a_suite_that_does_not_import_is_listed_with_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(SUITES, builtin={**SUITES.builtin, "gone": "synpic.nowhere:SUITE"})
    monkeypatch.setattr("synpic.pipeline.catalogue.SUITES", broken)
    monkeypatch.setattr("synpic.workspace.suite_images.SUITES", broken)
    shown = in_process("list", "suites").stdout
    rows = json.loads(in_process("list", "suites", "--json").stdout)
    (row,) = [one for one in rows if one["name"] == "gone"]
    assert "cannot be imported" in " ".join(shown.split())
    assert row["items"] is None
    assert "synpic.nowhere" in row["summary"]


def workspace(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text)
    return folder


def test_validate_says_what_of_a_suite_is_not_its_protocol(tmp_path: Path) -> None:
    text = (
        '[suite]\nname = "shapes"\nlimit = 12\nimages = 2\n'
        '[models.shapes_unet]\n[models.other]\nmodel = "shapes_unet"\nsteps = 3\n'
    )
    found = in_process("-C", workspace(tmp_path, text), "validate")
    assert found.exit_code == 0, found.output
    lines = " ".join(found.stdout.split())
    assert "12 prompts" in lines
    assert "suite shapes: 12 of 1,304 items; its results are partial" in lines
    assert (
        "models.shapes_unet departs from the protocol of shapes: 2 images a prompt (protocol: 1)"
        in lines
    )
    assert "suite shapes is judged by `shapes`, and there is no [judges.NAME]" in lines


def test_validate_says_where_a_judge_counts_without_quirks(tmp_path: Path) -> None:
    text = (
        '[suite]\nname = "tests.evaluate.test_categories:LISTED"\nlimit = 6\nquirks = "official"\n'
        "[models.shapes_unet]\n[judges.asks]\n"
        'judge = "research.suites.judges:SceneQuestions"\noptions = { rule = "dpg"%s }\n'
    )
    for more, said in (("", True), (', quirks = "official"', False)):
        found = in_process("-C", workspace(tmp_path, text % more), "validate")
        assert found.exit_code == 0, found.output
        assert ("judges.asks counts without" in " ".join(found.stdout.split())) is said


def test_validate_shows_what_was_mended_in_a_list(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "a dog"}\n{"prompt": "a dog"}\n')
    text = '[suite]\nfile = "mine.jsonl"\n[models.shapes_unet]\n'
    found = in_process("-C", workspace(tmp_path, text), "validate")
    assert "suite mine: 1 repeated item left out" in " ".join(found.stdout.split())


def test_images_that_exist_are_matched_with_items(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "mine.jsonl").write_text(
        '{"prompt": "a dog", "tag": "x"}\n{"prompt": "a cat", "tag": "y"}\n'
    )
    folder = tmp_path / "images"
    folder.mkdir()
    for number, caption in enumerate(("a dog", "a dog", "a cow")):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption)
    text = '[suite]\nfile = "mine.jsonl"\n[ingest]\nimages = "images"\n'
    here = workspace(tmp_path, text)
    found = in_process("-C", here, "validate")
    lines = " ".join(found.stdout.split())
    assert found.exit_code == 0, found.output
    assert "suite mine: images of 1 of 2 items; 1 prompt of the images is no item of it" in lines

    from synpic.pipeline.inventory import take_inventory
    from synpic.workspace import Workspace

    assert in_process("-C", here, "generate").exit_code == 0
    prompts = take_inventory(Workspace.open(here)).prompts
    assert prompts.select("prompt", "meta_tag", "meta_item").sort("prompt").rows() == [
        ("a cow", None, None),
        ("a dog", "x", "1"),
    ]
    for number in range(3):
        (folder / f"{number}.txt").write_text("a horse")
    none = in_process("-C", here, "validate")
    assert none.exit_code == 1
    assert "none of the 1 prompt of the images is one of the 2 items of the suite mine" in " ".join(
        none.output.split()
    )

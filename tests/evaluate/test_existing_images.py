"""``synpic eval --images NAME=FOLDER``: images that exist already, in layouts that others have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import new

from synpic.errors import EvaluationError
from synpic.evaluate.existing_images import existing_images
from synpic.prompts.suites import SuiteItem, find_suite
from synpic.prompts.suites.selection import chosen
from synpic.prompts.suites.suite import SuiteData
from synpic.shapes.references import scene_of
from tests.cli.conftest import in_process

ITEMS = chosen(find_suite("shapes").read(SuiteData()).items, None, 48, "shapes")


def save(path: Path, prompt: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scene_of(prompt, 0).save(path)


def as_geneval(folder: Path) -> None:
    for number, item in enumerate(ITEMS):
        at = folder / f"{number:05}"
        save(at / "samples/0000.png", item.prompt)
        (at / "metadata.jsonl").write_text(json.dumps({"tag": item.tag, "prompt": item.prompt}))


def swapped(folder: Path) -> None:
    """Named by item; each shows what the item after the next asks for."""
    for number, item in enumerate(ITEMS):
        save(folder / f"{item.item}_0.png", ITEMS[number - 2].prompt)


def suite_file(folder: Path) -> Path:
    path = folder / "mine.jsonl"
    rows = [{"item": item.item, "prompt": item.prompt, "tag": item.tag} for item in ITEMS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*words: object) -> Any:
    return in_process("eval", *words)


def test_of_two_folders_the_one_whose_images_belong_to_their_prompts_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    as_geneval(tmp_path / "good")
    swapped(tmp_path / "bad")
    words = (
        *("--images", "Good=good", "--images", "bad=bad", "--suite", suite_file(tmp_path)),
        *("--judge", "shapes"),
    )
    planned = run(*words, "--dry-run")
    assert planned.exit_code == 0, planned.output
    counted = run(*words, "--dry-run", "--json")
    assert json.loads(counted.stdout) == {"images": {"good": len(ITEMS), "bad": len(ITEMS)}}
    assert not (tmp_path / "eval-mine").exists()
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["base"], found["prompts"], found["items"]) == ("good", len(ITEMS), len(ITEMS))
    strict = {
        one["model"]: one["mean"]["value"]
        for one in found["measures"][0]["results"]
        if one["tag"] == "overall"
    }
    assert strict["good"] == 1
    # Swapped between prompts, images are right by chance alone.
    assert strict["bad"] < 0.1
    again = run(*words)
    assert again.exit_code == 0, again.output
    assert "bad − good, shapes (unknown): -" in again.output
    assert ": worse" in again.output
    assert "Partial" not in again.output
    to = tmp_path / "report"
    fid = ("--fid", "world:shapes", "--fid-features", "shapes_clip", "--to", to)
    beside = run(*words, *fid)
    assert beside.exit_code == 0, beside.output
    assert "FID: Fréchet distance of" in beside.output
    written = json.loads((to / "report.json").read_bytes())["fid"]
    assert [(one["model"], one["n"]) for one in written] == [
        ("good", len(ITEMS)), ("bad", len(ITEMS)),
    ]  # fmt: skip
    assert "\n## FID\n" in (to / "report.md").read_text("utf-8")


def test_items_without_an_image_make_it_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = suite_file(tmp_path)
    for name in ("a", "b"):
        for item in ITEMS[:12]:
            save(tmp_path / name / f"{item.prompt}_000001.png", item.prompt)
    words = ("--images", "a=a", "--images", "b=b", "--suite", suite, "--judge", "shapes")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert f"Partial: 12 of {len(ITEMS)} items of suite mine" in result.output
    assert "no difference seen in 12 prompts" in result.output


def test_captions_beside_images_say_their_prompts(tmp_path: Path) -> None:
    save(tmp_path / "Ω 1.png", ITEMS[0].prompt)
    (tmp_path / "Ω 1.txt").write_text(ITEMS[0].prompt)
    save(tmp_path / "other.png", ITEMS[1].prompt)
    (tmp_path / "other.txt").write_text("a cat")
    assert existing_images(tmp_path, ITEMS) == [(tmp_path / "Ω 1.png", ITEMS[0].prompt, 0)]


def blank(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    new("RGB", (8, 8)).save(path)
    return path


def test_folders_count_before_names_and_numbers_say_which_image_it_is(tmp_path: Path) -> None:
    items = [SuiteItem(str(number), f"prompt {number}") for number in range(4)]
    for name in ("1/2.png", "2/samples/00003.png", "3_1.png", "0.png"):
        blank(tmp_path / name)
    assert existing_images(tmp_path, items) == [
        (tmp_path / "0.png", "prompt 0", 0),
        (tmp_path / "1/2.png", "prompt 1", 2),
        (tmp_path / "2/samples/00003.png", "prompt 2", 3),
        (tmp_path / "3_1.png", "prompt 3", 1),
    ]
    blank(tmp_path / "0_0.png")
    with pytest.raises(EvaluationError, match=r"0\.png and 0_0\.png are both image 0 of"):
        existing_images(tmp_path, items)


def test_a_caption_counts_before_a_name(tmp_path: Path) -> None:
    items = [SuiteItem(str(number), f"prompt {number}") for number in range(2)]
    blank(tmp_path / "1.png").with_suffix(".txt").write_text("prompt 0")
    assert existing_images(tmp_path, items) == [(tmp_path / "1.png", "prompt 0", 0)]


def test_an_image_that_is_not_there_leaves_its_pair_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    suite = suite_file(tmp_path)
    for number, item in enumerate(ITEMS[:12]):
        # Image 0 is wrong and image 1 right, of both; the second lacks the first of some.
        for model in ("a", "b"):
            wrong = ITEMS[number - 2].prompt
            if model == "a" or number % 2:
                save(tmp_path / model / item.item / "0.png", wrong)
            save(tmp_path / model / item.item / "1.png", item.prompt)
    words = ("--images", "a=a", "--images", "b=b", "--suite", suite, "--judge", "shapes", "--json")
    found = json.loads(run(*words).stdout)
    (b,) = (
        one
        for one in found["measures"][0]["results"]
        if (one["model"], one["tag"]) == ("b", "overall")
    )
    assert (b["missing"], b["difference"]["mean"]["value"]) == (6, 0)
    assert b["difference"]["ties"] == b["difference"]["mean"]["n"] == 18
    assert found["models"]["b"]["protocol"][0].startswith("its images existed already")


def refused(*words: object) -> str:
    result = run(*words)
    assert isinstance(result.exception, EvaluationError), result.output
    return result.exception.message


def test_mistakes_are_named_and_leave_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    as_geneval(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    save(tmp_path / "unknown/cat.png", ITEMS[0].prompt)
    (tmp_path / "unknown/cat.txt").write_text("a cat")
    suite = ("--suite", suite_file(tmp_path), "--judge", "shapes")
    good = ("--images", "good=good")
    assert "two models or more" in refused(*good, *suite)
    assert "expected NAME=FOLDER" in refused(*good, "--images", "bad", *suite)
    assert "there is no such folder" in refused(*good, "--images", "b=gone", *suite)
    assert "empty: no image of it says" in refused(*good, "--images", "b=empty", *suite)
    none = refused(*good, "--images", "b=unknown", *suite)
    assert "none of its 1 image has a prompt of the suite" in none
    base = refused(*good, "--images", "b=good", "--base", "c", *suite)
    assert "--base c: no --images are called so" in base
    assert "either drawn by MODEL or named" in refused("shapes_unet", *good, *suite)
    (tmp_path / "good/00000/metadata.jsonl").write_text("[]")
    assert "it is no item of GenEval" in refused(*good, "--images", "b=good", *suite)
    assert not (tmp_path / "eval-mine").exists()

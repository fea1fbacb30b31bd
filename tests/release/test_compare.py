from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synpic.publish import publish_to
from synpic.release.compare import Level, VersionChange
from synpic.release.compare import compare as compare_manifests
from synpic.release.versions import Version
from synpic.release.versions import suggest as suggest_version
from synpic.workspace import Workspace
from tests.conftest import edit
from tests.publish.fixtures import TWO_SPLITS, build, hashed_score, picture, recipe
from tests.release.manifests import as_manifest

Manifest = dict[str, Any]


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Manifest]:
    """The manifest of a release, made from a workspace of its own."""
    number = 0

    def make(text: str | None = None, prompts: Any = TWO_SPLITS, **how: Any) -> Manifest:
        nonlocal number
        number += 1
        workspace = build(tmp_path / f"set-{number}", prompts, text=text, **how)
        return published(workspace, tmp_path / f"out-{number}")

    return make


def published(workspace: Workspace, folder: Path, **how: Any) -> Manifest:
    publish_to(workspace, folder, **how)
    loaded: Manifest = json.loads((folder / "manifest.json").read_text())
    return loaded


def compare(old: Manifest, new: Manifest) -> list[VersionChange]:
    return compare_manifests(as_manifest(old), as_manifest(new))


def suggest(
    old: Manifest | None, new: Manifest, latest: Version | None
) -> tuple[Version, list[str]] | None:
    return suggest_version(None if old is None else as_manifest(old), as_manifest(new), latest)


def changed(old: Manifest, new: Manifest) -> tuple[Level, list[str]]:
    """The highest level, and all lines; the same without the hashes of the new files."""
    found = compare(old, new)
    assert compare(old, {**new, "files": {}}) == found
    assert [change.level for change in found] == sorted(
        (change.level for change in found), reverse=True
    )
    return found[0].level, [change.text for change in found]


def test_the_same_is_the_same(release: Callable[..., Manifest]) -> None:
    old, new = release(), release()
    assert compare(old, new) == []
    assert suggest(old, {**new, "version": "7.0.0"}, Version(1, 2, 3)) is None


def test_prompts(release: Callable[..., Manifest]) -> None:
    new = release(prompts=[*TWO_SPLITS, ("one more", "train")])
    assert changed(release(), new) == (Level.MINOR, ["6 prompts from prompts.txt, were 5"])


def test_another_prompt_for_one(release: Callable[..., Manifest]) -> None:
    new = release(prompts=[*TWO_SPLITS[:4], ("another", "validation")])
    assert changed(release(), new) == (Level.MINOR, ["other prompts, images or scores"])


def test_models_come_and_go_and_change(release: Callable[..., Manifest]) -> None:
    two, three = release(recipe(("alpha", "beta"))), release()
    # image_2 comes and goes with the third model, and is no break.
    assert changed(two, three) == (Level.MINOR, ["model `gamma` added"])
    assert changed(three, two) == (Level.MINOR, ["model `gamma` removed"])
    steps = release(recipe(steps=7))
    level, lines = changed(three, steps)
    assert level is Level.MINOR
    assert "model `alpha` draws with other settings" in lines
    level, lines = changed(three, release(recipe(samples=2)))
    assert level is Level.MINOR
    assert "model `alpha`: 2 images a prompt, were 1" in lines


def test_rewards_come_and_go(release: Callable[..., Manifest]) -> None:
    both = release()
    text = recipe()
    one = release(text[: text.index("[rewards.greenness]")])
    assert changed(both, one) == (Level.MINOR, ["reward `greenness` removed"])
    assert changed(one, both) == (Level.MINOR, ["reward `greenness` added"])


def test_missing_images_made(release: Callable[..., Manifest]) -> None:
    some = release(keep=lambda row: row["prompt"] != "a red circle" or row["model"] != "beta")
    assert changed(some, release()) == (Level.MINOR, ["model `beta`: 5 images, were 4"])


def test_a_score_or_a_pixel_that_changed(release: Callable[..., Manifest]) -> None:
    def other_score(reward: str, row: dict[str, Any]) -> float:
        # Too little to move a rank or a bin.
        return hashed_score(reward, row) + (1e-6 if row["model"] == "alpha" else 0)

    def other_pixels(row: dict[str, Any]) -> bytes:
        return picture({"candidate_id": row["candidate_id"] + "!"})

    old = release()
    said = ["other prompts, images or scores"]
    assert changed(old, release(score=other_score)) == (Level.MINOR, said)
    assert changed(old, release(draw=other_pixels)) == (Level.MINOR, said)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ('[ranking]\naggregation = "borda"\n', "ranked by `borda`, was `win-rate`"),
        ('[ranking]\nties = "ordinal"\n', "ties: `ordinal`, was `competition`"),
        ('[ranking]\nrewards = ["redness"]\n', "reward `greenness` no longer ranks"),
    ],
)
def test_the_rule_of_ranking(release: Callable[..., Manifest], more: str, line: str) -> None:
    old, new = release(), release(recipe(more=more))
    level, lines = changed(old, new)
    assert level is Level.MAJOR
    assert line in lines
    assert changed(new, old)[0] is Level.MAJOR


def test_weights(release: Callable[..., Manifest]) -> None:
    text = recipe().replace("[rewards.greenness]\n", "[rewards.greenness]\nweight = 0.5\n")
    assert changed(release(), release(text)) == (
        Level.MAJOR,
        ["reward `greenness` weighs 0.5, weighed 1"],
    )


def test_tables(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set")
    one = published(workspace, tmp_path / "one", configs=["ranked"])
    two = published(workspace, tmp_path / "two", configs=["ranked", "scores"])
    assert changed(one, two) == (Level.MINOR, ["config `scores` added"])
    assert changed(two, one) == (Level.MAJOR, ["config `scores` removed"])
    newer = {**two, "schema_version": two["schema_version"] + 1}
    assert changed(two, newer)[0] is Level.MAJOR


def test_splits(release: Callable[..., Manifest]) -> None:
    old, new = release(), release(prompts=TWO_SPLITS[:3])
    level, lines = changed(old, new)
    assert level is Level.MAJOR
    assert "split `validation` of `ranked` removed" in lines
    assert changed(new, old)[0] is Level.MINOR


def test_columns(release: Callable[..., Manifest]) -> None:
    old = release()
    columns = old["features"]["scores"]
    less = {**old, "features": {**old["features"], "scores": columns[1:]}}
    assert changed(old, less) == (Level.MAJOR, ["column `candidate_id` of `scores` removed"])
    assert changed(less, old) == (Level.MINOR, ["column `candidate_id` of `scores` added"])
    typed = [{"name": "candidate_id", "dtype": "int64"}, *columns[1:]]
    other = {**old, "features": {**old["features"], "scores": typed}}
    assert changed(old, other) == (
        Level.MAJOR,
        ["column `candidate_id` of `scores` has another type"],
    )


def test_how_pairs_are_chosen(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set")
    old = published(workspace, tmp_path / "one", configs=["pairwise"])
    workspace = edit(workspace, recipe(more='[records]\npairs = "all"\n'))
    level, lines = changed(old, published(workspace, tmp_path / "two", configs=["pairwise"]))
    assert level is Level.MAJOR
    assert "pairs of `pairwise` are chosen by `all`, was `best-worst`" in lines


def test_the_card_alone(release: Callable[..., Manifest]) -> None:
    old, new = release(), release(recipe(more='[publish]\nlicense = "mit"\n'))
    assert changed(old, new) == (Level.PATCH, ["the recipe was edited; no row changed"])
    assert suggest(old, new, Version(1, 2, 3)) == (
        Version(1, 2, 4),
        ["the recipe was edited; no row changed"],
    )
    assert changed(old, {**old, "synpic": "9.0"}) == (
        Level.PATCH,
        [f"published with synpic 9.0, was {old['synpic']}"],
    )
    told = [{**old["models"][0], "licence": "mit"}, *old["models"][1:]]
    assert changed(old, {**old, "models": told}) == (
        Level.PATCH,
        ["the manifest says otherwise under `models`"],
    )


def test_the_publishers_own_words_are_no_release(release: Callable[..., Manifest]) -> None:
    old = release()
    files = {**old["files"], "README.md": {"sha256": "0" * 64, "bytes": 1}}
    assert compare(old, {**old, "files": files}) == []


def test_what_a_later_synpic_adds_is_a_patch(release: Callable[..., Manifest]) -> None:
    old = release()
    new = {**old, "generations": 1, "counts": {**old["counts"], "judged": 3}}
    line = "the manifest says otherwise under `counts`, `generations`"
    assert changed(old, new) == (Level.PATCH, [line])
    assert suggest(old, new, None) == (Version(1, 0, 0), ["First release."])

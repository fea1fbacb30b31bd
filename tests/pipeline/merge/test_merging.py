"""Workspaces merged: what comes of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synpic
from synpic import Workspace, merge_workspaces, status
from synpic.errors import WorkspaceError
from synpic.workspace.marks import Mark, Marks, read_marks, write_marks
from tests.conftest import corrupt_parts
from tests.pipeline.merge.splitting import MODELS, PROMPTS, REWARDS, begin, make, split
from tests.pipeline.merge.using import halves, merge, ranked, refused


def tables(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.parquet")}


def test_a_set_split_by_prompts_is_published_byte_for_byte(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    merged = merge("A", "B")
    assert ranked(merged).equals(ranked(whole))
    for workspace, out in ((whole, here / "whole"), (merged, here / "merged")):
        synpic.publish_to(workspace, out, configs=["ranked", "scores", "images", "pairwise"])
    assert tables(here / "merged") == tables(here / "whole")
    assert len(tables(here / "merged")) == 8


def test_shards_on_machines_that_share_no_disk(whole: Workspace, here: Path) -> None:
    for number, name in enumerate("AB", 1):
        workspace = begin(here / name)
        synpic.generate_candidates(workspace, shard=synpic.Shard(number, 2), device="cpu")
        synpic.score_candidates(workspace, device="cpu")
        assert any(count.missing for count in status(workspace).counts)
    merged = merge("A", "B")
    assert ranked(merged).equals(ranked(whole))
    assert all((c.missing, c.doubled) == (0, 0) for c in status(merged).counts)


def test_nothing_is_made_again_and_the_others_stay(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    before = {path: path.read_bytes() for path in here.rglob("part-*")}
    merged = merge("A", "B")
    found, first = status(merged), status(whole)
    assert [(c.name, c.done, c.failed, c.missing) for c in found.counts] == [
        (c.name, c.done, c.failed, c.missing) for c in first.counts
    ]
    assert any(count.failed for count in found.counts)
    assert not found.unused
    assert {path: path.read_bytes() for path in before} == before
    assert corrupt_parts(merged) == []
    report = synpic.generate_candidates(merged, device="cpu")
    assert sum(one.made for one in report.outcomes) == 0


def test_parts_are_hard_links(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    done = merge_workspaces(["A", "B"], "C")
    parts = [path.relative_to("C") for path in Path("C").rglob("part-*")]
    assert done.parts_linked == len(parts) > 10
    assert done.bytes_linked == sum((Path("C") / part).stat().st_size for part in parts)
    assert (done.parts_copied, done.bytes_copied) == (0, 0)
    for part in parts:
        assert any(
            (Path(one) / part).exists() and (Path(one) / part).samefile(Path("C") / part)
            for one in "AB"
        )
    shutil.rmtree("A")
    shutil.rmtree("B")
    assert ranked(Workspace.open("C")).equals(ranked(whole))


def test_parts_are_copied_where_there_are_no_links(
    whole: Workspace, here: Path, no_links: None
) -> None:
    halves(whole, here)
    seen: list[tuple[int, int]] = []
    done = merge_workspaces(["A", "B"], "C", on_progress=lambda *now: seen.append(now))
    assert done.parts_copied > 10
    assert done.parts_linked == done.bytes_linked == 0
    assert seen == sorted(seen)
    assert seen[-1] == (2 * done.parts_copied, 2 * done.parts_copied)
    assert ranked(Workspace.open("C")).equals(ranked(whole))
    part = next(Path("A").rglob("candidates/*/part-*"))
    assert not (Path("C") / part.relative_to("A")).samefile(part)


def test_a_workspace_at_an_address(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    elsewhere = Workspace("memory://merge-b")
    for path in Path("B").rglob("*"):
        if path.is_file():
            data = path.read_bytes().replace(b"../weights", bytes(here / "weights"))
            elsewhere.store.write(
                path.relative_to("B").as_posix(),
                data if path.suffix == ".toml" else path.read_bytes(),
            )
    done = merge_workspaces(["A", "memory://merge-b"], "C")
    assert done.parts_linked
    assert done.parts_copied
    assert ranked(Workspace.open("C")).equals(ranked(whole))
    with pytest.raises(WorkspaceError, match="is an address"):
        merge_workspaces(["A", "B"], "memory://c")


def test_comments_and_paths(whole: Workspace, here: Path) -> None:
    (here / "deep").mkdir()
    split(whole, here / "A", models=["one"])
    split(whole, here / "B", models=["two", "three"])
    merged = merge("A", "B", to="deep/C")
    text = (here / "deep" / "C" / "recipe.toml").read_text()
    for comment in ("# prompts of my own", "# one draws noise", "# steps of three"):
        assert comment in text
    recipe = merged.snapshot().recipe
    assert list(recipe.models) == list(MODELS)
    assert {model.checkpoint for model in recipe.models.values()} == {"../../weights"}
    assert recipe.prompts is not None
    assert recipe.prompts.file == "prompts.csv"
    assert (here / "deep" / "C" / "prompts.csv").read_bytes() == Path("A/prompts.csv").read_bytes()
    assert ranked(merged).equals(ranked(whole))
    assert all(c.missing == 0 for c in status(merged).counts)


def test_prompts_of_two_files_keep_source_split_and_columns(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    merged = merge("A", "B")
    for _ in range(2):
        prompts = synpic.pipeline.inventory.take_inventory(merged).prompts
        theirs = [synpic.pipeline.inventory.take_inventory(Workspace.open(n)).prompts for n in "AB"]
        assert prompts.equals(pl.concat(theirs))
        assert prompts["source"].n_unique() == 2
        assert prompts["meta_topic"].n_unique() == 4
        # Made again from the joined file, it is the same.
        (here / "C" / "prompts.parquet").unlink()


@pytest.mark.parametrize("name", ["Ünïcode ☃", "with space", "x" * 200])
def test_names_of_folders(whole: Workspace, here: Path, name: str) -> None:
    split(whole, here / f"A {name}"[:240], PROMPTS[:8])
    split(whole, here / f"B {name}"[:240], PROMPTS[8:])
    merged = merge(f"A {name}"[:240], f"B {name}"[:240], to=f"C {name}"[:240])
    assert ranked(merged).equals(ranked(whole))


def test_a_source_of_prompts_and_weights_that_are_away(whole: Workspace, here: Path) -> None:
    for name, half in (("A", PROMPTS[:8]), ("B", PROMPTS[8:])):
        status(split(whole, here / name, half))
        (here / name / "prompts.csv").unlink()
    shutil.copytree("A", "copy")
    shutil.rmtree("weights")
    merged = merge("A", "B")
    assert ranked(merged).equals(ranked(whole))
    alone = merge("A", "copy", to="D")
    prompts = alone.snapshot().recipe.prompts
    assert prompts is not None
    assert prompts.file == "../A/prompts.csv"
    assert ranked(alone).equals(ranked(Workspace.open("A")))


def test_workspaces_in_which_nothing_was_made(here: Path) -> None:
    begin(here / "A", PROMPTS[:2])
    begin(here / "B", PROMPTS[2:5], models=["one"])
    merged = merge("A", "B")
    assert [(c.wanted, c.done) for c in status(merged).counts[:3]] == [(10, 0)] * 3


def test_three_and_two_copies_of_one(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    shutil.copytree("A", "copy")
    merged = merge("A", "copy", "B")
    assert ranked(merged).equals(ranked(whole))
    assert not any(count.doubled for count in status(merged).counts)
    again = merge("C", "A", to="D")
    assert ranked(again).equals(ranked(whole))


def test_what_failed_in_one_and_not_in_the_other(whole: Workspace, here: Path) -> None:
    split(whole, here / "A")
    split(whole, here / "B")
    failed = Workspace.open("A")
    rows = failed.read(failed.parts("failures"), synpic.workspace.tables.FAILURES)
    rewards = [f for f in failed.folders("scores") if f.startswith("scores/red-")]
    scores = failed.read(failed.parts(rewards[0]), synpic.workspace.tables.SCORES)
    one = scores["candidate_id"][0]
    row = rows.head(1).with_columns(
        candidate_id=pl.lit(one), name=pl.lit("red"), fingerprint=scores["fingerprint"].head(1)
    )
    schema = synpic.workspace.tables.FAILURES
    failed.write_part("failures", row.to_arrow().cast(schema), {})
    for path in Path("A").glob("scores/red-*/*"):
        path.unlink()
    assert [c.failed for c in status(failed).counts if c.name == "red"] == [1]
    merged = merge("A", "B")
    assert [(c.failed, c.missing) for c in status(merged).counts if c.name == "red"] == [(0, 0)]
    assert ranked(merged).equals(ranked(whole))


def test_marks_are_joined(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    x, y, z = ("1" * 32, "2" * 32, "3" * 32)
    write_marks(
        Workspace.open("A").store,
        Marks(candidates={x: Mark(star=True, note="a"), y: Mark(drop=True)}),
    )
    write_marks(
        Workspace.open("B").store,
        Marks(candidates={x: Mark(keep=True, note="b"), z: Mark(star=True)}),
    )
    marks = read_marks(merge("A", "B").store).candidates
    assert marks == {
        x: Mark(star=True, keep=True, note="a\nb"),
        y: Mark(drop=True),
        z: Mark(star=True),
    }


def _images(folder: Path) -> None:
    from PIL import Image

    folder.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"prompt {number // 2}")


def test_ingested_images_with_rewards_in_two_workspaces(here: Path) -> None:
    _images(here / "images")
    text = '[ingest]\nimages = "../images"\n[rewards.{0}]\nreward = "tests.fakes:{0}ness"\n'
    for name, reward in (("A", "red"), ("B", "blue")):
        (here / name).mkdir()
        make(Workspace.create(here / name, text.format(reward)))
    merged = merge("A", "B")
    assert [(c.done, c.missing) for c in status(merged).counts] == [(4, 0)] * 3
    split_up = begin(here / "D")
    assert split_up
    assert "[ingest]: set in A, not set in D" in refused("A", "D", to="E")


@pytest.mark.parametrize("behind", ["to", "sources", "both"])
def test_paths_behind_symbolic_links(whole: Workspace, here: Path, behind: str) -> None:
    (here / "real" / "deep").mkdir(parents=True)
    sources = here if behind == "to" else here / "real" / "deep"
    halves(whole, sources)
    for name in "AB":
        status(Workspace.open(sources / name))
        if behind != "to":
            (here / name).symlink_to(sources / name)
    (here / "link").symlink_to("real/deep")
    to = "C" if behind == "sources" else "link/C"
    merged = merge("A", "B", to=to)
    for model in merged.snapshot().recipe.models.values():
        assert (Path(to) / model.checkpoint / "model.bin").samefile(sources / "weights/model.bin")
    assert ranked(merged).equals(ranked(whole))
    assert {one.source for one in merged.snapshot().lock.entries} == {
        model.checkpoint for model in merged.snapshot().recipe.models.values()
    }


def test_images_behind_a_symbolic_link(here: Path) -> None:
    (here / "real").mkdir()
    _images(here / "real" / "images")
    text = '[ingest]\nimages = "../images"\n[rewards.{0}]\nreward = "tests.fakes:{0}ness"\n'
    for name, reward in (("A", "red"), ("B", "blue")):
        (here / "real" / name).mkdir()
        make(Workspace.create(here / "real" / name, text.format(reward)))
        (here / name).symlink_to(f"real/{name}")
    (here / "deep" / "er").mkdir(parents=True)
    (here / "link").symlink_to("deep/er")
    for to in ("C", "link/D", "link/../E"):
        ingest = merge("A", "B", to=to).snapshot().recipe.ingest
        assert ingest is not None
        assert (Path(to) / str(ingest.images)).samefile(here / "real" / "images")


def test_the_name_of_a_symbolic_link_stays(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    (here / "weights").rename(here / "version-3")
    (here / "weights").symlink_to("version-3")
    models = merge("A", "B").snapshot().recipe.models.values()
    assert {model.checkpoint for model in models} == {"../weights"}


SPLITS = {"prompts": PROMPTS, "models": list(MODELS), "rewards": list(REWARDS)}


@pytest.mark.parametrize("what", SPLITS)
@settings(max_examples=settings.default.max_examples // 10)
@given(data=st.data())
def test_any_split_ranks_as_the_whole(whole: Workspace, what: str, data: st.DataObject) -> None:
    every = SPLITS[what]
    sides = data.draw(st.lists(st.sampled_from("ABX"), min_size=len(every), max_size=len(every)))
    first = [one for one, side in zip(every, sides, strict=True) if side in "AX"] or every[:1]
    second = [one for one in every if one not in first or data.draw(st.booleans())] or every[:1]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for name, chosen in (("A", first), ("B", second)):
            split(whole, here / name, **{what: chosen})  # type: ignore[arg-type]
        if what == "prompts" and set(first) | set(second) < set(every):
            return
        merge_workspaces([here / "A", here / "B"], here / "C")
        merged = Workspace.open(here / "C")
        assert ranked(merged).equals(ranked(whole))
        assert all(count.missing == 0 for count in status(merged).counts)

"""What workspaces do not agree on, each with its name and both values."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import synpic
from synpic import Workspace, ids, merge_workspaces, status
from synpic.errors import WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.workspace.marks import Mark, Marks, write_marks
from tests.conftest import edit
from tests.pipeline.merge.splitting import MODELS, PROMPTS, begin, recipe_of, split
from tests.pipeline.merge.using import halves, merge, ranked, refused


def test_recipes_that_differ(whole: Workspace, here: Path) -> None:
    split(whole, here / "A", PROMPTS[:8])
    b = split(whole, here / "B", PROMPTS[8:])
    text = b.store.read("recipe.toml").decode()
    text = text.replace("steps = 5", "steps = 30").replace("weight = 0.5", "weight = 2.0")
    edit(b, 'seed = 7\n[ranking]\nties = "ordinal"\n[safety]\nwords = "w.txt"\n' + text)
    (here / "B" / "w.txt").write_text("word\n")
    message = refused("A", "B")
    for line in (
        "[models.one] steps: 5 in A, 30 in B",
        "[rewards.blue] weight: 0.5 in A, 2.0 in B",
        "seed: 0 in A, 7 in B",
        '[ranking] ties: "competition" in A, "ordinal" in B',
        "[safety]: not set in A, set in B",
    ):
        assert f"  {line}\n" in f"{message}\n"
    assert message.startswith("the workspaces say different things (5 clashes)")


def test_one_model_under_two_names(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    b = Workspace.open("B")
    edit(b, b.store.read("recipe.toml").decode().replace("[models.one]", "[models.uno]"))
    line = "[models.one] in A and [models.uno] in B are one model, which draws the same images"
    message = refused("A", "B")
    assert line in message
    assert "(1 clash)" in message


def test_weights_count_by_content(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    for name, content in (("A", b"weights"), ("B", b"weights")):
        workspace = Workspace.open(name)
        (here / name / "own").mkdir()
        (here / name / "own" / "model.bin").write_bytes(content)
        text = workspace.store.read("recipe.toml").decode()
        edit(workspace, text.replace("../weights", "own"))
        status(workspace)
    merged = merge("A", "B")
    checkpoints = {m.checkpoint for m in merged.snapshot().recipe.models.values()}
    assert checkpoints == {"../A/own"}
    assert ranked(merged).equals(ranked(whole))
    shutil.rmtree("C")
    (here / "B" / "own" / "model.bin").write_bytes(b"others")
    (here / "B" / "recipe.lock").unlink()
    message = refused("A", "B")
    assert '[models.one] checkpoint: "own" (' in message


def test_one_recipe_for_all(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    b = Workspace.open("B")
    edit(b, b.store.read("recipe.toml").decode().replace("weight = 0.5", "weight = 2.0"))
    assert "weight: 0.5 in A, 2.0 in B" in refused("A", "B")
    text = recipe_of("weights")
    _, _, models = text.partition("# one draws")
    (here / "all.toml").write_text(f"# mine\n# one draws{models}")
    assert ranked(merge("A", "B", recipe="all.toml")).equals(ranked(whole))
    assert (here / "C" / "recipe.toml").read_text().startswith("# mine")
    (here / "all.csv").write_bytes(Path(whole.store.path("prompts.csv")).read_bytes())
    (here / "all.toml").write_text(text.replace("prompts.csv", "all.csv"))
    assert ranked(merge("A", "B", to="D", recipe="all.toml")).equals(ranked(whole))
    assert (here / "D" / "all.csv").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 5", "steps = 60", "does not want 16 images of A: 16 of one"),
        ("samples = 2", "samples = 1", "does not want 24 images of A: 8 of one, 8 of three, 8 of"),
        ("often_picky", "picky", "does not use scores/picky-.* of A, but scores/picky-"),
        ("[models.one]", "[models.uno]", "does not want 16 images of A: 16 of one"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_recipe_that_does_not_fit(
    whole: Workspace, here: Path, old: str, new: str, message: str, dry_run: bool
) -> None:
    halves(whole, here)
    text = recipe_of("weights").replace('file = "prompts.csv"', 'file = "joined-prompts.parquet"')
    (here / "all.toml").write_text(text.replace(old, new))
    with pytest.raises(WorkspaceError, match=message):
        merge_workspaces(["A", "B"], "C", recipe="all.toml", dry_run=dry_run)
    assert sorted(path.name for path in here.iterdir()) == ["A", "B", "all.toml", "weights"]


def test_a_prompt_that_differs(whole: Workspace, here: Path) -> None:
    split(whole, here / "A", PROMPTS[:9])
    split(whole, here / "B", PROMPTS[8:])
    file = here / "B" / "prompts.csv"
    written = file.read_text()
    file.write_text(written.replace("topic 0", "another", 1).replace("test", "later", 1))
    message = refused("A", "B")
    prompt = ids.prompt_id(PROMPTS[8])
    assert (
        f"split of 1 prompt differs in A and B: {prompt}; of the first, 'test' in A, 'later' in B"
        in message
    )
    assert f"meta_topic of 1 prompt differs in A and B: {prompt}" in message
    file.write_text("prompt,split,topic\n" + f"{PROMPTS[8]},test,topic 0\n")
    (here / "B" / "prompts.jsonl").write_text(
        f'{{"prompt": "{PROMPTS[8]}", "split": "test", "topic": 3}}\n'
    )
    b = Workspace.open("B")
    edit(b, b.store.read("recipe.toml").decode().replace("prompts.csv", "prompts.jsonl"))
    assert "column meta_topic: string in A, int64 in B" in refused("A", "B")


def test_a_column_that_is_empty_in_one(whole: Workspace, here: Path) -> None:
    for name, topic in (("A", "null"), ("B", '"animals"')):
        split(whole, here / name, PROMPTS[:1] if name == "A" else PROMPTS[1:2])
        prompt = PROMPTS["AB".index(name)]
        (here / name / "prompts.jsonl").write_text(
            f'{{"prompt": "{prompt}", "topic": {topic}, "size": {len(name)}}}\n'
        )
        workspace = Workspace.open(name)
        text = workspace.store.read("recipe.toml").decode()
        edit(workspace, text.replace("prompts.csv", "prompts.jsonl"))
    for number, order in enumerate(("AB", "BA")):
        merged = merge(*order, to=f"C{number}")
        prompts = take_inventory(merged).prompts
        assert sorted(prompts["meta_topic"], key=str) == [None, "animals"]
        assert prompts["meta_size"].to_list() == [1, 1]


def _with_prompts(folder: Path, rows: str, columns: str) -> None:
    """A workspace in which nothing was made, with prompts in lines of CSV."""
    workspace = begin(folder)
    (folder / "own.csv").write_text(f"prompt{columns}\n{rows}\n")
    edit(workspace, workspace.store.read("recipe.toml").decode().replace("prompts.csv", "own.csv"))


@pytest.mark.parametrize("order", list(itertools.permutations("ABD")))
def test_a_column_that_some_of_three_lack(here: Path, order: tuple[str, ...]) -> None:
    _with_prompts(here / "A", "a cat", "")
    _with_prompts(here / "B", "a dog,large,x", ",size,size_other")
    _with_prompts(here / "D", "a cat,small,y\na fox,small,z", ",size,size_other")
    prompts = take_inventory(merge(*order)).prompts
    sizes = dict(prompts.select("prompt", "meta_size").iter_rows())
    assert sizes == {"a cat": "small", "a dog": "large", "a fox": "small"}
    assert dict(prompts.select("prompt", "meta_size_other").iter_rows())["a cat"] == "y"


def test_a_clash_names_the_workspace_that_has_the_value(here: Path) -> None:
    _with_prompts(here / "A", "a cat", "")
    _with_prompts(here / "B", "a cat,small\na dog,small", ",size")
    _with_prompts(here / "D", "a cat,large\na dog,small\na fox,x", ",size")
    _with_prompts(here / "E", "a cat,small\na fox,y", ",size")
    message = refused("A", "B", "D", "E")
    assert "meta_size of 1 prompt differs in B and D: " in message
    assert "of the first, 'small' in B, 'large' in D" in message
    assert "of the first, 'x' in D, 'y' in E" in message
    assert "in A" not in message
    assert "(2 clashes)" in message


def test_images_drawn_twice(whole: Workspace, here: Path) -> None:
    def other(rows: pl.DataFrame) -> pl.DataFrame:
        from synpic.ids import sha256

        image = rows["image"].struct.unnest()
        data = [one + b" " for one in image["bytes"]]
        changed = pl.Series("bytes", data)
        return rows.with_columns(
            image=pl.DataFrame([changed, image["path"]]).to_struct("image"),
            sha256=pl.Series([sha256(one) for one in data]),
        )

    split(whole, here / "A", PROMPTS[:4])
    split(whole, here / "B", PROMPTS[2:], changes={"candidates": other})
    message = refused("A", "B")
    for name in MODELS:
        line = next(line for line in message.splitlines() if f"candidates/{name}-" in line)
        assert "4 images have one id and other pixels: " in line
        named = line.partition("pixels: ")[2].partition(", …; of the first, ")[0].split(", ")
        assert len(named) == 3
        assert all(len(one) == 32 for one in named)
        assert line.count(" in A and ") == 1


def test_scores_that_differ(whole: Workspace, here: Path) -> None:
    def other(rows: pl.DataFrame) -> pl.DataFrame:
        following = np.nextafter(rows["score"].to_numpy(), np.float32(9))
        first = rows["candidate_id"] == min(rows["candidate_id"])
        return rows.with_columns(score=pl.when(first).then(pl.Series(following)).otherwise("score"))

    split(whole, here / "A", rewards=["red", "blue"])
    split(whole, here / "B", rewards=["red"], changes={"scores": other})
    message = refused("A", "B")
    assert message.count("\n") == 1
    assert "scores/red-" in message
    assert " differ" in message


def test_locks_that_differ(whole: Workspace, here: Path) -> None:
    from synpic.hub.lock import LockEntry

    halves(whole, here)
    for name, digit in (("A", "1"), ("B", "2")):
        entry = LockEntry(kind="model", source="owner/name", revision="main", identity=digit * 40)
        Workspace.open(name).snapshot().lock.remember(entry)
    assert "model owner/name at main: 11111111 in A, 22222222 in B" in refused("A", "B")


def test_marks_that_differ(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    write_marks(Workspace.open("A").store, Marks(prompts={"1" * 32: Mark(drop=True)}))
    write_marks(Workspace.open("B").store, Marks(prompts={"1" * 32: Mark(keep=True)}))
    assert f"{'1' * 32}: drop in A, keep in B" in refused("A", "B")
    shutil.copytree("A", "D")
    write_marks(Workspace.open("D").store, Marks(prompts={"1" * 32: Mark(star=True)}))
    assert f"{'1' * 32}: keep in B, drop in A" in refused("D", "B", "A")


def test_modules_of_ones_own_go_along(whole: Workspace, here: Path) -> None:
    code = "def mine(prompt, image):\n    return float(image.getpixel((0, 0))[0])\n"
    more = '\n[rewards.mine]\nreward = "my_merge_reward:mine"\n'
    halves(whole, here)
    for name in "AB":
        workspace = Workspace.open(name)
        (here / name / "my_merge_reward.py").write_text(code)
        edit(workspace, workspace.store.read("recipe.toml").decode() + more)
        synpic.score_candidates(workspace, device="cpu")
    merged = merge("A", "B")
    assert (here / "C" / "my_merge_reward.py").read_text() == code
    assert [c.missing for c in status(merged).counts if c.name == "mine"] == [0]
    shutil.rmtree("C")
    (here / "B" / "my_merge_reward.py").write_text(code + "\n")
    assert "my_merge_reward.py is not the same in " in refused("A", "B")

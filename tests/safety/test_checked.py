"""Images are checked as they are made: what is kept was checked, and nothing else changes."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synpic import Workspace, generate_candidates, score_candidates
from synpic.engine.failures import HOPELESS
from synpic.engine.task import Item, Made, Row
from synpic.errors import CheckpointError, SafetyError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.tasks import drawing_tasks
from synpic.recipe import SafetySettings
from synpic.safety import Checker, WantedSafety, open_safety, read_words, resolve_safety
from synpic.safety.checked import Checked
from synpic.safety.classifiers import ImageClassifier
from synpic.workspace import tables
from synpic.workspace.parts import read_part
from tests.conftest import MakeRecipe, edit
from tests.fakes import Painter

Save = Callable[..., Path]

WORDS = '[safety]\nwords = "words.txt"\n'


def rows(workspace: Workspace) -> pl.DataFrame:
    workspace = Workspace.open(workspace.store.root)
    return take_inventory(workspace).candidates().sort("candidate_id")


def pixels(workspace: Workspace, found: pl.DataFrame) -> list[Image.Image]:
    reader = workspace.images(workspace.folders("candidates"))
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in reader.read(keys)]


@pytest.fixture
def looking(tmp_path: Path, recipe: MakeRecipe, save_images: Save) -> Workspace:
    """A workspace whose images are looked at, and whose prompts are not."""
    table = f'[safety]\nimages = "{save_images().as_posix()}"\nthreshold = 0.5\n'
    return Workspace.create(tmp_path / "set", recipe(samples=2, more=table))


def test_what_is_not_to_be_checked_says_so(workspace: Workspace) -> None:
    generate_candidates(workspace)
    assert rows(workspace)["flagged"].to_list() == [None] * 20


def test_every_image_is_flagged_as_the_checker_says(looking: Workspace) -> None:
    report = generate_candidates(looking)
    report.raise_if_unfinished()
    found = rows(looking)
    assert found.height == 30
    wanted = resolve_safety(looking.snapshot())
    assert wanted is not None
    checker = open_safety(wanted, looking, "cpu")
    images = pixels(looking, found)
    alone = [
        checker.flags([prompt], [image])[0]
        for prompt, image in zip(found["prompt"], images, strict=True)
    ]
    assert found["flagged"].to_list() == alone
    assert 0 < sum(alone) < 30


def test_a_check_changes_no_id_no_fingerprint_and_no_byte(
    looking: Workspace, tmp_path: Path, recipe: MakeRecipe
) -> None:
    generate_candidates(looking)
    plain = Workspace.create(tmp_path / "plain", recipe(samples=2))
    generate_candidates(plain)
    same = ["candidate_id", "fingerprint", "sha256", "seed", "batch_size"]
    assert rows(looking).select(same).equals(rows(plain).select(same))


def test_prompts_flag_their_images(workspace: Workspace) -> None:
    workspace.store.write("words.txt", b"0-3\nPROMPT 0-7 # this one too\n")
    checked = edit(workspace, workspace.snapshot().recipe_text + WORDS)
    generate_candidates(checked)
    flagged = rows(checked).filter("flagged")
    assert sorted(flagged["prompt"]) == ["prompt 0-3"] * 2 + ["prompt 0-7"] * 2
    assert rows(checked)["flagged"].null_count() == 0


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("left", [b"damaged", None])
def test_the_check_does_not_read_the_prompts_again(
    given: bool, left: bytes | None, workspace: Workspace, tmp_path: Path
) -> None:
    text = workspace.snapshot().recipe_text
    if given:
        images = tmp_path / "images"
        images.mkdir()
        Image.new("RGB", (8, 8), "red").save(images / "0.png")
        (images / "0.txt").write_text("prompt 0-0")
        text = f'[ingest]\nimages = "{images.as_posix()}"\n'
    checked = edit(workspace, text + WORDS)
    checked.store.write("words.txt", b"0-0\n")
    task = drawing_tasks(checked)[0][0]
    want = take_inventory(checked).wanted_candidates()
    expected = dict(want.select("candidate_id", pl.col("prompt") == "prompt 0-0").iter_rows())
    file = Path(checked.store.root) / "prompts.parquet"
    file.unlink()
    if left is not None:
        file.write_bytes(left)
    work = pickle.loads(pickle.dumps(task.opener.open))("cpu", "e1")
    rows = work.do(task.batches[0], task.batches[0], []).rows + work.finish().rows
    work.close()
    flagged = {row["candidate_id"]: row["flagged"] for row in rows}
    assert flagged == {name: expected[name] for name in flagged}
    assert True in flagged.values()


def test_images_from_before_stay_unchecked(workspace: Workspace) -> None:
    generate_candidates(workspace, only=["a"])
    workspace.store.write("words.txt", b"0-3\n")
    checked = edit(workspace, workspace.snapshot().recipe_text + WORDS)
    generate_candidates(checked)
    counts = rows(checked).group_by("model").agg(pl.col("flagged").null_count()).rows()
    assert dict(counts) == {"a": 10, "b": 0}


def test_of_equal_pixels_the_flagged_row_counts(workspace: Workspace) -> None:
    """As two machines leave them, of which one had no [safety] yet, and another a longer list."""
    generate_candidates(workspace, only=["a"])
    (folder,) = workspace.folders("candidates")
    (part,) = workspace.parts(folder)
    drawn = read_part(workspace.store, part, tables.CANDIDATES)
    place = drawn.schema.get_field_index("flagged")
    for flags in ([True, False] + [None] * 8, [False, None] + [False] * 8):
        other = drawn.set_column(place, "flagged", [flags]).cast(tables.CANDIDATES)
        workspace.write_part(folder, other, {})
    found = dict(workspace.candidates([folder]).select("candidate_id", "flagged").iter_rows())
    names = drawn.column("candidate_id").to_pylist()
    assert [found[name] for name in names] == [True, False] + [False] * 8


def test_a_part_says_what_checked_it(workspace: Workspace) -> None:
    workspace.store.write("words.txt", b"0-3\n")
    checked = edit(workspace, workspace.snapshot().recipe_text + WORDS)
    generate_candidates(checked, only=["a"])
    (folder,) = checked.folders("candidates")
    notes = [checked.part_metadata(part).model_dump() for part in checked.parts(folder)]
    assert all(note["safety"].keys() == {"words"} for note in notes)


def test_nothing_is_drawn_that_cannot_be_checked(
    looking: Workspace, recipe: MakeRecipe, save_images: Save
) -> None:
    lacking = edit(looking, recipe(more=WORDS))
    with pytest.raises(SafetyError, match=r"words\.txt: no such file"):
        generate_candidates(lacking)
    nowhere = edit(looking, recipe(more='[safety]\nimages = "./nowhere"\n'))
    with pytest.raises(CheckpointError, match="no such folder"):
        generate_candidates(nowhere)
    empty = save_images("empty")
    (empty / "model.safetensors").write_bytes(b"")
    broken = edit(looking, recipe(more=f'[safety]\nimages = "{empty.as_posix()}"\n'))
    report = generate_candidates(broken)
    assert [type(outcome.broken) for outcome in report.outcomes] == [SafetyError] * 2
    with pytest.raises(Unfinished):
        report.raise_if_unfinished()
    assert not broken.folders("candidates")


def test_an_image_whose_check_fails_is_a_failure(
    looking: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ImageClassifier.prepare
    target = pixels_of_one(looking)

    def prepare(self: ImageClassifier, image: Image.Image) -> Any:
        if np.array_equal(np.asarray(image), target):
            raise ValueError("too much to see")
        return own(self, image)

    monkeypatch.setattr(ImageClassifier, "prepare", prepare)
    report = generate_candidates(looking, only=["a"])
    assert (report.outcomes[0].made, report.outcomes[0].failed) == (19, 1)
    failures = looking.failures("generate")
    assert failures["reason"].to_list() == ["safety check: ValueError: too much to see"]
    assert rows(looking)["flagged"].null_count() == 0
    monkeypatch.setattr(ImageClassifier, "prepare", own)
    again = generate_candidates(looking, only=["a"], retry_failed=True)
    assert again.outcomes[0].made == 1


def pixels_of_one(looking: Workspace) -> np.ndarray:
    """Of an image that is to be drawn: seen in another workspace."""
    other = Workspace.create(
        Path(looking.store.root).parent / "other", looking.snapshot().recipe_text
    )
    generate_candidates(other, only=["a"])
    return np.asarray(pixels(other, rows(other).head(5))[4])


def test_a_checker_that_always_fails_ends_the_model(
    tmp_path: Path, recipe: MakeRecipe, save_images: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object) -> None:
        raise RuntimeError("the eyes are shut")

    monkeypatch.setattr(ImageClassifier, "probabilities", judge)
    table = f'[safety]\nimages = "{save_images().as_posix()}"\n'
    blind = Workspace.create(tmp_path / "set", recipe(prompts=60, more=table))
    report = generate_candidates(blind, only=["a"])
    assert "the eyes are shut" in str(report.outcomes[0].broken)
    assert report.outcomes[0].made == 0
    assert blind.failures("generate").height < HOPELESS[1]
    assert not blind.folders("candidates")


def test_a_checker_short_of_memory_takes_fewer_at_a_time(
    looking: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ImageClassifier.probabilities
    sizes: list[int] = []

    def probabilities(self: ImageClassifier, prepared: Sequence[Any]) -> list[float]:
        sizes.append(len(prepared))
        if len(prepared) > 2:
            raise MemoryError("out of memory")
        return own(self, prepared)

    monkeypatch.setattr(ImageClassifier, "probabilities", probabilities)
    report = generate_candidates(looking, only=["a"])
    assert report.outcomes[0].made == 20
    assert sizes.count(4) == 1
    assert max(sizes[1:]) == 2


class Breaks(Painter):
    """Draws three batches, and none any more."""

    def draw(self, prompts: Sequence[str], *rest: Any) -> np.ndarray:
        self.calls.append(len(prompts))
        if sum(self.calls) > 12:
            raise RuntimeError("the tower fell")
        return super().draw(prompts, *rest)


def test_a_model_that_breaks_condemns_nothing_of_what_it_had_in_hand(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=100).replace("tests.fakes:Painter", f"{__name__}:Breaks", 1)
    workspace = Workspace.create(tmp_path / "set", text + WORDS)
    workspace.store.write("words.txt", b"0-3\n")
    report = generate_candidates(workspace, only=["a"])
    (outcome,) = report.outcomes
    assert "the tower fell" in str(outcome.broken)
    assert (outcome.made, outcome.failed) == (12, 0)
    assert workspace.failures("generate").is_empty()


def test_ingested_images_are_checked_too(tmp_path: Path, save_images: Save) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    modes = ["RGB", "RGBA", "L", "P", "CMYK"]
    for number in range(10):
        noise = np.random.default_rng(number).integers(0, 256, (9, 7, 3), dtype=np.uint8)
        mode = modes[number % 5]
        ending = "jpg" if mode == "CMYK" else "png"
        Image.fromarray(noise).convert(mode).save(folder / f"{number}.{ending}")
        (folder / f"{number}.txt").write_text(f"caption {number // 2}")
    text = f"""
    [ingest]
    images = "../images"
    [safety]
    images = "{save_images().as_posix()}"
    words = "words.txt"
    [rewards.red]
    reward = "tests.fakes:redness"
    """
    workspace = Workspace.create(tmp_path / "set", text)
    workspace.store.write("words.txt", b"caption 4\n")
    score_candidates(workspace).raise_if_unfinished()
    found = rows(workspace)
    wanted = resolve_safety(workspace.snapshot())
    assert wanted is not None
    checker = open_safety(wanted, workspace, "cpu")
    expected = checker.flags(found["prompt"].to_list(), pixels(workspace, found))
    assert found["flagged"].to_list() == expected
    assert found.filter(pl.col("prompt") == "caption 4")["flagged"].to_list() == [True, True]


class Holding:
    """Work that gives each batch's rows one call late, as drawing does."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.closed = False

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        held, self.rows = self.rows, [asdict(item) for item in missing]
        return Made(held, {}, len(held))

    def finish(self) -> Made:
        return self.do([], [], [])

    def close(self) -> None:
        self.closed = True


def test_what_work_holds_back_is_checked_in_the_end(workspace: Workspace) -> None:
    workspace.store.write("words.txt", b"two\n")
    words = read_words(workspace, "words.txt")
    wanted = WantedSafety(SafetySettings(words="words.txt"), words, {})
    checker: Checker = open_safety(wanted, workspace, "cpu")
    prompts = pl.DataFrame({"prompt_id": ["b", "a"], "prompt": ["two", "one"]})
    work = Holding()
    checked = Checked(work, checker, prompts)
    batches = [
        [Item(candidate_id=f"{number}{name}", prompt_id=name) for name in "ab"]
        for number in range(3)
    ]
    made = [checked.do(batch, batch, []) for batch in batches]
    assert [len(one.rows) for one in made] == [0, 0, 2]
    last = checked.finish()
    assert [len(last.rows), last.succeeded, last.failed] == [4, 4, {}]
    assert checked.finish() == Made([], {}, 0)
    checked.close()
    assert work.closed
    flags = {row["candidate_id"]: row["flagged"] for row in made[2].rows + last.rows}
    assert flags == {f"{n}{name}": name == "b" for n in range(3) for name in "ab"}

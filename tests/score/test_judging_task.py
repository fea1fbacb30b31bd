"""Every image is judged once, by what is asked of its prompt, and gets its verdict or a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synpic import Workspace, generate_candidates, ids, score_candidates, status, validate
from synpic.engine.shard import Shard
from synpic.errors import (
    CorruptPart,
    EvaluationError,
    RecipeError,
    RewardError,
    SynpicError,
    Unfinished,
    UnknownName,
)
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.status import JudgedCount
from synpic.pipeline.tasks import judging_tasks
from synpic.readers.images import decode
from synpic.score.judges.judge import Requirement
from synpic.workspace import tables
from synpic.workspace.suite import write_suite
from tests.conftest import MakeRecipe, edit
from tests.fake_judges import Batched, level, reddish

JUDGE = """
[judges.right]
judge = "tests.fake_judges:{}"
batch_size = 8
{}
"""


@pytest.fixture
def drawn(workspace: Workspace, recipe: MakeRecipe) -> Workspace:
    """Ten prompts with three images each."""
    drawn = edit(workspace, recipe(samples=2, more=JUDGE.format("reddish", "")))
    generate_candidates(drawn)
    return drawn


def with_judge(workspace: Workspace, recipe: MakeRecipe, name: str, more: str = "") -> Workspace:
    return edit(workspace, recipe(samples=2, more=JUDGE.format(name, more)))


def verdicts(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).verdicts("right")


def suite_of(workspace: Workspace, spec: dict[str, object] | None = None) -> None:
    """Every prompt of ``workspace`` an item, with a tag and a specification of its own."""
    prompts = take_inventory(workspace).prompts
    rows = [
        {
            "prompt_id": prompt_id,
            "suite": "mine",
            "version": "1",
            "item": str(number),
            "tag": f"tag {number % 2}",
            "spec": json.dumps({"number": number} if spec is None else spec),
        }
        for number, prompt_id in enumerate(prompts["prompt_id"])
    ]
    write_suite(workspace, pa.Table.from_pylist(rows, tables.SUITE))


def test_every_image_is_judged_once(drawn: Workspace) -> None:
    report = score_candidates(drawn)
    assert [(o.name, o.wanted, o.made) for o in report.outcomes][2:] == [("right", 30, 30)]
    rows = verdicts(drawn)
    assert rows.height == 30
    reader = drawn.images(take_inventory(drawn).image_folders())
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    asked = Requirement("")
    assert rows["correct"].to_list() == [reddish(asked, decode(d)) for d in reader.read(keys)]
    assert 0 < rows["correct"].sum() < 30
    assert (rows["correct"] == (rows["reason"] == "")).all()
    again = score_candidates(Workspace.open(drawn.store.root))
    assert (again.outcomes[2].already, again.outcomes[2].made) == (30, 0)
    assert status(drawn).complete
    (right,) = [one for one in status(drawn).counts if one.stage == "judge"]
    assert isinstance(right, JudgedCount)
    number = int(rows["correct"].sum())
    assert right.remarks == (f"{number} of 30 images right ({number / 30:.1%})",)
    assert report.remarks == [f"right: {right.remarks[0]}"]


def test_images_that_are_wanted_no_longer_do_not_count(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    score_candidates(drawn, only=["right"])
    fewer = edit(drawn, recipe(samples=1, more=JUDGE.format("reddish", "")))
    report = score_candidates(fewer, only=["right"])
    right = take_inventory(fewer).verdicts("right")["correct"]
    assert verdicts(fewer).height < 30
    (line,) = report.remarks
    assert line.startswith(f"right: {right.sum()} of {right.len()} images right")


def test_a_class_gets_what_its_suite_asks(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = with_judge(drawn, recipe, "Batched")
    Batched.seen_ahead.clear()
    before = Batched.closed
    plain = take_inventory(workspace).judges[0]
    score_candidates(workspace, only=["right"])
    assert Batched.closed == before + 1
    assert sum(Batched.seen_ahead) == 22  # all batches but the first
    suite_of(workspace)
    judge = take_inventory(workspace).judges[0]
    assert judge.fingerprint != plain.fingerprint
    assert judge.fingerprint_inputs == {
        **plain.fingerprint_inputs,
        "suite": {"name": "mine", "version": "1"},
    }
    assert plain.fingerprint_inputs == {
        "judge": "tests.fake_judges:Batched",
        "version": 3,
        "source": None,
        "checkpoint": None,
        "options": None,
    }
    assert score_candidates(workspace, only=["right"]).outcomes[0].made == 30
    numbers = {id_: n for n, id_ in enumerate(take_inventory(workspace).prompts["prompt_id"])}
    for row in verdicts(workspace).iter_rows(named=True):
        number = numbers[row["prompt_id"]]
        (part,) = row["parts"]
        assert part["question"] == f"tag {number % 2}?"
        assert part["answer"] == str({"number": number})
        assert part["correct"] == row["correct"] == (row["score"] > 0.503)
        assert part["probability"] == row["score"]
    folder = next(one for one in status(workspace).unused if one[0] == plain.folder)
    assert folder[1] == 30


def test_an_item_that_cannot_be_judged_is_named(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = with_judge(drawn, recipe, "Batched")
    suite_of(workspace, {"impossible": True})
    broken = score_candidates(workspace, only=["right"]).outcomes[0].broken
    assert isinstance(broken, EvaluationError)
    assert broken.message == "judges.right: item '0': nothing can judge this"
    # The rewards are scored all the same.
    assert [one.made for one in score_candidates(workspace).outcomes] == [30, 30, 0]


def test_a_suite_that_is_damaged_is_named(drawn: Workspace, recipe: MakeRecipe) -> None:
    suite_of(drawn)
    path = Path(drawn.store.path("suite.parquet"))
    assert not drawn.verify().damaged
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    with pytest.raises(CorruptPart, match=r"suite\.parquet"):
        take_inventory(drawn)
    assert [one.file for one in drawn.verify().damaged] == ["suite.parquet"]


def test_one_prompt_is_asked_one_thing(drawn: Workspace) -> None:
    row = {"prompt_id": "a", "suite": "s", "version": "1", "item": "1", "tag": "", "spec": "{}"}
    rows = [row, {**row, "item": "2", "spec": '{"text": "x"}'}]
    write_suite(drawn, pa.Table.from_pylist(rows, tables.SUITE))
    with pytest.raises(CorruptPart, match="items '1' and '2' ask two things of a prompt"):
        take_inventory(drawn)


def test_who_draws_on_an_image_changes_nothing(drawn: Workspace, recipe: MakeRecipe) -> None:
    """Not for itself later, nor for another that is given the same decoded image."""
    expected = verdicts_of(drawn, recipe, "reddish")
    more = '\n[judges.other]\njudge = "tests.fake_judges:draws_on"\n'
    workspace = with_judge(drawn, recipe, "draws_on", more)
    score_candidates(workspace, together=True)
    inventory = take_inventory(workspace)
    for name in ("right", "other"):
        assert inventory.verdicts(name)["correct"].to_list() == expected


def verdicts_of(workspace: Workspace, recipe: MakeRecipe, name: str) -> list[bool]:
    score_candidates(with_judge(workspace, recipe, name), only=["right"])
    return verdicts(workspace)["correct"].to_list()


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("Affirms", "", "says that a plain grey picture shows 'something red'"),
        ("CannotSeeGrey", "", "cannot judge a plain grey picture: ValueError: no grey"),
        ("yes", "", "calls every one of 16 images of 8 prompts right, and a plain grey picture"),
        ("Graded", "", "gave the score 0.5 to every one of 16 images"),
        ("gives", 'options = { what = "half" }', "gave the score 0.5 to every one of 16 images"),
        ("gives", 'options = { what = "text" }', "a judge gave a str, expected True, False"),
        ("TooFew", "", "gave 7 verdicts for 8 images"),
    ],
)
def test_a_judge_that_says_nothing_is_refused_and_nothing_is_kept(
    drawn: Workspace, recipe: MakeRecipe, name: str, more: str, says: str
) -> None:
    workspace = with_judge(drawn, recipe, name, more)
    report = score_candidates(workspace)
    assert [one.made for one in report.outcomes] == [30, 30, 0]
    broken = report.outcomes[2].broken
    assert isinstance(broken, RewardError)
    assert says in broken.message
    assert workspace.folders("verdicts") == []


@pytest.mark.parametrize(
    ("name", "more", "warned"),
    [
        ("AllRight", "", False),
        ("noisy", "", False),
        ("Graded", "options = { score = 1.0 }", False),
        ("Graded", "options = { parts = 1 }", False),
        ("no", "", True),
        ("Graded", "options = { score = 0.0 }", True),
        ("gives", 'options = { what = "none" }', True),
    ],
)
def test_a_judge_may_say_one_thing_of_all_images(
    drawn: Workspace, recipe: MakeRecipe, name: str, more: str, warned: bool
) -> None:
    """Where its canary was refused, or a grey picture; a weak model may be wrong in everything."""
    workspace = with_judge(drawn, recipe, name, more)
    report = score_candidates(workspace, only=["right"])
    assert (report.outcomes[0].made, report.outcomes[0].broken) == (30, None)
    warnings = [line for line in report.remarks if line.startswith("warning: ")]
    assert len(warnings) == warned
    assert all("right: none of 30 images is right" in line for line in warnings)
    assert [*status(workspace).counts[-1].remarks[1:]] == warnings  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("neither", "neither correct nor score"),
        ("above", "the score is 1.5, expected 0 … 1"),
        ("nan", "the score is nan, expected 0 … 1"),
        ("no_reason", "wrong without a reason"),
        ("part", "part a: probability is -1.0, expected 0 … 1"),
        ("words", "correct is 'yes', expected True, False or None"),
    ],
)
def test_a_verdict_that_cannot_be_kept_is_a_failure_of_its_image(
    drawn: Workspace, recipe: MakeRecipe, what: str, says: str
) -> None:
    options = f'options = {{ what = "{what}", on = "prompt 0-3" }}'
    workspace = with_judge(drawn, recipe, "gives", options)
    outcome = score_candidates(workspace, only=["right"]).outcomes[0]
    assert (outcome.made, outcome.failed, outcome.broken) == (27, 3, None)
    ((stage, name, reason, number),) = status(workspace).failures
    assert (stage, name, number) == ("judge", "right", 3)
    assert says in reason


def test_failures_are_not_tried_again_until_asked(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = with_judge(drawn, recipe, "fussy")
    report = score_candidates(workspace, only=["right"])
    assert (report.outcomes[0].made, report.outcomes[0].failed) == (27, 3)
    assert len(report.outcomes[0].examples) == 3
    with pytest.raises(Unfinished, match="3 of 30 failed"):
        report.raise_if_unfinished()
    again = score_candidates(workspace, only=["right"]).outcomes[0]
    assert (again.failed_before, again.failed, again.made) == (3, 0, 0)
    retried = score_candidates(workspace, only=["right"], retry_failed=True).outcomes[0]
    assert retried.failed == 3
    assert verdicts(workspace)["correct"].null_count() == 3
    assert status(workspace).counts[-1].failed == 3


def test_a_broken_image_fails_alone(drawn: Workspace) -> None:
    folder = take_inventory(drawn).models[0].folder
    (part,) = drawn.parts(folder)
    with drawn.store.open(part) as stream:
        rows = pq.read_table(stream).to_pylist()
    rows[0] |= {"image": {"bytes": b"no picture"}, "sha256": ids.sha256(b"no picture")}
    note = drawn.part_metadata(part)
    drawn.store.remove(part)
    table = pa.Table.from_pylist(rows, tables.CANDIDATES)
    metadata = {"environments": note.environments, "decides": note.fingerprint_inputs}
    drawn.write_part(folder, table, metadata)
    report = score_candidates(drawn)
    assert (report.outcomes[2].made, report.outcomes[2].failed) == (29, 1)


def test_other_pixels_are_judged_anew(drawn: Workspace) -> None:
    score_candidates(drawn)
    folder = take_inventory(drawn).models[0].folder
    (part,) = drawn.parts(folder)
    with drawn.store.open(part) as stream:
        rows = pq.read_table(stream).to_pylist()
    # The first image of the model becomes a copy of its last.
    rows[0] |= {key: rows[-1][key] for key in ("image", "sha256")}
    note = drawn.part_metadata(part)
    drawn.store.remove(part)
    table = pa.Table.from_pylist(rows, tables.CANDIDATES)
    metadata = {"environments": note.environments, "decides": note.fingerprint_inputs}
    drawn.write_part(folder, table, metadata)
    assert verdicts(drawn)["correct"].null_count() == 1
    assert status(drawn).counts[-1].missing == 1
    assert score_candidates(drawn).outcomes[2].made == 1
    rows_now = verdicts(drawn)
    first, last = (
        rows_now.filter(pl.col("candidate_id") == row["candidate_id"])
        for row in (rows[0], rows[-1])
    )
    assert first["correct"].item() == last["correct"].item()


def test_shards_are_apart_and_together_everything(drawn: Workspace) -> None:
    made = [
        score_candidates(drawn, only=["right"], shard=Shard(index, 3)).outcomes[0].made
        for index in (1, 2, 3)
    ]
    assert sum(made) == 30
    assert max(made) < 30
    assert verdicts(drawn)["correct"].null_count() == 0


def test_a_recipe_with_judges_and_no_rewards(drawn: Workspace, recipe: MakeRecipe) -> None:
    text = recipe(samples=2, more=JUDGE.format("reddish", ""))
    head, _, rest = text.partition("[rewards.red]")
    workspace = edit(drawn, head + "[judges" + rest.partition("[judges")[2])
    report = score_candidates(workspace)
    assert [(one.name, one.made) for one in report.outcomes] == [("right", 30)]
    assert status(workspace).complete
    with pytest.raises(SynpicError, match="no judge 'rigth'"):
        score_candidates(workspace, only=["rigth"])


def test_a_judge_whose_code_is_away_is_read_by_its_record(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    (drawn.folder / "mine.py").write_text(
        "from tests.fake_judges import reddish\n"
        "def redder(asked, image, least=0.5):\n"
        "    return reddish(asked, image)\n"
    )
    more = JUDGE.format("x", "options = { least = 0.25 }")
    text = recipe(samples=2, more=more.replace("tests.fake_judges:x", "mine:redder"))
    workspace = edit(drawn, text)
    suite_of(workspace)
    score_candidates(workspace)
    before = verdicts(workspace)
    (drawn.folder / "mine.py").unlink()
    workspace = Workspace.open(workspace.store.root)
    inventory = take_inventory(workspace)
    assert inventory.unresolved.keys() == {"judges.right"}
    assert inventory.verdicts("right").equals(before)
    counted = status(workspace)
    assert (counted.counts[-1].stage, counted.counts[-1].done) == ("judge", 30)
    assert counted.unused == []
    with pytest.raises(UnknownName, match="mine"):
        score_candidates(workspace)
    # Of another suite nothing is recorded: what there is may not be meant.
    rows = pq.read_table(workspace.store.path("suite.parquet")).to_pylist()
    other = [{**row, "version": "2"} for row in rows]
    write_suite(workspace, pa.Table.from_pylist(other, tables.SUITE))
    with pytest.raises(UnknownName, match="mine"):
        take_inventory(workspace).verdicts("right")
    assert [folder for folder, *_ in status(workspace).undecided] == workspace.folders("verdicts")


@pytest.mark.parametrize(
    ("written", "error", "says"),
    [
        ('judge = "tests.fakes:SIDE"', RewardError, "judges.right: tests.fakes:SIDE is a int, not"),
        ('judge = "tests.fakes:Painter"', RewardError, "a class without `judge`, not a judge"),
        ('judge = "shapes_quality"', UnknownName, "'shapes_quality' is a reward, not a judge"),
        ('judge = "nothing"', UnknownName, "judges.right: unknown judge 'nothing'"),
        ('judge = "shapes"\ncheckpoint = "a/b"', RewardError, "loads no weights"),
        ('judge = "tests.fake_judges:Batched"\noptions = { a = 1 }', RewardError, "options.a: "),
        ('judge = "tests.fake_judges:yes"\noptions = { a = 1 }', RewardError, "it takes: none"),
    ],
)
def test_what_is_no_judge_is_one_error(
    drawn: Workspace, recipe: MakeRecipe, written: str, error: type[SynpicError], says: str
) -> None:
    workspace = edit(drawn, recipe(samples=2, more=f"[judges.right]\n{written}\n"))
    with pytest.raises(error) as caught:
        score_candidates(workspace)
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_a_judge_is_no_reward(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = edit(drawn, recipe(samples=2, more='[rewards.x]\nreward = "shapes"\n'))
    with pytest.raises(UnknownName, match="'shapes' is a judge, not a reward") as caught:
        score_candidates(workspace)
    assert caught.value.hint == (
        'write judge = "shapes" here, to rank by its verdicts; or in a table [judges.NAME]'
    )


def test_a_damaged_part_is_set_aside_and_judged_again(drawn: Workspace) -> None:
    score_candidates(drawn)
    before = verdicts(drawn)
    (part,) = [part for folder in drawn.folders("verdicts") for part in drawn.parts(folder)]
    path = Path(drawn.store.path(part))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptPart, match="verdicts/right"):
        verdicts(drawn)
    (damage,) = drawn.verify().damaged
    drawn.set_aside(damage.file)
    assert status(drawn).set_aside == 1
    score_candidates(drawn)
    assert verdicts(drawn).equals(before)


def test_a_part_of_another_judge_is_refused(drawn: Workspace, recipe: MakeRecipe) -> None:
    score_candidates(drawn)
    (folder,) = drawn.folders("verdicts")
    path = Path(drawn.store.path(folder))
    path.rename(path.with_name(path.name.replace("right", "other")))
    with pytest.raises(CorruptPart, match="its rows are of right-"):
        drawn.verdicts(folder.replace("right", "other"))


def test_tasks_say_what_is_left(drawn: Workspace) -> None:
    (task,), broken = judging_tasks(drawn, shard=Shard(1, 2))
    assert broken == []
    assert (task.counts.wanted, task.counts.already) == (30, 0)
    assert len(task.todo) + task.other_shards == 30
    with pytest.raises(RecipeError, match="names no reward and no judge"):
        only_models = drawn.store.read("recipe.toml").decode().partition("[rewards")[0]
        score_candidates(edit(drawn, only_models))


SUITE = """
[suite]
file = "mine.jsonl"

{}

[judges.right]
judge = "tests.fake_judges:NeedsQuestions"
"""
DRAWN = """
[models.a]
family = "tests.fakes:Painter"
checkpoint = "../weights"
"""


def items(folder: Path, *prompts: str) -> None:
    rows = [{"prompt": one, "questions": [{"text": f"Is it {one}?"}]} for one in prompts]
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_validate_reads_what_a_suite_will_ask(tmp_path: Path, weights: Path) -> None:
    """Before anything is drawn; nothing but the lock is written."""
    workspace = Workspace.create(tmp_path / "set", SUITE.format(DRAWN))
    items(workspace.folder, "a dog", "a cat")
    made = validate(workspace)
    assert (made.problems, made.judges, made.verdicts) == ([], ["right"], 2)
    assert not workspace.store.exists("suite.parquet")
    (workspace.folder / "mine.jsonl").write_text('{"prompt": "a dog"}\n')
    ((message, hint),) = validate(workspace).problems
    assert (message, hint) == ("judges.right: item '1': it has no questions", "give it some")


def test_existing_images_are_judged_by_the_item_of_their_prompt(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, prompt in enumerate(["a dog", "a cat", "a house"]):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(prompt)
    text = SUITE.format('[ingest]\nimages = "../images"')
    workspace = Workspace.create(tmp_path / "set", text)
    items(workspace.folder, "a dog", "a cat", "a cow")
    report = score_candidates(workspace)
    report.raise_if_unfinished()
    assert [(one.name, one.wanted, one.made) for one in report.outcomes][1:] == [("right", 2, 2)]
    rows = take_inventory(workspace).verdicts("right")
    assert set(rows["prompt"]) == {"a dog", "a cat"}
    assert status(workspace).complete


def test_levels_differ() -> None:
    """What the tests above rest on: about half of the noise is reddish."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert 0.3 < level(Image.fromarray(noise)) < 0.7

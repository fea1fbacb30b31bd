"""Every pair is asked about in both orders, once, and gets its probability or a reason."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synpic import (
    Workspace,
    generate_candidates,
    ids,
    rank_candidates,
    score_candidates,
    status,
)
from synpic.engine.shard import Shard
from synpic.errors import (
    CorruptPart,
    RecipeError,
    RewardError,
    SynpicError,
    Unfinished,
    UnknownName,
    WorkspaceError,
)
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.status import ComparedCount
from synpic.pipeline.tasks import comparing_tasks
from synpic.workspace import tables
from tests.conftest import MakeRecipe, edit
from tests.fakes import redder

COMPARER = """
[rewards.vs]
comparer = "tests.fakes:{}"
batch_size = 4
{}
"""


def comparisons(workspace: Workspace, name: str = "vs") -> pl.DataFrame:
    (folder,) = [f for f in workspace.folders("comparisons") if f"/{name}-" in f]
    return workspace.comparisons(folder)


@pytest.fixture
def drawn(workspace: Workspace, recipe: MakeRecipe) -> Workspace:
    """Ten prompts with three images each."""
    drawn = edit(workspace, recipe(a="", b="", samples=2, more=COMPARER.format("redder", "")))
    generate_candidates(drawn)
    return drawn


def with_comparer(workspace: Workspace, recipe: MakeRecipe, name: str, more: str = "") -> Workspace:
    return edit(workspace, recipe(samples=2, more=COMPARER.format(name, more)))


def test_every_pair_is_compared_once_in_both_orders(drawn: Workspace) -> None:
    report = score_candidates(drawn)
    assert [(o.name, o.wanted, o.made) for o in report.outcomes][2:] == [("vs", 30, 30)]
    rows = comparisons(drawn)
    assert rows.height == 30
    assert (rows["left"] < rows["right"]).all()
    again = score_candidates(Workspace.open(drawn.store.root))
    assert (again.outcomes[2].already, again.outcomes[2].made) == (30, 0)
    assert status(drawn).complete


def test_a_probability_is_what_the_comparer_says_of_those_pixels(drawn: Workspace) -> None:
    from synpic.readers.images import decode

    score_candidates(drawn)
    inventory = take_inventory(drawn)
    prompts = dict(inventory.candidates().select("candidate_id", "prompt").iter_rows())
    reader = drawn.images(inventory.image_folders())
    for row in comparisons(drawn).head(5).iter_rows(named=True):
        keys = [(row["left"], row["sha256_left"]), (row["right"], row["sha256_right"])]
        left, right = map(decode, reader.read(keys))
        forward = redder(prompts[row["left"]], left, right)
        assert row["p_forward"] == pytest.approx(forward, abs=1e-6)
        assert row["p_backward"] == pytest.approx(forward, abs=1e-6)
        assert row["probability"] == pytest.approx(forward, abs=1e-6)


def test_who_draws_on_an_image_changes_nothing(drawn: Workspace, recipe: MakeRecipe) -> None:
    score_candidates(drawn)
    expected = comparisons(drawn)["probability"].to_list()
    score_candidates(with_comparer(drawn, recipe, "draws_on"))
    found = [
        one["probability"].to_list() for one in map(drawn.comparisons, drawn.folders("comparisons"))
    ]
    assert found == [expected, expected]


def test_who_always_says_first_says_nothing_and_is_warned_of(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    workspace = with_comparer(drawn, recipe, "first_wins")
    report = score_candidates(workspace)
    rows = comparisons(workspace)
    assert (rows["p_forward"] == 1).all()
    assert (rows["p_backward"] == 0).all()
    assert (rows["probability"] == 0.5).all()
    said = [
        "vs: position bias +1.00 (1: the first image always wins); the order decides 100% "
        "(pairs: 30)"
    ]
    assert report.remarks[:1] == said
    assert report.remarks[1].startswith("warning: vs: its answers depend on the order")
    counted = status(workspace).counts[-1]
    assert isinstance(counted, ComparedCount)
    assert (counted.stage, counted.wanted, counted.done) == ("compare", 30, 30)
    assert f"vs: {counted.remarks[0]}" == said[0]
    # Neither of any two wins.
    assert rank_candidates(workspace).ranking.table["wins_vs"].sum() == 0


@pytest.mark.parametrize("gives", ["nan", "inf", "-0.1", "1.5"])
def test_what_is_no_probability_is_a_failure_of_its_pair(
    drawn: Workspace, recipe: MakeRecipe, gives: str
) -> None:
    options = "" if gives == "nan" else f"options = {{ gives = {gives} }}"
    if gives == "inf":
        options = "options = { gives = 1e300 }"
    workspace = with_comparer(drawn, recipe, "rarely_a_number", options)
    report = score_candidates(workspace)
    assert (report.outcomes[2].made, report.outcomes[2].failed) == (27, 3)
    ((stage, name, reason, number),) = status(workspace).failures
    assert (stage, name, number) == ("compare", "vs", 3)
    assert "expected 0 … 1" in reason
    with pytest.raises(Unfinished, match="3 of 30 failed"):
        report.raise_if_unfinished()
    again = score_candidates(workspace)
    assert (again.outcomes[2].failed_before, again.outcomes[2].failed) == (3, 0)
    assert score_candidates(workspace, retry_failed=True).outcomes[2].failed == 3
    # Elsewhere every pair is compared: there it takes part.
    assert rank_candidates(workspace).ranking.absent == {"vs": 1}


def test_wrong_answers_are_named_and_nothing_is_kept(drawn: Workspace, recipe: MakeRecipe) -> None:
    (Path(drawn.folder) / "mine.py").write_text(
        "from synpic.score.reward import RewardInfo\n"
        "class TooFew:\n"
        "    info = RewardInfo(summary='gives one')\n"
        "    def compare(self, prompts, first, second):\n"
        "        return [0.5]\n"
        "class Words(TooFew):\n"
        "    def compare(self, prompts, first, second):\n"
        "        return ['left'] * len(prompts)\n"
    )
    for name, says in (("TooFew", "gave 1 probabilities for 8"), ("Words", "that is no number")):
        more = COMPARER.format("x", "").replace("tests.fakes:x", f"mine:{name}")
        broken = score_candidates(edit(drawn, recipe(samples=2, more=more))).outcomes[2].broken
        assert isinstance(broken, RewardError)
        assert says in broken.message
    assert drawn.folders("comparisons") == []


def test_an_image_and_itself_are_a_tie_that_is_not_asked(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    """Model ``b`` draws ``a``'s first image again: with its steps it differs by nothing."""
    text = recipe(samples=1, more=COMPARER.format("first_wins", "")).replace("steps = 7", "")
    text = text.replace("[models.b]", "[models.b]\nguidance = 2")
    same = edit(workspace, text)
    generate_candidates(same)
    report = score_candidates(same)
    rows = comparisons(same)
    assert (rows["sha256_left"] == rows["sha256_right"]).all()
    assert (rows["p_forward"] == 0.5).all()
    assert (rows["p_backward"] == 0.5).all()
    # Nothing was asked, so that nothing is known of the bias.
    assert report.remarks == []


def test_one_image_of_a_prompt_makes_no_pair(workspace: Workspace, recipe: MakeRecipe) -> None:
    refusing = 'call = { refuse = ["0-1", "0-2"] }'
    one = edit(workspace, recipe(b=refusing, more=COMPARER.format("redder", "")))
    generate_candidates(one)
    assert score_candidates(one).outcomes[2].wanted == 8
    assert status(one).counts[-1].wanted == 8


def test_a_broken_image_fails_its_pairs(drawn: Workspace) -> None:
    folder = take_inventory(drawn).models[0].folder
    (part,) = drawn.parts(folder)
    with drawn.store.open(part) as stream:
        rows = pq.read_table(stream).to_pylist()
    rows[0] |= {"image": {"bytes": b"no picture"}, "sha256": ids.sha256(b"no picture")}
    note = drawn.part_metadata(part)
    drawn.store.remove(part)
    drawn.write_part(
        folder,
        pa.Table.from_pylist(rows, tables.CANDIDATES),
        {"environments": note.environments, "decides": note.fingerprint_inputs},
    )
    report = score_candidates(drawn)
    assert (report.outcomes[2].made, report.outcomes[2].failed) == (28, 2)
    failures = drawn.failures("compare")
    assert all(rows[0]["candidate_id"] in one for one in failures["candidate_id"])
    assert failures["reason"].str.starts_with(f"candidate {rows[0]['candidate_id']}: ").all()


def test_shards_are_apart_and_together_everything(drawn: Workspace) -> None:
    made = [
        score_candidates(drawn, only=["vs"], shard=Shard(index, 3)).outcomes[0].made
        for index in (1, 2, 3)
    ]
    assert sum(made) == 30
    assert max(made) < 30
    assert comparisons(drawn).height == 30


def test_neighbours_in_the_ranking_by_scores(drawn: Workspace, recipe: MakeRecipe) -> None:
    workspace = with_comparer(drawn, recipe, "redder", 'pairs = "adjacent"')
    alone = score_candidates(workspace, only=["vs"])
    with pytest.raises(Unfinished, match="of 10 prompts none has all of them"):
        alone.raise_if_unfinished()
    report = score_candidates(workspace)
    assert (report.outcomes[2].wanted, report.outcomes[2].made) == (20, 20)
    ranked = rank_candidates(edit(workspace, recipe(samples=2)))
    order = ranked.ranking.table.sort("prompt_id", "rank", "model", "sample", "candidate_id")
    expected = {
        tuple(sorted(pair))
        for of_prompt in order.group_by("prompt_id").agg("candidate_id")["candidate_id"]
        for pair in itertools.pairwise(of_prompt)
    }
    assert set(comparisons(workspace).select("left", "right").iter_rows()) == expected


def test_what_waits_for_scores_is_said(drawn: Workspace, recipe: MakeRecipe) -> None:
    picky = '\n[rewards.picky]\nreward = "tests.fakes:picky"\n'
    text = recipe(samples=2, more=COMPARER.format("redder", 'pairs = "adjacent"') + picky)
    report = score_candidates(edit(drawn, text))
    assert (report.outcomes[3].name, report.outcomes[3].wanted) == ("vs", 18)
    assert any("vs: scores of 1 prompt are missing" in line for line in report.remarks)


def test_dropped_images_are_not_asked_about(drawn: Workspace, recipe: MakeRecipe) -> None:
    first = take_inventory(drawn).candidates()["candidate_id"][0]
    (drawn.folder / "out.txt").write_text(first)
    text = recipe(samples=2, more=COMPARER.format("redder", '[ranking]\ndrop = "out.txt"'))
    assert score_candidates(edit(drawn, text)).outcomes[2].wanted == 28


def test_bradley_terry_takes_what_there_is(drawn: Workspace, recipe: MakeRecipe) -> None:
    more = COMPARER.format("redder", 'pairs = "adjacent"\n[ranking]\naggregation = "{}"')
    workspace = edit(drawn, recipe(samples=2, more=more.format("win-rate")))
    score_candidates(workspace)
    assert rank_candidates(workspace).ranking.absent == {"vs": 10}
    workspace = edit(drawn, recipe(samples=2, more=more.format("bradley-terry")))
    assert rank_candidates(workspace).ranking.absent == {"vs": 0}


def test_a_part_of_another_comparer_is_named(drawn: Workspace) -> None:
    score_candidates(drawn)
    (folder,) = drawn.folders("comparisons")
    (part, *_) = drawn.parts(folder)
    other = folder.replace("/vs-", "/other-")
    target = part.replace(folder, other)
    (drawn.folder / other).mkdir()
    (drawn.folder / part).rename(drawn.folder / target)
    with pytest.raises(CorruptPart, match="its rows are of vs-"):
        drawn.comparisons(other)
    (damage,) = drawn.verify().damaged
    assert damage.file == target


def test_damage_is_set_aside_and_made_again(drawn: Workspace) -> None:
    score_candidates(drawn)
    (folder,) = drawn.folders("comparisons")
    part = drawn.parts(folder)[0]
    data = bytearray((drawn.folder / part).read_bytes())
    data[len(data) // 2] ^= 1
    (drawn.folder / part).write_bytes(data)
    (damage,) = drawn.verify().damaged
    drawn.set_aside(damage.file)
    assert status(drawn).set_aside == 1
    assert score_candidates(drawn).outcomes[2].made == 30


def test_probabilities_that_another_wrote_are_checked_when_ranked(drawn: Workspace) -> None:
    score_candidates(drawn)
    (folder,) = drawn.folders("comparisons")
    rows = comparisons(drawn).with_columns(probability=pl.lit(2.0, pl.Float32))
    for part in drawn.parts(folder):
        drawn.store.remove(part)
    drawn.write_part(folder, rows.to_arrow().cast(tables.COMPARISONS), {})
    with pytest.raises(SynpicError, match=r"is better than .* is 2\.0, expected 0 … 1"):
        rank_candidates(drawn)


def test_ranking_names_what_has_compared_nothing(drawn: Workspace) -> None:
    score_candidates(drawn, only=["red", "blue"])
    with pytest.raises(WorkspaceError, match=r"rewards\.vs has compared no two images"):
        rank_candidates(drawn)


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        ('comparer = "shapes_compar"', UnknownName, "unknown comparer 'shapes_compar'. Did you"),
        ('comparer = "tests.fakes:SIDE"', RewardError, "is a int, not a comparer"),
        ('comparer = "tests.fakes:Words"', RewardError, "not a comparer"),
        ('comparer = "shapes_compare"\noptions = {a = 1}', RewardError, "takes no such option"),
        ('comparer = "shapes_compare"\ncheckpoint = "x"', RewardError, "takes no checkpoint"),
        ('reward = "shapes_compare"', UnknownName, "'shapes_compare' is a comparer, not a reward"),
        ('comparer = "shapes_quality"', UnknownName, "'shapes_quality' is a reward, not a"),
    ],
)
def test_what_is_no_comparer(
    drawn: Workspace, recipe: MakeRecipe, table: str, error: type[SynpicError], says: str
) -> None:
    workspace = edit(drawn, recipe(samples=2, more=f"[rewards.mine]\n{table}"))
    with pytest.raises(error) as caught:
        score_candidates(workspace)
    assert caught.value.message.startswith("rewards.mine")
    assert says in caught.value.message


def test_adjacent_needs_rewards_that_give_scores() -> None:
    from synpic.recipe import parse_recipe

    text = '[prompts]\nworld="shapes"\ncount=2\n[models.shapes_unet]\n[rewards.vs]\n'
    with pytest.raises(RecipeError, match="neighbours in the ranking by the rewards that give"):
        parse_recipe(text + 'comparer = "shapes_compare"\npairs = "adjacent"')


def test_comparisons_are_read_where_the_comparer_is_away(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    (drawn.folder / "gone.py").write_text(
        "from synpic.score.reward import RewardInfo\n"
        "class Even:\n"
        "    info = RewardInfo(summary='a tie')\n"
        "    def compare(self, prompts, first, second):\n"
        "        return [0.75] * len(prompts)\n"
    )
    text = recipe(samples=2, more='[rewards.even]\ncomparer = "gone:Even"')
    before = edit(drawn, text)
    score_candidates(before)
    expected = rank_candidates(before).ranking.table
    (drawn.folder / "gone.py").unlink()
    found = rank_candidates(edit(drawn, text)).ranking.table
    assert found.equals(expected)
    assert [name for name, _ in status(drawn).unresolved] == ["rewards.even"]


def test_only_the_recipes_own_rewards_are_chosen(drawn: Workspace) -> None:
    tasks, broken, _ = comparing_tasks(drawn, only=["red"])
    assert (tasks, broken) == ([], [])
    with pytest.raises(SynpicError, match="the recipe has no reward 'vz'"):
        comparing_tasks(drawn, only=["vz"])


@pytest.mark.slow
def test_workers_share_the_pairs_and_name_those_that_fail(
    drawn: Workspace, recipe: MakeRecipe
) -> None:
    from synpic.engine.workers.engines import Engine

    workspace = with_comparer(drawn, recipe, "rarely_a_number")
    report = score_candidates(workspace, only=["vs"], engine=Engine(workers=2), device="cpu")
    assert (report.outcomes[0].made, report.outcomes[0].failed) == (27, 3)
    assert comparisons(workspace).height == 27


def test_two_steps_prepare_each_image_once() -> None:
    from synpic.score.comparer import PreparedComparer

    class Means(PreparedComparer):
        preprocessing = "mean"

        def pixels(self, image: Image.Image) -> float:
            return float(np.asarray(image).mean())

        def judge(self, prompts: object, first: list[float], second: list[float]) -> list[float]:  # type: ignore[override]
            return [float(a > b) for a, b in zip(first, second, strict=True)]

    dark, light = Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white")
    assert Means().compare(["a", "b"], [dark, light], [light, dark]) == [0.0, 1.0]

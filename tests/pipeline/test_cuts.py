"""Cuts, held to their definitions in plain Python."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synpic.errors import RankingError, RecipeError
from synpic.pipeline.cuts import Cuts, drop_candidates, read_drop, require_condition, with_cuts
from synpic.pipeline.ranking import RankedSet, rank_candidates, ranking_for_people
from synpic.pipeline.validation import validate
from synpic.publish.export import plan_export
from synpic.publish.folder import publish_to
from synpic.release.compare import Level, compare
from synpic.release.diff import diff_releases
from synpic.release.rerank import rerank
from synpic.release.source import open_release
from synpic.release.verify import verify
from synpic.workspace import Workspace
from tests.conftest import MakeRecipe, edit
from tests.publish.fixtures import TWO_SPLITS, build, hashed_score
from tests.publish.fixtures import recipe as recipe_text
from tests.rank.test_agreement import mean, tau_b

MORE = "samples = 2\n"
CONFIGS = ["ranked", "scores", "images", "pairwise", "pickapic"]
ANIMALS = ["cats", "dogs", None, "cats", "birds"]


def with_meta(workspace: Workspace, **meta: Sequence[Any]) -> Workspace:
    from synpic.prompts import stored_prompts

    stored = stored_prompts(workspace)
    assert stored is not None
    table = stored.table
    for name, values in meta.items():
        table = table.append_column(f"meta_{name}", [pl.Series(values, strict=False).to_arrow()])
    workspace.write_prompts(table, stored.note)
    return workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("cuts") / "set"
    workspace = build(root, text=recipe_text(samples=2), score=coarse)
    return with_meta(workspace, kind=ANIMALS, level=[1, 2, 3, 4, 5])


def coarse(reward: str, row: dict[str, Any]) -> float | None:
    """Few levels, so that there are ties; one prompt has no score at all."""
    if row["prompt"] == "three yellow triangles" and row["sample"] == 1:
        return None
    return float(int(4 * hashed_score(reward, row)))


def by_hand(rows: list[dict[str, Any]], rewards: Sequence[str]) -> dict[str, Any]:
    """φ of each candidate of one prompt, by Algorithm 1; margin and agreement."""
    k = len(rows)
    scores = {reward: [row[f"score_{reward}"] for row in rows] for reward in rewards}
    wins = [sum(sum(own[i] > other for other in own) for own in scores.values()) for i in range(k)]
    taus = [tau_b(scores[a], scores[b]) for a, b in itertools.combinations(rewards, 2)]
    phi = [won / (len(rewards) * (k - 1)) for won in wins]
    order = sorted(range(k), key=lambda i: (-wins[i], rows[i]["candidate_id"]))
    return {
        "phi": {row["candidate_id"]: phi[i] for i, row in enumerate(rows)},
        "rank": {
            row["candidate_id"]: 1 + sum(w > wins[i] for w in wins) for i, row in enumerate(rows)
        },
        "margin": max(phi) - min(phi),
        "agreement": mean(taus)[0],
        "order": [rows[i]["candidate_id"] for i in order],
    }


def expected(
    made: Workspace, cuts: Cuts, dropped: set[str], where: set[str] | None
) -> dict[str, Any]:
    """prompt → what is shown of it: candidate → (φ, rank)."""
    scored = rank_candidates(made).there
    rewards = ["redness", "greenness"]
    found: dict[str, Any] = {}
    for prompt in scored["prompt_id"].unique():
        rows = [
            row
            for row in scored.filter(prompt_id=prompt).to_dicts()
            if row["candidate_id"] not in dropped
            and all(row[f"score_{reward}"] is not None for reward in rewards)
        ]
        if len(rows) < 2:
            continue
        seen = by_hand(rows, rewards)
        if where is not None and prompt not in where:
            continue
        if cuts.min_margin is not None and seen["margin"] < cuts.min_margin - 1e-12:
            continue
        if cuts.min_agreement is not None and (
            seen["agreement"] is None or seen["agreement"] < cuts.min_agreement - 1e-12
        ):
            continue
        kept = seen["order"][: cuts.top]
        found[prompt] = {one: (seen["phi"][one], seen["rank"][one]) for one in kept}
    return found


def shown(ranked: RankedSet) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in ranked.shown.table.iter_rows(named=True):
        of_prompt = found.setdefault(row["prompt_id"], {})
        of_prompt[row["candidate_id"]] = (pytest.approx(row["preference"]), row["rank"])
    return found


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=settings.default.max_examples // 4,
    deadline=None,
)
@given(
    margin=st.sampled_from([None, 0.0, 0.3, 0.5, 0.9]),
    agreement=st.sampled_from([None, -1.0, 0.0, 0.2, 1.0]),
    top=st.sampled_from([None, 1, 2, 3, 9]),
    level=st.sampled_from([None, 2, 4]),
    dropping=st.sets(st.integers(0, 27), max_size=12),
)
def test_what_is_left_is_what_the_rules_say(
    made: Workspace,
    margin: float | None,
    agreement: float | None,
    top: int | None,
    level: int | None,
    dropping: set[int],
) -> None:
    there = rank_candidates(made).there
    dropped = {there["candidate_id"][at] for at in dropping if at < there.height}
    file = made.folder / "drop.csv"
    file.write_text("candidate_id\n" + "".join(f"{one}\n" for one in dropped))
    where = None if level is None else f"meta_level <= {level}"
    passing = None
    if level is not None:
        prompts = rank_candidates(made).inventory.prompts
        passing = set(prompts.filter(pl.col("meta_level") <= level)["prompt_id"])
    cuts = Cuts("drop.csv", where, margin, agreement, top)
    wanted = expected(made, cuts, dropped, passing)
    if not wanted:
        with pytest.raises(RankingError, match=r"no prompt is left|nothing to rank"):
            rank_candidates(with_cuts(made, cuts))
        return
    ranked = rank_candidates(with_cuts(made, cuts))
    assert shown(ranked) == wanted
    counts = ranked.ranking.counts
    assert counts.kept_prompts - sum(ranked.cut.values()) == len(wanted)
    assert set(ranked.cut) == set(cuts.given) - {"drop", "top"}
    # What is shown is first of its prompt, and the ranking has the rest of it.
    assert set(ranked.ranking.table["prompt_id"]) == set(wanted)
    assert set(ranked.scored["prompt_id"]) >= set(wanted)
    assert ranked.dropped is not None
    assert set(ranked.dropped.rows["candidate_id"]) == dropped


# -- drop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet", "txt", "header.txt"])
@pytest.mark.parametrize("column", ["candidate_id", "prompt_id"])
def test_ids_are_read_from_every_kind_of_file(made: Workspace, ending: str, column: str) -> None:
    ids = [*rank_candidates(made).there[column][:2], "f" * 32]
    path = made.folder / f"{column}.{ending}"
    table = pl.DataFrame({"n": [1, 2, 3], column: ids})
    match ending:
        case "csv":
            table.write_csv(path)
        case "tsv":
            table.write_csv(path, separator="\t")
        case "jsonl":
            table.write_ndjson(path)
        case "json":
            path.write_text(json.dumps(table.to_dicts()))
        case "parquet":
            table.write_parquet(path)
        case "txt":
            path.write_text("# not these\n\n" + "".join(f"  {one}\r\n" for one in ids))
        case _:
            path.write_text("\n".join([column, *ids]))
    ranked = rank_candidates(with_cuts(made, Cuts(drop=path.name)))
    assert ranked.dropped is not None
    assert ranked.dropped.unknown == 1
    assert set(ranked.dropped.rows[column]) == set(ids[:2])
    left = ranked.there.filter(~pl.col(column).is_in(ids))
    assert ranked.there.height == ranked.dropped.rows.height + left.height


def test_a_row_of_both_ids_names_the_image(made: Workspace) -> None:
    row = rank_candidates(made).there.row(0, named=True)
    prompt, one = row["prompt_id"], row["candidate_id"]
    (made.folder / "both.csv").write_text(f"prompt_id,candidate_id\n{prompt},{one}\n")
    named = read_drop(made, "both.csv")
    assert (named.candidates, named.prompts) == (frozenset([one]), frozenset())
    (made.folder / "both.csv").write_text(f"prompt_id,candidate_id\n{prompt},\n")
    assert read_drop(made, "both.csv").prompts == {prompt}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "ranking.drop: none.csv: no such file"),
        ("mark", None, "cannot tell what kind of file this is. Did you mean 'marks'?"),
        ("x.csv", "id\n1\n", "neither a column candidate_id nor prompt_id"),
        ("x.jsonl", '{"candidate_id": 7}', "x.jsonl:1: 7 is no id"),
        ("x.csv", "candidate_id,n\na\n", "x.csv:2: 1 cells, where the header has 2"),
        (".", None, "cannot tell what kind of file"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_error(
    made: Workspace, name: str, content: str | None, says: str
) -> None:
    if content is not None:
        (made.folder / name).write_text(content)
    with pytest.raises(RecipeError) as error:
        rank_candidates(with_cuts(made, Cuts(drop=name)))
    assert says in error.value.message


def test_dropping_everything_is_one_error(made: Workspace) -> None:
    there = rank_candidates(made).there
    (made.folder / "all.txt").write_text("\n".join(there["prompt_id"]))
    with pytest.raises(RankingError, match=r"nothing is left to rank: .*all\.txt.* all \d+ images"):
        rank_candidates(with_cuts(made, Cuts(drop="all.txt")))


def test_marks_of_images_go_before_those_of_their_prompt(made: Workspace) -> None:
    there = rank_candidates(made).there
    first, second = there["prompt_id"].unique(maintain_order=True)[:2]
    kept = there.filter(prompt_id=first)["candidate_id"][:2].to_list()
    out = there.filter(prompt_id=second)["candidate_id"][0]
    marks = f'[prompts.{first}]\ndrop = true\n[prompts.{second}]\nkeep = true\nnote = "good"\n'
    marks += "".join(f"[candidates.{one}]\nkeep = true\nstar = true\n" for one in kept)
    marks += f"[candidates.{out}]\ndrop = true\n"
    (made.folder / "marks.toml").write_text(marks)
    ranked = rank_candidates(with_cuts(made, Cuts(drop="marks")))
    left = set(ranked.scored["candidate_id"])
    assert left & set(there.filter(prompt_id=first)["candidate_id"]) == set(kept)
    assert set(there.filter(prompt_id=second)["candidate_id"]) - left == {out}
    assert ranked.dropped is not None
    assert ranked.dropped.kept == 2
    assert ranked.dropped.named.marks == {"drop": 2, "keep": 3, "star": 2, "note": 1}
    (made.folder / "marks.toml").write_text(f"[prompts.{first}]\ndrop = true\nkeep = true\n")
    with pytest.raises(RecipeError, match="drop and keep: set one of them"):
        rank_candidates(with_cuts(made, Cuts(drop="marks")))
    (made.folder / "marks.toml").unlink()
    assert rank_candidates(with_cuts(made, Cuts(drop="marks"))).scored.height == there.height


# -- where -------------------------------------------------------------------------------------

PROMPTS = pl.DataFrame(
    {
        "prompt_id": ["a", "b", "c"],
        "prompt": ["a cat", "two dogs", "x"],
        "meta_kind": ["cats", "dogs", None],
        "meta_level": [1, 2, 3],
        "meta_words": [["a"], [], ["x", "y"]],
    }
)


@pytest.mark.parametrize(
    ("where", "passing"),
    [
        ("meta_kind = 'cats'", "a"),
        ("meta_kind <> 'cats'", "b"),
        ("meta_kind IS NULL OR meta_level < 2", "ac"),
        ("prompt LIKE '%dog%' AND meta_level BETWEEN 1 AND 2", "b"),
        ("LENGTH(prompt) > 1", "ab"),
        ("meta_level > AVG(meta_level)", "c"),
        ("prompt_id IN ('a', 'c')", "ac"),
        ("true", "abc"),
    ],
)
def test_conditions(where: str, passing: str) -> None:
    chosen = require_condition(where, PROMPTS)
    assert "".join(PROMPTS["prompt_id"].filter(chosen)) == passing


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("meta_knd = 'x'", "prompts have no column 'meta_knd'. Did you mean 'meta_kind'?"),
        ('meta_kind = "cats"', "prompts have no column 'cats'"),
        ("meta_words[1] = 'a'", "column 'meta_words' holds List(String)"),
        ("meta_level", "'meta_level' is Int64, and not true or false"),
        ("meta_level >", "is no SQL expression"),
        ("", "is no SQL expression"),
        ("SELECT 1", "is no SQL expression: expected an expression (found 'SELECT' clause)"),
        ("WHERE meta_level > 1", "is no SQL expression"),
        ("meta_level > 1; DROP TABLE self", "is no SQL expression"),
        ("meta_level > 1, meta_kind = 'x'", "is no SQL expression"),
        ("meta_level IN (SELECT a FROM read_csv('x.csv'))", "is more than one expression"),
        ("EXISTS (SELECT 1)", "cannot be computed"),
        ("COLUMNS('meta_.*') = 1", "is more than one expression"),
        ("meta_kind > 1", "cannot be computed: cannot compare string with numeric"),
        ("REGEXP_LIKE(prompt, '[')", "cannot be computed: regex error"),
        ("CAST(meta_kind AS INT) > 1", "cannot be computed: conversion"),
    ],
)
def test_a_condition_that_is_none_is_one_error(
    where: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(RecipeError) as error:
        require_condition(where, PROMPTS)
    assert error.value.message.startswith("records.where: ")
    assert says in error.value.message
    assert "prompt_id, prompt, meta_kind" in (error.value.hint or "")
    assert "\n" not in error.value.message


def test_a_rule_of_no_value_is_refused(made: Workspace) -> None:
    for cuts, says in [
        (Cuts(top=0), "records.top: Input should be greater than or equal to 1"),
        (Cuts(min_margin=-1.0), "records.min_margin"),
        (Cuts(min_agreement=2.0), "records.min_agreement"),
        (Cuts(where="x" * 1001), "records.where"),
    ]:
        with pytest.raises(RecipeError, match=says):
            with_cuts(made, cuts)
    with pytest.raises(RecipeError, match=r"records.pairs: Input should be .*'own'"):
        with_cuts(made, pairs="best")


def test_one_reward_agrees_with_none(made: Workspace) -> None:
    text = made.snapshot().recipe_text + '[ranking]\nrewards = ["redness"]\n'
    snapshot = made.snapshot()
    try:
        with pytest.raises(RecipeError, match="min_agreement: two rewards agree or do not"):
            edit(made, text + "[records]\nmin_agreement = 0.5\n").snapshot()
    finally:
        edit(made, snapshot.recipe_text)


# -- what is published -------------------------------------------------------------------------


def test_a_release_holds_what_is_left_and_says_what_is_not(made: Workspace, tmp_path: Path) -> None:
    there = rank_candidates(made).there
    (made.folder / "two.txt").write_text("\n".join([*there["candidate_id"][:2], "e" * 32]))
    cuts = Cuts("two.txt", "meta_level < 5", 0.1, -0.9, 2)
    snapshot = with_cuts(made, cuts, pairs="all")
    for name in ("one", "two"):
        publish_to(snapshot, tmp_path / name, configs=CONFIGS)
    files = {
        p.relative_to(tmp_path / "one"): p.read_bytes()
        for p in (tmp_path / "one").rglob("*")
        if p.is_file()
    }
    assert files == {
        p.relative_to(tmp_path / "two"): p.read_bytes()
        for p in (tmp_path / "two").rglob("*")
        if p.is_file()
    }
    release = open_release(tmp_path / "one")
    assert [problem.text for problem in verify(release).problems] == []
    ranked = rank_candidates(snapshot)
    ranked_table = release.table("ranked")
    prompts = set(ranked.ranking.table["prompt_id"])
    assert set(ranked_table["prompt_id"]) == prompts
    assert ranked_table["candidate_ids"].list.len().max() == 2
    assert set(release.table("images")["candidate_id"]) == set(ranked.shown.table["candidate_id"])
    # `scores` has every image of those prompts, so that ranks follow from it.
    assert set(release.table("scores")["candidate_id"]) == set(ranked.scored["candidate_id"])
    pairs = release.table("pairwise")
    assert set(pairs["chosen_id"]) | set(pairs["rejected_id"]) <= set(
        ranked.shown.table["candidate_id"]
    )
    again = rerank(release)
    assert again.tau is None or again.tau == 1.0
    assert again.best_changed == 0
    cut = release.manifest.cuts
    assert cut is not None
    assert cut.drop is not None
    assert (cut.drop.source, cut.drop.candidates, cut.drop.unknown) == ("two.txt", 2, 1)
    assert (cut.where, cut.min_margin, cut.min_agreement, cut.top) == (
        "meta_level < 5",
        0.1,
        -0.9,
        2,
    )
    assert cut.prompts == dict(ranked.cut)
    assert release.manifest.counts.candidates_missing == 0
    card = (tmp_path / "one" / "README.md").read_text()
    assert "| images dropped before ranking, by two.txt | 2 |" in card
    assert f"| ranked prompts cut by where = meta_level < 5 | {cut.prompts['where']} |" in card
    assert f"| images made | {there.height} |" in card
    assert "Of each prompt the first 2 are shown" in card


@pytest.mark.parametrize("configs", [["ranked"], ["images"], ["ranked", "pairwise"]])
def test_ranks_among_images_that_are_not_there_are_verified(
    made: Workspace, tmp_path: Path, configs: list[str]
) -> None:
    out = publish_to(with_cuts(made, Cuts(top=2)), tmp_path / "out", configs=configs).directory
    assert [problem.text for problem in verify(open_release(out)).problems] == []


def test_verify_finds_prompts_that_the_rules_leave_out(made: Workspace, tmp_path: Path) -> None:
    out = publish_to(made, tmp_path / "out").directory
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["cuts"] = {"min_margin": 0.99, "min_agreement": 0.99, "prompts": {}, "unranked": 0}
    (out / "manifest.json").write_text(json.dumps(manifest))
    found = [problem.text for problem in verify(open_release(out)).problems]
    assert any(
        "min_margin = 0.99 of manifest.json leaves out what is there" in one for one in found
    )
    assert any("min_agreement = 0.99" in one for one in found)


def test_versions_tell_cuts_apart(made: Workspace, tmp_path: Path) -> None:
    def manifest(name: str, cuts: Cuts) -> Any:
        return open_release(publish_to(with_cuts(made, cuts), tmp_path / name).directory)

    whole, first = manifest("whole", Cuts()), manifest("first", Cuts(top=2))
    some = manifest("some", Cuts(where="meta_kind = 'cats'"))
    changes = compare(whole.manifest, first.manifest)
    assert [(one.level, one.text) for one in changes if "first 2" in one.text] == [
        (Level.MAJOR, "of each prompt the first 2, was every image")
    ]
    changes = compare(whole.manifest, some.manifest)
    assert (Level.MINOR, "cut by where: meta_kind = 'cats', was not") in [
        (one.level, one.text) for one in changes
    ]
    difference = diff_releases(whole, some)
    assert len(difference.prompts.removed) == len(TWO_SPLITS) - 2
    assert not diff_releases(whole, first).any


def test_an_export_is_cut_as_the_workspace_or_its_release(made: Workspace, tmp_path: Path) -> None:
    out = publish_to(made, tmp_path / "out").directory
    cuts = Cuts(where="meta_level > 2", min_margin=0.2, min_agreement=-0.9, top=3)
    of_workspace = plan_export(made, "pairwise", strategy="all", cuts=cuts)
    of_release = plan_export(out, "pairwise", strategy="all", cuts=cuts)
    columns = ["chosen_id", "rejected_id"]
    assert of_workspace._records.rows.select(columns).equals(
        of_release._records.rows.select(columns)
    )
    assert (
        0
        < sum(of_workspace.rows.values())
        < sum(plan_export(out, "pairwise", strategy="all").rows.values())
    )


def test_rows_for_people(made: Workspace) -> None:
    rows = ranking_for_people(rank_candidates(with_cuts(made, Cuts(top=2))))
    assert rows.columns == [
        *("prompt_id", "prompt", "split", "rank", "preference", "wins", "model", "sample", "seed"),
        *("candidate_id", "flagged", "wins_redness", "wins_greenness"),
        *("score_redness", "score_greenness", "meta_kind", "meta_level"),
    ]
    assert rows.null_count().select("prompt", "score_redness", "seed").row(0) == (0, 0, 0)
    assert rows.group_by("prompt_id").len()["len"].to_list() == [2] * rows["prompt_id"].n_unique()
    assert rows.equals(rows.sort("prompt_id", "rank", "candidate_id"))


def test_what_a_list_drops_is_counted(made: Workspace) -> None:
    there = rank_candidates(made).there
    (made.folder / "one.txt").write_text(there["prompt_id"][0])
    left, dropped = drop_candidates(there, read_drop(made, "one.txt"))
    assert (dropped.prompts, dropped.unknown, dropped.kept) == (1, 0, 0)
    assert left.height + dropped.rows.height == there.height


def test_validate_names_what_is_wrong_with_cuts(workspace: Workspace, recipe: MakeRecipe) -> None:
    more = '[ranking]\ndrop = "none.csv"\n[records]\nwhere = "meta_x = 1"\n'
    found = [message for message, _ in validate(edit(workspace, recipe(more=more))).problems]
    assert any(one.startswith("ranking.drop: none.csv: no such file") for one in found)
    assert any(one.startswith("records.where: prompts have no column 'meta_x'") for one in found)
    (workspace.folder / "bad.csv").write_text(f"prompt_id\n{'a' * 32}\n")
    more = '[ranking]\ndrop = "bad.csv"\n[records]\nwhere = "prompt LIKE \'%-3\'"\n'
    checked = validate(edit(workspace, recipe(more=more)))
    assert checked.problems == []
    assert "ranking.drop: bad.csv names 1 × prompt" in checked.notes
    assert "records.where is true for 1 of 10 prompts" in checked.notes

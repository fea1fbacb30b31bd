from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from synpic.errors import RankingError, ReleaseError, UnknownName
from synpic.publish import publish_to
from synpic.rank import AGGREGATIONS, rank
from synpic.release import open_release
from synpic.release.rerank import rerank
from synpic.workspace import Workspace
from tests.grids import slow_but
from tests.hub_server import HubServer
from tests.publish.fixtures import build, hashed_score, recipe, scored
from tests.release.conftest import PROMPTS, ragged


def unscored(reward: str, row: dict[str, Any]) -> float | None:
    """One image lacks a score, and scores are coarse: there are ties."""
    if (reward, row["model"], row["prompt"]) == ("greenness", "alpha", "prompt 5"):
        return None
    return round(3 * hashed_score(reward, row)) / 3


EVERY = [(name, ties) for name in AGGREGATIONS for ties in ("competition", "ordinal")]
FAST = [*((name, "competition") for name in AGGREGATIONS), EVERY[1]]


@pytest.mark.parametrize(("aggregation", "ties"), slow_but(FAST, EVERY))
def test_as_published_it_gives_what_was_published(
    tmp_path: Path, aggregation: str, ties: str
) -> None:
    text = recipe(more=f'[ranking]\naggregation = "{aggregation}"\nties = "{ties}"\n')
    text = text.replace('greenness"\n', 'greenness"\nweight = 0.3\n')
    workspace = build(tmp_path / "set", PROMPTS, text=text, keep=ragged, score=unscored)
    release = open_release(publish_to(workspace, tmp_path / "out").directory)
    found = rerank(release)
    assert found.scores.equals(release.table("scores"))
    assert found.scores["rank"].null_count() == 1
    ranked = release.table("ranked").explode("candidate_ids", "wins", "preference", "rank")
    again = found.ranking.table.join(
        ranked, left_on="candidate_id", right_on="candidate_ids", suffix="_published"
    )
    assert again.height == ranked.height == found.ranking.table.height
    for name in ("wins", "preference"):
        assert again[name].cast(pl.Float32).equals(again[f"{name}_published"], check_names=False)
    assert again["rank"].equals(again["rank_published"], check_names=False)
    assert (found.prompts, found.best_changed) == (9, 0)
    assert found.tau == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("asked", "weights", "models"),
    [
        ({"weights": {"redness": 3.0}}, {"redness": 3.0, "greenness": 1.0}, "alpha beta gamma"),
        ({"rewards": ["greenness"]}, {"greenness": 1.0}, "alpha beta gamma"),
        ({"without_rewards": ["redness"]}, {"greenness": 1.0}, "alpha beta gamma"),
        ({"models": ["gamma", "beta"]}, {"redness": 1.0, "greenness": 1.0}, "beta gamma"),
        ({"without_models": ["alpha"]}, {"redness": 1.0, "greenness": 1.0}, "beta gamma"),
        ({"aggregation": "borda"}, {"redness": 1.0, "greenness": 1.0}, "alpha beta gamma"),
    ],
)
def test_it_is_the_ranking_of_the_workspace_s_scores(
    out: Path, made: Workspace, asked: dict[str, Any], weights: dict[str, float], models: str
) -> None:
    found = rerank(open_release(out), **asked)
    rows = scored(made).filter(pl.col("model").is_in(models.split()))
    expected = rank(rows, weights, aggregation=asked.get("aggregation", "win-rate"))
    assert found.ranking.table.equals(expected.table)
    assert found.ranking.weights == weights
    assert set(found.scores["model"]) == set(models.split())
    assert found.scores.columns == open_release(out).table("scores").columns


def tau_b(a: list[float], b: list[float]) -> float | None:
    signs = [
        ((a[i] > a[j]) - (a[i] < a[j]), (b[i] > b[j]) - (b[i] < b[j]))
        for i, j in itertools.combinations(range(len(a)), 2)
    ]
    untied = [sum(s[side] != 0 for s in signs) for side in (0, 1)]
    if not all(untied):
        return None
    return float(sum(x * y for x, y in signs) / (untied[0] * untied[1]) ** 0.5)


@pytest.mark.parametrize(
    "asked",
    [{"without_rewards": ["redness"]}, {"without_models": ["beta"]}, {"weights": {"redness": 5}}],
)
def test_the_comparison_by_brute_force(out: Path, asked: dict[str, Any]) -> None:
    release = open_release(out)
    found = rerank(release, **asked)
    before = {row["candidate_id"]: row for row in release.table("scores").iter_rows(named=True)}
    taus, changed, prompts = [], 0, 0
    for (_,), group in found.scores.drop_nulls("rank").group_by("prompt_id"):
        rows = group.to_dicts()
        prompts += 1
        taus.append(
            tau_b(
                [before[row["candidate_id"]]["preference"] for row in rows],
                [row["preference"] for row in rows],
            )
        )
        was = {
            one
            for one, row in before.items()
            if row["prompt_id"] == rows[0]["prompt_id"] and row["rank"] == 1
        }
        changed += was != {row["candidate_id"] for row in rows if row["rank"] == 1}
    defined = [tau for tau in taus if tau is not None]
    assert found.tau == pytest.approx(sum(defined) / len(defined))
    assert (found.best_changed, found.prompts) == (changed, prompts)
    assert changed > 0
    assert found.as_dict()["tau"] == found.tau


def test_a_reward_that_did_not_rank_can(tmp_path: Path) -> None:
    text = recipe(more='[ranking]\nrewards = ["redness"]\n')
    workspace = build(tmp_path / "set", PROMPTS, text=text)
    release = open_release(publish_to(workspace, tmp_path / "out").directory)
    assert rerank(release).ranking.weights == {"redness": 1.0}
    both = rerank(release, weights={"greenness": 2})
    assert both.ranking.weights == {"redness": 1.0, "greenness": 2}
    assert rerank(release, rewards=["greenness"]).ranking.weights == {"greenness": 1.0}


def test_where_all_are_tied_there_is_no_tau(tmp_path: Path) -> None:
    def score(reward: str, row: dict[str, Any]) -> float:
        # Under the first all images of a prompt are equal.
        return len(row["prompt"]) + (0 if reward == "redness" else hashed_score(reward, row))

    text = recipe(more='[ranking]\nrewards = ["redness"]\n')
    prompts = [(f"{'x' * number} prompt", "train") for number in range(9)]
    workspace = build(tmp_path / "set", prompts, text=text, score=score)
    release = open_release(publish_to(workspace, tmp_path / "out", configs=["scores"]).directory)
    found = rerank(release, rewards=["greenness"])
    assert found.tau is None
    assert found.best_changed == 9


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        ({"aggregation": "brda"}, UnknownName, r"Did you mean 'borda'\?"),
        ({"ties": "none"}, RankingError, "unknown way to rank ties"),
        ({"weights": {"rednes": 1}}, ReleaseError, r"no scores of reward 'rednes'. Did you mean"),
        ({"without_rewards": ["blue"]}, ReleaseError, "no scores of reward 'blue'"),
        ({"without_rewards": ["redness", "greenness"]}, RankingError, "no reward is selected"),
        ({"models": ["alpha"]}, ReleaseError, "no prompt is left with two images"),
        ({"models": ["alpa"]}, ReleaseError, r"no images of model 'alpa'. Did you mean 'alpha'\?"),
        ({"weights": {"redness": 0}}, RankingError, "expected a finite number above 0"),
        (
            {"rewards": ["redness"], "weights": {"greenness": 2}},
            ReleaseError,
            "'greenness' has a weight and does not take part",
        ),
    ],
)
def test_what_cannot_be_ranked(
    out: Path, asked: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        rerank(open_release(out), **asked)


@pytest.mark.parametrize("column", ["score_redness", "model", "rank"])
def test_a_shard_that_lacks_a_column_is_named(out: Path, column: str) -> None:
    shard = sorted((out / "scores").glob("train-*"))[-1]
    pq.write_table(pq.read_table(shard).drop_columns([column]), shard)
    name = shard.relative_to(out).as_posix()
    with pytest.raises(ReleaseError, match=f"{name}: column `{column}` is missing"):
        rerank(open_release(out))
    with pytest.raises(ReleaseError, match=f"{name}: column `{column}` is missing"):
        open_release(out).table("scores", [column])


def test_a_release_without_scores(made: Workspace, tmp_path: Path) -> None:
    release = open_release(publish_to(made, tmp_path / "few", configs=["ranked"]).directory)
    with pytest.raises(ReleaseError, match="no config 'scores'"):
        rerank(release)


def test_from_the_hub_no_image_is_read(pushed: HubServer, out: Path) -> None:
    before = rerank(open_release(out), aggregation="majority")
    found = rerank(open_release("user/set@v1.0.0"), aggregation="majority")
    assert found.scores.equals(before.scores)
    assert found.as_dict()["revision"] == pushed.repositories["user/set"].tags["v1.0.0"]
    assert not pushed.seen(part="ranked/")
    assert not pushed.seen(part="pairwise/")


def test_wins_of_a_reward_are_counted_among_what_is_left(out: Path) -> None:
    found = rerank(open_release(out), without_models=["beta"], without_rewards=["greenness"])
    sizes = found.scores.drop_nulls("rank").group_by("prompt_id").len()["len"]
    assert found.scores["wins_redness"].max() == sizes.max() - 1  # type: ignore[operator]
    ranked = found.ranking.table.select("candidate_id", "wins_redness")
    both = found.scores.join(ranked, on="candidate_id", suffix="_new")
    assert both["wins_redness"].equals(both["wins_redness_new"].rename("wins_redness"))
    assert found.scores["wins_greenness"].null_count() == found.scores.height

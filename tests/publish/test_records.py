from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from synpic.prompts.meta import with_meta
from synpic.publish.table.features import arrow_schema
from synpic.publish.table.records import join, records
from synpic.rank import Ranking, rank


def scored(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Candidates from what a test says of them; ``score`` is the one reward's."""
    plain = {
        "prompt_id": "a1",
        "model": "alpha",
        "fingerprint": "f",
        "sample": 0,
        "seed": 7,
        "width": 32,
        "height": 32,
        "batch_size": 1,
        "seconds": 0.5,
        "flagged": None,
        "environment": "e1",
        "split": "train",
    }
    full = [
        {
            **plain,
            **row,
            "sha256": f"sha of {row['candidate_id']}",
            "prompt": f"text of {row.get('prompt_id', 'a1')}",
        }
        for row in rows
    ]
    types = {
        "sample": pl.Int32,
        "width": pl.Int32,
        "height": pl.Int32,
        "flagged": pl.Boolean,
        "score": pl.Float32,
    }
    return pl.DataFrame(full, schema_overrides=types).rename({"score": "score_r"})


def table(rows: list[dict[str, Any]], **how: str) -> tuple[pl.DataFrame, Ranking]:
    frame = scored(rows)
    ranking = rank(frame, {"r": 1.0}, **how)
    return join(
        frame, ranking, pl.Series([10] * frame.height), frame["candidate_id"] + ".png"
    ), ranking


ROWS: list[dict[str, Any]] = [
    {"candidate_id": "c5", "model": "beta", "sample": 0, "score": 3.0},
    {"candidate_id": "c4", "model": "alpha", "sample": 1, "score": 3.0},
    {"candidate_id": "c3", "model": "alpha", "sample": 0, "width": 64, "score": 1.0},
    {"candidate_id": "c2", "model": "alpha", "sample": 0, "width": 32, "score": 2.0},
    {"candidate_id": "d2", "prompt_id": "a0", "model": "beta", "score": 0.0, "flagged": True},
    {"candidate_id": "d1", "prompt_id": "a0", "model": "alpha", "score": 5.0, "flagged": False},
    {"candidate_id": "d3", "prompt_id": "a0", "model": "gamma", "score": None},
    {"candidate_id": "e1", "prompt_id": "a2", "model": "alpha", "score": 1.0},
]


def test_ranked_by_hand() -> None:
    made = records("ranked", *table(ROWS), "all")
    assert list(made.images) == ["image_0", "image_1", "image_2", "image_3"]
    first, second = made.rows.to_dicts()
    assert (first["prompt_id"], first["prompt"], first["split"]) == ("a0", "text of a0", "train")
    # By model, then sample, then size, whatever the rank.
    assert first["candidate_ids"] == ["d1", "d2"]
    assert second["candidate_ids"] == ["c2", "c3", "c4", "c5"]
    assert second["models"] == ["alpha", "alpha", "alpha", "beta"]
    assert second["wins"] == [1.0, 0.0, 2.0, 2.0]
    assert second["preference"] == pytest.approx([1 / 3, 0, 2 / 3, 2 / 3])
    assert second["rank"] == [3, 4, 1, 1]
    assert second["best"] == 2
    assert second["score_r"] == [2.0, 1.0, 3.0, 3.0]
    assert first["flagged"] == [False, True]
    assert first["image_2"] is None
    assert second["image_3"] == {
        "candidate_id": "c5",
        "sha256": "sha of c5",
        "path": "c5.png",
        "size": 10,
    }


def test_the_first_of_rank_1_is_best_where_ties_are_broken() -> None:
    made = records("ranked", *table(ROWS, ties="ordinal"), "all").rows.to_dicts()[1]
    assert made["rank"] == [3, 4, 1, 2]
    assert made["best"] == 2


def test_scores_keep_what_is_not_ranked() -> None:
    made = records("scores", *table(ROWS), "all")
    assert made.images == {}
    assert "image" not in made.rows.columns
    rows = {row["candidate_id"]: row for row in made.rows.to_dicts()}
    assert list(rows) == ["d1", "d2", "d3", "c2", "c3", "c4", "c5", "e1"]
    assert (rows["d3"]["rank"], rows["d3"]["preference"], rows["d3"]["score_r"]) == (None,) * 3
    assert (rows["e1"]["rank"], rows["e1"]["score_r"]) == (None, 1.0)
    assert (rows["d1"]["rank"], rows["d1"]["preference"]) == (1, 1.0)


def test_wins_of_each_reward_by_hand() -> None:
    frame = scored(ROWS).with_columns(score_s=-pl.col("score_r"))
    ranking = rank(frame, {"r": 1.0, "s": 2.0})
    rows = join(frame, ranking, pl.Series([10] * frame.height), frame["candidate_id"] + ".png")
    made = records("scores", rows, ranking, "all").rows
    assert made.columns.index("wins_r") == made.columns.index("rank") + 1
    assert (made.schema["wins_r"], made.schema["wins_s"]) == (pl.Int32, pl.Int32)
    found = {row["candidate_id"]: (row["wins_r"], row["wins_s"]) for row in made.to_dicts()}
    # Of a1, r says 2, 1, 3, 3 for c2 … c5, and s the opposite; d3 lacks a score, e1 company.
    assert found == {
        "c2": (1, 2),
        "c3": (0, 3),
        "c4": (2, 0),
        "c5": (2, 0),
        "d1": (1, 0),
        "d2": (0, 1),
        "d3": (None, None),
        "e1": (None, None),
    }
    assert "wins_r" not in records("ranked", rows, ranking, "all").rows.columns


def test_pairs_by_hand() -> None:
    made = records("pairwise", *table(ROWS), "best-worst").rows.to_dicts()
    assert [(row["chosen_id"], row["rejected_id"]) for row in made] == [("d1", "d2"), ("c4", "c3")]
    assert made[0]["chosen_model"] == "alpha"
    assert made[0]["rejected"]["path"] == "d2.png"
    assert made[1]["margin"] == pytest.approx(2 / 3)
    assert made[1]["prompt"] == "text of a1"
    assert {row["label_source"] for row in made} == {"rewards"}


def test_a_pair_keeps_its_sides_when_the_winner_changes() -> None:
    pair = [{**row, "prompt_id": "a0", "sample": 0} for row in ROWS[:2]]
    sides = []
    for scores in ((1.0, 2.0), (2.0, 1.0)):
        given = [{**row, "score": score} for row, score in zip(pair, scores, strict=True)]
        row = records("pickapic", *table([*given, *ROWS[6:]]), "all").rows.to_dicts()[0]
        sides.append((row["image_0_uid"], row["image_1_uid"]))
        winner = "c4" if scores[1] > scores[0] else "c5"
        assert row["best_image_uid"] == winner
        assert row["label_0" if row["image_0_uid"] == winner else "label_1"] == 1.0
        assert row["label_0"] + row["label_1"] == 1.0
    assert sides[0] == sides[1]


def test_pickapic_counts_the_pairs_of_a_prompt() -> None:
    made = records("pickapic", *table(ROWS), "all")
    rows = made.rows.to_dicts()
    assert [row["num_example_per_prompt"] for row in rows] == [1, 5, 5, 5, 5, 5]
    assert [row["__index_level_0__"] for row in rows] == list(range(6))
    assert [row["ranking_id"] for row in rows] == [0xA0] + [0xA1] * 5


def test_what_the_source_says_of_a_prompt_is_in_every_config() -> None:
    frame, ranking = table(ROWS)
    prompts = pl.DataFrame(
        {
            "prompt_id": ["a0", "a1"],
            "meta_task": ["count", None],
            "meta_hard": [True, False],
            "meta_level": pl.Series([3, None], dtype=pl.Int8),
            "meta_large": pl.Series([1, 2**64 - 1], dtype=pl.UInt64),
            "meta_tags": [["b", "é"], None],
            "meta_about": [{"b": 1, "a": None}, {"b": 2, "a": "x"}],
            "meta_none": pl.Series([None, None], dtype=pl.Null),
        }
    )
    expected = {
        "meta_task": "count",
        "meta_hard": True,
        "meta_level": 3,
        "meta_large": "1",
        "meta_tags": '["b", "é"]',
        "meta_about": '{"a": null, "b": 1}',
        "meta_none": None,
    }
    told = with_meta(frame, prompts)
    assert with_meta(frame, prompts.select("prompt_id")).equals(frame)
    for config in ("ranked", "scores", "images", "pairwise"):
        made = records(config, told, ranking, "best-worst")
        rows = made.rows.filter(pl.col("prompt_id") == "a0").to_dicts()
        assert rows or config == "pairwise"
        for row in rows:
            assert {name: row[name] for name in expected} == expected
            assert row["prompt"] == "text of a0"
        arrow_schema(made.rows.drop("split").schema, made.images)
    pickapic = records("pickapic", told, ranking, "best-worst").rows
    assert not [name for name in pickapic.columns if name.startswith("meta_")]

from __future__ import annotations

from itertools import combinations
from operator import attrgetter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import ReleaseError
from synpic.publish import publish_to
from synpic.release import Published, open_release
from synpic.release.diff import Difference, diff, diff_releases
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline
from tests.publish.fixtures import TWO_SPLITS, build, hashed_score, picture, recipe
from tests.release.conftest import files_of

Row = dict[str, Any]
SCHEMA: dict[str, Any] = {
    "split": pl.String,
    "prompt_id": pl.String,
    "candidate_id": pl.String,
    "model": pl.String,
    "sha256": pl.String,
    "rank": pl.Int32,
}

SCORE = st.none() | st.sampled_from([0.0, 0.5, 1.0])
CELL = st.fixed_dictionaries(
    {
        "sha256": st.sampled_from("xy"),
        "rank": st.none() | st.integers(1, 3),
        "score_a": SCORE,
        "score_b": SCORE,
    }
)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Some of 3 prompts × 3 models, with or without each of two rewards."""
    splits = draw(st.lists(st.sampled_from(["train", "test"]), min_size=3, max_size=3))
    rows = [
        {
            "split": split,
            "prompt_id": f"p{p}",
            "candidate_id": f"p{p}m{m}",
            "model": f"m{m}",
            **cell,
        }
        for p, split in enumerate(splits)
        for m in range(3)
        if (cell := draw(st.none() | CELL)) is not None
    ]
    rewards = draw(st.sets(st.sampled_from(["score_a", "score_b"])))
    schema = {**SCHEMA, **dict.fromkeys(sorted(rewards), pl.Float32)}
    kept = [{name: row[name] for name in schema} for row in rows]
    table = pl.DataFrame(kept, schema=schema)
    return table.sample(fraction=1, shuffle=True, seed=draw(st.integers(0, 9)))


def test_rewards_whose_names_differ_by_an_ending() -> None:
    names = ["a", "a_new", "old_a", "new_a"]
    row = {"split": "train", "prompt_id": "p", "candidate_id": "c", "model": "m", "sha256": "x"}

    def table(*scores: float) -> pl.DataFrame:
        named = {f"score_{name}": score for name, score in zip(names, scores, strict=True)}
        return pl.DataFrame({**row, "rank": 1, "seed": 7, "seed_new": 8, **named})

    found = diff(table(0.0, 1.0, 2.0, 3.0), table(0.0, 1.5, 2.0, 5.0))
    assert {name: score.largest for name, score in found.scores.items()} == {
        "a": 0.0,
        "a_new": 0.5,
        "old_a": 0.0,
        "new_a": 2.0,
    }


@given(tables(), tables())
def test_it_counts_as_a_plain_loop_does(old: pl.DataFrame, new: pl.DataFrame) -> None:
    found, expected = diff(old, new), by_hand(rows_of(old), rows_of(new), old, new)
    best, scores = expected.pop("best"), expected.pop("scores")
    assert {name: attrgetter(name)(found) for name in expected} == expected
    assert found.ranks.best_changed["prompt_id"].to_list() == best
    assert {name: tuple(vars(score).values()) for name, score in found.scores.items()} == scores
    lists = [value for value in expected.values() if isinstance(value, list)]
    moved = any(score[0] + score[2] + score[3] for score in scores.values())
    assert found.any == bool(any(lists) or best or moved)
    back = diff(new, old)
    assert back.prompts.added == found.prompts.removed
    assert back.images.redrawn == found.images.redrawn
    assert back.ranks.order_changed == found.ranks.order_changed
    assert not diff(old, old).any


def rows_of(table: pl.DataFrame) -> dict[str, Row]:
    return {row["candidate_id"]: row for row in table.iter_rows(named=True)}


def by_hand(
    old: dict[str, Row], new: dict[str, Row], before: pl.DataFrame, after: pl.DataFrame
) -> Row:
    splits = [{row["prompt_id"]: row["split"] for row in rows.values()} for rows in (old, new)]
    models = [{row["model"] for row in rows.values()} for rows in (old, new)]
    rewards = [
        {name.removeprefix("score_") for name in table.columns if name.startswith("score_")}
        for table in (before, after)
    ]
    both = sorted(old.keys() & new.keys())
    same = [one for one in both if old[one]["sha256"] == new[one]["sha256"]]
    best, order, ranked = [], [], 0
    for prompt in sorted(splits[0].keys() & splits[1].keys()):
        places = [
            {one: row["rank"] for one, row in rows.items() if row["prompt_id"] == prompt}
            for rows in (old, new)
        ]
        firsts = [{one for one, rank in side.items() if rank == 1} for side in places]
        if all(firsts):
            ranked += 1
            if firsts[0] != firsts[1]:
                best.append(prompt)
        common = [
            one
            for one in places[0].keys() & places[1].keys()
            if places[0][one] is not None and places[1][one] is not None
        ]
        if any(
            _sign(places[0][a] - places[0][b]) != _sign(places[1][a] - places[1][b])
            for a, b in combinations(common, 2)
        ):
            order.append(prompt)
    return {
        "prompts.added": sorted(splits[1].keys() - splits[0].keys()),
        "prompts.removed": sorted(splits[0].keys() - splits[1].keys()),
        "prompts.moved": sorted(
            prompt
            for prompt in splits[0].keys() & splits[1].keys()
            if splits[0][prompt] != splits[1][prompt]
        ),
        "prompts.kept": len(splits[0].keys() & splits[1].keys()),
        "images.added": sorted(new.keys() - old.keys()),
        "images.removed": sorted(old.keys() - new.keys()),
        "images.redrawn": [one for one in both if one not in same],
        "images.kept": len(same),
        "models.added": sorted(models[1] - models[0]),
        "models.removed": sorted(models[0] - models[1]),
        "rewards.added": sorted(rewards[1] - rewards[0]),
        "rewards.removed": sorted(rewards[0] - rewards[1]),
        "ranks.prompts": ranked,
        "ranks.order_changed": order,
        "best": best,
        "scores": _scores(old, new, same, rewards),
    }


def _scores(old: dict[str, Row], new: dict[str, Row], same: list[str], rewards: Any) -> Any:
    found = {}
    for reward in rewards[0] & rewards[1]:
        pairs = [(old[one][f"score_{reward}"], new[one][f"score_{reward}"]) for one in same]
        known = [(a, b) for a, b in pairs if a is not None and b is not None]
        found[reward] = (
            sum(a != b for a, b in known),
            max((abs(a - b) for a, b in known), default=0.0),
            sum(a is None and b is not None for a, b in pairs),
            sum(a is not None and b is None for a, b in pairs),
        )
    return found


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def released(
    root: Path, name: str, text: str | None = None, prompts: Any = TWO_SPLITS, **how: Any
) -> Published:
    workspace = build(root / f"set-{name}", prompts, text=text, **how)
    return open_release(publish_to(workspace, root / name).directory)


def test_what_was_done_is_what_is_found(tmp_path: Path) -> None:
    def score(reward: str, row: dict[str, Any]) -> float:
        raised = reward == "redness" and (row["prompt"], row["model"]) == ("a red circle", "alpha")
        return hashed_score(reward, row) + (0.25 if raised else 0)

    def draw(row: dict[str, Any]) -> bytes:
        redrawn = row["prompt"] == "three yellow triangles"
        return picture({"candidate_id": "another"} if redrawn else row)

    old = released(tmp_path, "old", recipe(("alpha", "beta")))
    assert not diff_releases(old, released(tmp_path, "again", recipe(("alpha", "beta")))).any
    prompts = [*TWO_SPLITS[:4], ("one more", "train")]
    new = released(tmp_path, "new", prompts=prompts, score=score, draw=draw)
    found = diff_releases(old, new)
    assert found.any
    assert (len(found.prompts.added), len(found.prompts.removed), found.prompts.kept) == (1, 1, 4)
    # A third model drew for four prompts, and three models for the new one.
    assert (len(found.images.added), len(found.images.removed)) == (7, 2)
    assert (len(found.images.redrawn), found.images.kept) == (2, 6)
    assert (found.models.added, found.models.removed) == (["gamma"], [])
    assert found.scores["redness"].changed == 1
    assert found.scores["redness"].largest == pytest.approx(0.25, abs=1e-6)
    assert not found.scores["greenness"].any
    told = found.as_dict(prompts=1)
    assert told["images"] == {"added": 7, "removed": 2, "redrawn": 2, "kept": 6}
    assert told["examples"]["added"] == found.prompts.added
    assert len(told["examples"]["best_changed"]) == min(1, told["ranks"]["best_changed"])


def test_rewards_that_come_and_go(tmp_path: Path) -> None:
    text = recipe()
    both, one = released(tmp_path, "both"), released(tmp_path, "one", text.split("[rewards.g")[0])
    assert diff_releases(both, one).rewards.removed == ["greenness"]
    found = diff_releases(one, both)
    assert (found.rewards.added, list(found.scores)) == (["greenness"], ["redness"])
    assert found.any


def test_a_release_without_scores(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set")
    bare = open_release(publish_to(workspace, tmp_path / "bare", configs=["ranked"]).directory)
    with pytest.raises(ReleaseError, match="has no config 'scores'") as caught:
        diff_releases(bare, bare)
    assert caught.value.hint


def test_tables_that_are_none() -> None:
    table = pl.DataFrame(
        {"split": ["t"] * 2, "prompt_id": ["p"] * 2, "candidate_id": ["c"] * 2}
    ).with_columns(model=pl.lit("m"), sha256=pl.lit("x"), rank=pl.lit(1))
    with pytest.raises(ReleaseError, match="'c' is there more than once"):
        diff(table, table)
    with pytest.raises(ReleaseError, match="no column 'sha256'"):
        diff(table[:1].drop("sha256"), table[:1])


def test_no_pixel_is_downloaded(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path
) -> None:
    hub.create("user/set")
    first = hub.commit("user/set", files_of(out)).oid
    hub.repositories["user/set"].tags["v1.0.0"] = first
    online(hub, None, tmp_path / "home")
    found: Difference = diff_releases(open_release("user/set@v1.0.0"), open_release(out))
    assert not found.any
    assert found.images.kept == 26
    assert hub.seen("GET", "/scores/")
    assert not hub.seen(part="/ranked/")
    assert not hub.seen(part="/pairwise/")

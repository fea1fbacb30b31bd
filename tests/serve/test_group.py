"""The preference of a group: what a workspace with the same scores ranks, here and over HTTP."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import synpic
from synpic.errors import RankingError, RewardError, UnknownName
from synpic.rank import AGGREGATIONS, rank
from synpic.serve.group import rank_group
from tests.serve.loopback import Redness, loopback, text
from tests.serve.scorers import png

PROMPT = "a red circle"


def pictures(count: int) -> list[bytes]:
    files = []
    for seed in range(count):
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    return files


@given(
    k=st.integers(2, 12),
    values=st.lists(st.integers(-3, 3), min_size=72, max_size=72),
    aggregation=st.sampled_from(sorted(AGGREGATIONS)),
    weights=st.lists(st.sampled_from([0.1, 1.0, 2.5]), min_size=3, max_size=3),
)
def test_it_is_what_a_table_of_many_prompts_ranks(
    k: int, values: list[int], aggregation: str, weights: list[float]
) -> None:
    names = ("a", "b", "c")
    scores = np.array(values, np.float64).reshape(2, 3, 12)[:, :, :k]
    table = pl.DataFrame(
        {
            "prompt_id": np.repeat(["one", "two"], k),
            "candidate_id": [f"{prompt}-{n:02}" for prompt in ("one", "two") for n in range(k)],
            **{f"score_{name}": scores[:, n].ravel() for n, name in enumerate(names)},
        }
    )
    of = dict(zip(names, weights, strict=True))
    # A constant reward over many prompts is refused there; a group alone is not.
    try:
        wanted = rank(table, of, aggregation=aggregation).table
    except RewardError:
        return
    for number, prompt in enumerate(("one", "two")):
        rows = wanted.filter(prompt_id=prompt)
        mine = {name: scores[number, n].tolist() for n, name in enumerate(names)}
        found = rank_group(mine, of, AGGREGATIONS[aggregation])
        assert found.preference == rows["preference"].to_list()
        assert found.rank == rows["rank"].to_list()
        assert found.wins == {name: rows[f"wins_{name}"].to_list() for name in names}


def test_in_process_and_over_http_it_is_the_same() -> None:
    images = pictures(4)
    names = ["shapes_quality", "shapes_alignment"]
    opened = [synpic.reward(name) for name in names]
    found = synpic.group_preference(PROMPT, images, opened, weights={"shapes_quality": 2})
    assert found == synpic.group_preference(PROMPT, images, names, weights={"shapes_quality": 2})
    assert found.scores["shapes_quality"] == opened[0].score(PROMPT, images)
    assert sorted(found.wins["shapes_quality"]) == [0, 1, 2, 3]
    with loopback({one.name: one.opened for one in opened}) as server:
        body = {"prompt": PROMPT, "images": [text(one) for one in images]}
        answer = server.client.post("/v1/group", json={**body, "weights": {"shapes_quality": 2}})
        assert answer.json() == {
            "preference": found.preference,
            "rank": found.rank,
            "wins": found.wins,
            "scores": found.scores,
        }


def test_what_is_no_group_is_refused() -> None:
    images = pictures(2)
    with pytest.raises(RewardError, match="two images or more, and this one 1"):
        synpic.group_preference(PROMPT, images[:1], "shapes_quality")
    with pytest.raises(UnknownName, match="unknown aggregation"):
        synpic.group_preference(PROMPT, images, "shapes_quality", aggregation="winrate")
    with pytest.raises(RewardError, match="there twice"):
        synpic.group_preference(PROMPT, images, ["shapes_quality", "shapes_quality"])
    with pytest.raises(RankingError, match="Did you mean 'shapes_quality'"):
        synpic.group_preference(PROMPT, images, "shapes_quality", weights={"shapes_qualty": 1})
    with pytest.raises(RewardError, match="no reward"):
        synpic.group_preference(PROMPT, images, [])


def test_over_http_a_group_is_whole_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    images = [text(png(n)) for n in (1, 2)]
    with loopback({"red": Redness()}) as server:
        for body, status, part in [
            ({"images": images[:1]}, 422, "at least 2"),
            ({"images": images, "weights": {"rde": 1}}, 422, "Did you mean 'red'"),
            ({"images": images, "weights": {"red": 0}}, 422, "greater than 0"),
            ({"images": images, "aggregation": "win_rate"}, 422, "Did you mean 'win-rate'"),
            ({"images": images, "aggregation": "evil:rule"}, 422, "unknown aggregation"),
            ({"images": images, "prompt": "nan"}, 500, "image 0 has no score by red"),
        ]:
            answer = server.client.post("/v1/group", json={"prompt": "a", **body})
            assert (answer.status_code, part in answer.json()["error"]) == (status, True), answer

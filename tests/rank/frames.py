"""Scored candidates for the tests of this folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from hypothesis import strategies as st

Scores = Mapping[str, Sequence[float | None]]
"""Reward → the scores of a prompt's candidates, in the order of ``MODELS``."""

MODELS = "abcdefgh"


def identify(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def scored(prompts: Mapping[str, Scores], dtype: Any = pl.Float32) -> pl.DataFrame:
    """One row per candidate of each prompt; its id is ``<prompt>-<model>`` hashed."""
    rows: list[dict[str, Any]] = []
    rewards: list[str] = []
    for prompt, scores in prompts.items():
        rewards = list(scores)
        for at, values in enumerate(zip(*scores.values(), strict=True)):
            model = MODELS[at]
            rows.append(
                {
                    "prompt_id": prompt,
                    "candidate_id": identify(prompt, model),
                    "model": model,
                    "sample": 0,
                    **{f"score_{name}": v for name, v in zip(rewards, values, strict=True)},
                }
            )
    schema = {"prompt_id": pl.String, "candidate_id": pl.String, "model": pl.String}
    types = {**schema, "sample": pl.Int32, **{f"score_{name}": dtype for name in rewards}}
    return pl.DataFrame(rows, schema=types)


# Few levels make ties common; all are exact in float32.
LEVELS = [-2.0, -0.5, 0.0, 0.25, 1.0, 20.75]
REWARDS = ("r", "s", "t")
WEIGHTS = st.sampled_from([0.1, 0.2, 0.3, 0.7, 1, 1.5, 3])


@st.composite
def scored_tables(
    draw: st.DrawFn, missing: bool = True, rewards: Sequence[str] = REWARDS
) -> pl.DataFrame:
    """Up to three prompts of ragged k: fewer than 16 candidates, so a constant is no offence."""
    value = st.sampled_from([*LEVELS, *LEVELS, None] if missing else LEVELS)
    prompts: dict[str, Scores] = {}
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    for at, k in enumerate(sizes):
        column = st.lists(value, min_size=k, max_size=k)
        prompts[f"p{at}"] = {reward: draw(column) for reward in rewards}
    return scored(prompts)


def weightings(rewards: Sequence[str] = REWARDS) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries(dict.fromkeys(rewards, WEIGHTS))


def complete_prompts(
    table: pl.DataFrame, rewards: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """prompt → candidate → reward → score, as plain Python, of what should be ranked."""
    prompts: dict[str, dict[str, dict[str, float]]] = {}
    for row in table.iter_rows(named=True):
        scores = {reward: row[f"score_{reward}"] for reward in rewards}
        if None not in scores.values():
            prompts.setdefault(row["prompt_id"], {})[row["candidate_id"]] = scores
    return {prompt: images for prompt, images in prompts.items() if len(images) >= 2}

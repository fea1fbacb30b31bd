"""The least that a manifest has to hold, for tests that need no tables."""

from __future__ import annotations

from typing import Any

from synpic.release.manifest import Manifest
from synpic.workspace.tables import SCHEMA_VERSION

__all__ = ["as_manifest", "least"]


def least(**changes: Any) -> dict[str, Any]:
    """A manifest of one model, one reward and one prompt of two images, as JSON-like data."""
    counts = dict.fromkeys(
        ("incomplete", "prompts_below_two", "tied_prompts", "candidates_missing", "flagged"), 0
    )
    counts |= {"candidates": 2, "kept_candidates": 2, "unchecked": 2}
    counts |= {"prompts": 1, "kept_prompts": 1, "prompts_wanted": 1}
    model = {"name": "alpha", "fingerprint": "f", "checkpoint": "c", "decides": {}}
    reward = {"name": "redness", "fingerprint": "f", "reward": "r", "checkpoint": None}
    return {
        "synpic": "1",
        "schema_version": SCHEMA_VERSION,
        "version": None,
        "digest": "0" * 64,
        "recipe": "",
        "lock": [],
        "prompts": {"prompts.txt": 1},
        "models": [{**model, "licence": None, "samples": 2, "candidates": 2}],
        "rewards": [
            {
                **reward,
                "decides": {},
                "licence": None,
                "paper": None,
                "reads_prompt": None,
                "weight": 1.0,
                "scores": 2,
            }
        ],
        "environments": {},
        "ranking": {"aggregation": "win-rate", "ties": "competition", "weights": {"redness": 1.0}},
        "counts": {**counts, "failed": {}},
        "win_rates": [],
        "agreement": {"rewards": [], "leave_one_out": []},
        "histograms": {},
        "pairs": {},
        "features": {"ranked": [{"name": "prompt_id", "dtype": "string"}]},
        "records": {"ranked": {"train": 1}},
        "files": {},
        **changes,
    }


def as_manifest(data: dict[str, Any]) -> Manifest:
    """JSON-like data as a manifest, as reading a file gives it."""
    return Manifest.model_validate(data)

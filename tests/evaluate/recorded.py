"""Evaluations as files, made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synpic.workspace.evaluations import (
    RecordedEvaluation,
    encode_evaluation,
)
from synpic.workspace.tables import SCHEMA_VERSION

__all__ = ["JUDGED", "changed", "estimate", "evaluation", "result", "typed", "write"]

JUDGED = "geneval"
BASE, TUNED = "a" * 64, "b" * 64
DRAWN = "4 images a prompt, 50 steps, guidance 9; seeds from 0; prompts not rewritten"


def estimate(value: float, low: float, high: float, n: int = 400) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": n, "clusters": 100}


def result(
    model: str,
    mean: tuple[float, float, float],
    difference: tuple[float, float, float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One row; ``difference`` with p 0.0123 and, by Holm, 0.0246."""
    row: dict[str, Any] = {"model": model, "tag": "overall", "missing": 0, "trail": "held out"}
    row |= {"mean": estimate(*mean)}
    if difference is not None:
        row["difference"] = {
            "mean": estimate(*difference),
            "win_rate": estimate(0.625, 0.55, 0.7),
            "ties": 12,
            "p": 0.0123,
            "p_holm": 0.0246,
            "units_to_see": None,
            "seen": not difference[1] <= 0 <= difference[2],
        }
    return row | more


def evaluation(training: str | None = None) -> dict[str, Any]:
    """GenEval of a base and a tuned model by its judge and two rewards; one is in training."""
    return {
        "schema_version": SCHEMA_VERSION,
        "synpic": "0.1.0",
        "base": "sdxl",
        "models": {
            "sdxl": {"fingerprint": BASE, "training": None, "protocol": [], "drawn": DRAWN},
            "tuned": {
                "fingerprint": TUNED,
                "training": training,
                "protocol": ["steps 30, not 50"],
                "drawn": DRAWN.replace("50 steps", "30 steps"),
            },
        },
        "suite": {
            "name": "geneval",
            "version": "1" * 64,
            "items": 100,
            "whole": 100,
            "images": 4,
            "protocol": "4 images a prompt, 50 steps, guidance 9",
        },
        "tag": "tag",
        "prompts": 100,
        "prompts_hash": "2" * 64,
        "items": 400,
        "same_seed": 400,
        "headline": {"tuned": "geneval"},
        "measures": [
            _measure(JUDGED, "judge", "3", (0.55, 0.5, 0.6), (0.65, 0.6, 0.7), (0.1, 0.06, 0.14)),
            _measure("pickscore", "reward", "4", (20, 19, 21), (22, 21, 23), (2, 1.5, 2.5)),
            _measure("hpsv2", "reward", "5", (0.2, 0.1, 0.3), (0.21, 0.1, 0.3), (0.01, -0.1, 0.1)),
        ],
    }


def _measure(name: str, kind: str, digit: str, *numbers: tuple[float, float, float]) -> Any:
    trail = "in training" if name == "pickscore" else "held out"
    return {
        "metric": name,
        "kind": kind,
        "fingerprint": digit * 64,
        "overall": "tags" if kind == "judge" else "items",
        "results": [
            result("sdxl", numbers[0], trail="unknown"),
            result("tuned", numbers[1], numbers[2], trail=trail),
        ],
    }


def changed(found: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``found`` in which ``measures.0.fingerprint``, say, is ``value``."""
    copied: Any = json.loads(json.dumps(found))
    *keys, last = path.split(".")
    at = copied
    for key in keys:
        at = at[int(key) if key.isdigit() else key]
    at[int(last) if last.isdigit() else last] = value
    return dict(copied)


def typed(found: Mapping[str, Any]) -> RecordedEvaluation:
    return RecordedEvaluation.model_validate(found)


def write(place: Path, found: Mapping[str, Any]) -> Path:
    """``found`` at ``place``, as synpic writes it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(encode_evaluation(dict(found)))
    return place

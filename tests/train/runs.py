"""Runs of the trainer, and what is to be read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

RECIPE = """
seed = 3

[model]
checkpoint = "{checkpoint}"
steps = 2
guidance = 2.0

[data]
dataset = "{dataset}"

[objective]
beta = 100.0

[optimizer]
learning_rate = 1e-3

[run]
steps = 2
batch_size = 2
"""

LORA = "tuning.method=lora"
FULL = "tuning.method=full"


def rows(out: Path) -> list[dict[str, Any]]:
    """The log, without what another run cannot repeat."""
    text = (out / "log.jsonl").read_text(encoding="utf-8")
    found = [json.loads(row) for row in text.splitlines()]
    return [{key: row[key] for key in row if key != "seconds"} for row in found]


def weights(out: Path) -> dict[str, Tensor]:
    """What was trained, as the last checkpoint has it."""
    newest = max((out / "checkpoints").glob("step-*"))
    return load_file(newest / "weights.safetensors")


def mean_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Not the largest: where a gradient is nothing but rounding, AdamW makes a full step of it."""
    assert one.keys() == other.keys()
    apart = torch.cat([(one[name] - other[name]).abs().flatten() for name in one])
    return float(apart.mean())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)

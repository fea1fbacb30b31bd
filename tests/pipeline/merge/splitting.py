"""A workspace that is made once, and parts of it as workspaces of their own, with nothing drawn."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import synpic
from synpic import Workspace, ids
from synpic.workspace.parts import read_part

PROMPTS = [f"🎨 prompt {number}" for number in range(16)]
MODELS = ("one", "two", "three")
REWARDS = ("red", "blue", "picky")

_MODEL = """
# {name} draws noise
[models.{name}]
family = "tests.fakes:Painter"
checkpoint = "{weights}"
steps = {steps}  # steps of {name}
samples = 2
batch_size = 4
"""
_REWARDS = {
    "red": '[rewards.red]\nreward = "tests.fakes:redness"\n',
    "blue": '[rewards.blue]\nreward = "tests.fakes:blueness"\nweight = 0.5\n',
    "picky": '[rewards.picky]\nreward = "tests.fakes:often_picky"\n',
}

Change = Callable[[pl.DataFrame], pl.DataFrame]


def table_of(prompts: Sequence[str]) -> str:
    """Prompts as a CSV file, each with a split and a topic."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["prompt", "split", "topic"])
    for prompt in prompts:
        number = PROMPTS.index(prompt) if prompt in PROMPTS else 0
        writer.writerow([prompt, "test" if number % 3 else "train", f"topic {number % 4}"])
    return out.getvalue()


def recipe_of(
    weights: str, models: Sequence[str] = MODELS, rewards: Sequence[str] = REWARDS, more: str = ""
) -> str:
    """A recipe with comments, whose models and rewards are some of all."""
    steps = {name: number + 5 for number, name in enumerate(MODELS)}
    return "\n".join(
        [
            more,
            "# prompts of my own",
            "[prompts]",
            'file = "prompts.csv"  # a file beside it',
            *(_MODEL.format(name=name, weights=weights, steps=steps[name]) for name in models),
            *(_REWARDS[name] for name in rewards),
        ]
    )


def begin(
    folder: Path,
    prompts: Sequence[str] = PROMPTS,
    models: Sequence[str] = MODELS,
    rewards: Sequence[str] = REWARDS,
    more: str = "",
) -> Workspace:
    """A workspace with a recipe and nothing made; weights lie beside it."""
    weights = folder.parent / "weights"
    if not weights.exists():
        weights.mkdir()
        (weights / "model.bin").write_bytes(b"weights")
    folder.mkdir()
    (folder / "prompts.csv").write_text(table_of(prompts), encoding="utf-8")
    return Workspace.create(folder, recipe_of("../weights", models, rewards, more))


def make(workspace: Workspace) -> Workspace:
    """Draw and score all of it."""
    synpic.generate_candidates(workspace, device="cpu")
    synpic.score_candidates(workspace, device="cpu")
    return workspace


def split(
    whole: Workspace,
    folder: Path,
    prompts: Sequence[str] = PROMPTS,
    models: Sequence[str] = MODELS,
    rewards: Sequence[str] = REWARDS,
    more: str = "",
    changes: Mapping[str, Change] | None = None,
) -> Workspace:
    """What ``whole`` has of some prompts, models and rewards, as a workspace of its own.

    Args:
        changes: kind ("candidates" or "scores") → what to do to rows before they are written.
    """
    workspace = begin(folder, prompts, models, rewards, more)
    wanted = {ids.prompt_id(prompt) for prompt in prompts}
    of_prompts: set[str] = set()
    for name in whole.folders("candidates"):
        if name.rpartition("/")[2].rpartition("-")[0] in models:
            for part in whole.parts(name):
                table = read_part(whole.store, part)
                table = _chosen(table, "prompt_id", wanted)
                of_prompts |= set(table["candidate_id"].to_pylist())
                _write(whole, workspace, part, table, changes)
    for name in [*whole.folders("scores"), "failures"]:
        if name == "failures" or name.rpartition("/")[2].rpartition("-")[0] in rewards:
            for part in whole.parts(name):
                table = read_part(whole.store, part)
                table = _chosen(table, "candidate_id", of_prompts)
                if name == "failures":
                    table = _chosen(table, "name", rewards)
                _write(whole, workspace, part, table, changes)
    return workspace


def _chosen(table: pa.Table, column: str, values: Collection[str]) -> pa.Table:
    kept = [value in values for value in table[column].to_pylist()]
    return table.filter(pa.array(kept, pa.bool_()))


def _write(
    whole: Workspace,
    workspace: Workspace,
    part: str,
    table: pa.Table,
    changes: Mapping[str, Change] | None,
) -> None:
    folder = part.rpartition("/")[0]
    change = (changes or {}).get(folder.partition("/")[0])
    if change is not None:
        frame: Any = pl.from_arrow(table)
        table = change(frame).to_arrow().cast(table.schema)
    if table.num_rows:
        note = whole.part_metadata(part).model_dump(by_alias=True, exclude={"schema_version"})
        workspace.write_part(folder, table, note)

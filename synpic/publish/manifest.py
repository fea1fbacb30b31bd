"""What a release says of itself, for machines: ``manifest.json``. The card says the same to people.

No clock and no path of the machine goes into it: the same workspace gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from synpic import checkpoints
from synpic.generate.model import KnownModel, Model
from synpic.inventory import Inventory
from synpic.publish.shards import Shard
from synpic.rank import Ranking, agreement, leave_one_out, win_rate_by_model
from synpic.registry import MODELS
from synpic.score.reward import WantedReward
from synpic.tables import SCHEMA_VERSION, check_version

__all__ = ["MANIFEST", "describe", "describe_file", "encode", "read_manifest"]

MANIFEST = "manifest.json"

_KEY = "synpic"
"""The key by which a manifest is known for one of ours; its value is synpic's version."""


def describe(
    inventory: Inventory, scored: pl.DataFrame, ranking: Ranking, shards: list[Shard]
) -> dict[str, Any]:
    """Everything that a release says of itself but its files, as JSON-like data.

    Returns:
        - ``synpic``: its version; ``schema_version``
        - ``recipe``: its text; ``lock``: what its names resolved to
        - ``prompts``: source → how many
        - ``models``, ``rewards``: with fingerprints and what decides them
        - ``environments``: key → library versions, device and dtype
        - ``ranking``: aggregation, ties and weights
        - ``counts``: what was wanted, made and kept, and what was not and why
        - ``win_rates``: of each model
        - ``agreement``: τ-b of every two ``rewards``, and, as ``leave_one_out``, of each with the
          others together
        - ``records``: config → split → rows
    """
    rewards = list(ranking.weights)
    return {
        _KEY: _version(),
        "schema_version": SCHEMA_VERSION,
        "recipe": inventory.workspace.recipe_text,
        "lock": _lock(inventory),
        "prompts": dict(
            inventory.prompts.group_by("source", maintain_order=True).len().iter_rows()
        ),
        "models": [_model(model, scored) for model in inventory.models],
        "rewards": [_reward(reward, scored, ranking) for reward in inventory.rewards],
        "environments": _environments(inventory, scored),
        "ranking": {
            "aggregation": ranking.aggregation,
            "ties": ranking.ties,
            "weights": dict(ranking.weights),
        },
        "counts": _counts(inventory, scored, ranking),
        "win_rates": win_rate_by_model(ranking).to_dicts(),
        "agreement": {
            "rewards": agreement(scored, rewards).to_dicts(),
            "leave_one_out": leave_one_out(scored, ranking.weights).to_dicts(),
        },
        "records": _rows(shards),
    }


def describe_file(path: Path) -> dict[str, Any]:
    """``sha256`` and ``bytes`` of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def encode(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as the bytes of its file."""
    return (json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of the release in ``directory``; None if there is none of ours.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    try:
        manifest = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or _KEY not in manifest:
        return None
    if not isinstance(manifest.get("files"), dict):
        return None
    check_version(manifest, str(directory / MANIFEST))
    return manifest


def _version() -> str:
    try:
        return version("synpic")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"


def _lock(inventory: Inventory) -> list[dict[str, Any]]:
    """The entries of recipe.lock, without the times of a folder's files."""
    entries = inventory.workspace.lock()
    stamped = [asdict(entries[key]) for key in sorted(entries, key=str)]
    return [{name: value for name, value in row.items() if name != "stamp"} for row in stamped]


def _model(model: Model, scored: pl.DataFrame) -> dict[str, Any]:
    known = _registered(model)
    # Two models of equal settings have one fingerprint, and two sizes of a model have one name.
    mine = (pl.col("model") == model.name) & (pl.col("fingerprint") == model.fingerprint)
    return {
        "name": model.name,
        "fingerprint": model.fingerprint,
        "checkpoint": checkpoints.describe(model.checkpoint),
        "decides": model.decides,
        "licence": known.licence if known else None,
        "samples": model.settings.samples,
        "candidates": scored.filter(mine).height,
    }


def _registered(model: Model) -> KnownModel | None:
    """What the registry says of the checkpoint that ``model`` loads; None if it is the recipe's."""
    name = model.settings.model or model.name
    if name not in MODELS.names():
        return None
    known: KnownModel = MODELS.load(name)
    return known if known.settings.checkpoint == model.settings.checkpoint else None


def _reward(reward: WantedReward, scored: pl.DataFrame, ranking: Ranking) -> dict[str, Any]:
    info = reward.info
    own = info is not None and reward.settings.checkpoint in (None, info.checkpoint)
    return {
        "name": reward.name,
        "fingerprint": reward.fingerprint,
        "reward": reward.registered,
        "checkpoint": checkpoints.describe(reward.checkpoint) if reward.checkpoint else None,
        "decides": reward.decides,
        "licence": info.licence if info and own else None,
        "paper": info.paper if info else None,
        "reads_prompt": info.reads_prompt if info else None,
        "weight": ranking.weights.get(reward.name),
        "scores": scored[f"score_{reward.name}"].count(),
    }


def _environments(inventory: Inventory, scored: pl.DataFrame) -> dict[str, Any]:
    """What the environments of ``scored`` stand for, as their parts note it."""
    wanted = set(scored["environment"].drop_nulls().unique())
    workspace = inventory.workspace
    found: dict[str, Any] = {}
    for folder in dict.fromkeys(inventory.image_folders()):
        for part in workspace.parts(folder):
            noted = workspace.part_note(part).get("environments", {})
            found |= {key: noted[key] for key in wanted & noted.keys()}
    return found


def _counts(inventory: Inventory, scored: pl.DataFrame, ranking: Ranking) -> dict[str, Any]:
    missing = inventory.wanted_candidates().join(scored, on="candidate_id", how="anti")
    failures = inventory.workspace.failures("generate").join(
        missing.select("candidate_id"), on="candidate_id", how="semi"
    )
    reasons = failures.group_by("reason").len().sort("len", "reason", descending=[True, False])
    return {
        **asdict(ranking.counts),
        "prompts_wanted": inventory.prompts.height,
        "candidates_missing": missing.height,
        "failed": dict(reasons.iter_rows()),
        "flagged": int(scored["flagged"].sum() or 0),
    }


def _rows(shards: list[Shard]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for shard in shards:
        splits = rows.setdefault(shard.records.config, {})
        splits[shard.split] = splits.get(shard.split, 0) + shard.records.rows.height
    return rows

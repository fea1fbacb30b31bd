"""What a release says of itself, for machines: ``manifest.json``. The card says the same to people.

No clock and no path of the machine goes into it: the same workspace gives the same bytes. Its keys
are typed by :class:`synpic.release.manifest.Manifest`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from synpic import ids
from synpic.generate.image_model import KnownModel, Model
from synpic.generate.recorded import RecordedModel
from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.labels import count_labels
from synpic.pipeline.ranking import RankedSet
from synpic.prompts.meta import with_meta, with_position
from synpic.publish.table.features import yaml_features
from synpic.publish.table.shards import ShardFile
from synpic.rank import (
    STRATEGIES,
    OwnPairs,
    Ranking,
    agreement,
    leave_one_out,
    win_rate_by_model,
)
from synpic.recipe.secrets import published_text
from synpic.registry import MODELS
from synpic.release.cards.words import NO_WORDS, AuthorWords
from synpic.release.chunks import chunk_prompts
from synpic.release.compared import describe_comparisons
from synpic.release.manifest import PAIRED, File, Manifest, own_version
from synpic.score.held_to_people import all_held_to_people
from synpic.score.recorded import RecordedReward
from synpic.score.reward import WantedReward
from synpic.workspace import Workspace
from synpic.workspace.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from synpic.ingest import IngestedImages

__all__ = ["describe", "describe_bytes", "describe_file", "describe_rule"]

BINS = 20
"""Of a histogram."""


def describe(
    ranked: RankedSet,
    shards: list[ShardFile],
    own: OwnPairs | None = None,
    words: AuthorWords = NO_WORDS,
) -> Manifest:
    """Everything that a release says of itself but its files.

    Args:
        own: the pairs that came with labels, where they are published.
        words: the author's, in the card.

    Returns:
        - ``synpic``: its version; ``schema_version``
        - ``version``: None, for a publisher to fill in: "1.2.0"
        - ``digest``: a SHA-256 over all candidates with their prompts, provenance and scores: where
          it, ``ranking``, ``pairs``, ``labels`` and ``cuts.top`` are equal, so are the rows of all
          configs
        - ``recipe``: its text, without addresses of endpoints; ``lock``: what its names resolved to
        - ``prompts``: source → how many
        - ``models``, ``rewards``: with fingerprints and what decides them
        - ``environments``: key → library versions, device and dtype with which images were drawn
        - ``ranking``: aggregation, ties and weights; ``aggregation_from`` only of an aggregation
          that synpic does not bring, ``comparisons`` only where labels of pairs rank
        - ``counts``: what was wanted, made and kept, and what was not and why;
          ``flagged_left_out`` only where flagged images are left out
        - ``cuts``: the rules by which prompts and images were left out, and how many of each; None
          where there is no rule
        - ``chunk``: the number of prompts that each model draws in whole batches; None of ingested
          images
        - ``win_rates``: of each model
        - ``agreement``: τ-b of every two ``rewards``, and, as ``leave_one_out``, of each with the
          others together
        - ``histograms``: reward → ``low``, ``high`` (its least and largest score) and ``counts`` of
          ``BINS`` bins of equal width between them, the last one closed; one bin if they are equal;
          a reward without a score has none
        - ``pairs``: config → ``strategy``, ``picked`` (pairs that it picks) and ``tied`` (those of
          them that are tied, and no row)
        - ``labels``: where pairs are the source's own, what labels there are; else None
        - ``people``: what ranks → on which sets it was held to people, and what came out
        - ``words``: a key of the recipe's ``[publish]`` → the SHA-256 of the file that has its
          words
        - ``features``: config → its columns, as a card's ``dataset_info`` has them
        - ``records``: config → split → rows
        - ``files``: none, for a publisher to fill in: path → ``sha256`` and ``bytes``
    """
    inventory, scored, ranking = ranked.inventory, ranked.scored, ranked.ranking
    rewards = list(ranking.weights)
    placed = with_position(scored, inventory.prompts)
    models = _models(inventory, scored)
    found = {
        "synpic": own_version(),
        "schema_version": SCHEMA_VERSION,
        "version": None,
        # Not of measured times: two runs of one recipe on equal hardware are one release.
        "digest": _digest(with_meta(placed, inventory.prompts).drop("seconds")),
        "recipe": published_text(inventory.snapshot.recipe_text),
        "lock": _lock(inventory),
        "prompts": dict(
            inventory.prompts.group_by("source", maintain_order=True).len().iter_rows()
        ),
        "models": models,
        "rewards": [
            _reward(reward, scored, ranking, inventory.workspace) for reward in inventory.rewards
        ],
        "environments": _environments(inventory, scored),
        "ranking": describe_rule(ranking, scored["candidate_id"]),
        "counts": _counts(ranked),
        "cuts": _cuts(ranked) if ranked.cuts.given else None,
        "chunk": chunk_prompts(model["batch_size"] for model in models if model["batch_size"]),
        "win_rates": win_rate_by_model(ranking).to_dicts(),
        "agreement": {
            "rewards": agreement(scored, rewards, ranking.comparisons).to_dicts(),
            "leave_one_out": leave_one_out(scored, ranking.weights, ranking.comparisons).to_dicts(),
        },
        "histograms": _histograms(scored, [reward.name for reward in inventory.rewards]),
        "pairs": _pairs(ranked, shards, own),
        "labels": None if own is None else _labels(ranked, own),
        "people": all_held_to_people(
            [*inventory.found_rewards, *inventory.found_comparers], rewards
        ),
        "words": dict(words.files),
        "features": {shard.records.config: yaml_features(shard.schema) for shard in shards},
        "records": _rows(shards),
        "files": {},
    }
    # As it will be read: JSON knows neither tuples nor keys that are numbers.
    return Manifest.model_validate(json.loads(json.dumps(found, allow_nan=False)))


def describe_rule(ranking: Ranking, candidates: pl.Series) -> dict[str, Any]:
    """What ranked, as :class:`synpic.release.manifest.Rule` has it.

    Args:
        candidates: the ids of the images that are published.
    """
    code = dict(ranking.aggregation_from)
    compared = describe_comparisons(ranking, candidates)
    return {
        "aggregation": ranking.aggregation,
        **({"aggregation_from": code} if code else {}),
        "ties": ranking.ties,
        "weights": dict(ranking.weights),
        **({"comparisons": compared} if compared else {}),
    }


def describe_file(path: Path) -> File:
    """The hash and size of a file on the disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(sha256=digest, bytes=path.stat().st_size)


def describe_bytes(data: bytes) -> File:
    """The hash and size of a file that holds ``data``."""
    return File(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _digest(scored: pl.DataFrame) -> str:
    """A hash of the rows of ``scored``, in whatever order they and their columns stand."""
    digest = hashlib.sha256()
    rows = scored.sort("candidate_id", "sha256")
    for name in sorted(rows.columns):
        column = rows[name]
        if column.dtype == pl.String:
            # A length before each text keeps two texts from reading as two others.
            lengths = column.str.len_bytes().to_list()
            written = f"{lengths}{column.fill_null('').str.join().item()}".encode()
        else:
            kind, order = (pl.Float64, "<f8") if column.dtype.is_float() else (pl.Int64, "<i8")
            values = column.fill_null(0).cast(kind).to_numpy().astype(order)
            written = column.is_null().to_numpy().tobytes() + values.tobytes()
        digest.update(f"{name}:{len(written)}:".encode())
        digest.update(written)
    return digest.hexdigest()


def _lock(inventory: Inventory) -> list[dict[str, Any]]:
    """The entries of recipe.lock as this command used it, without the times of a folder's files."""
    return [entry.model_dump(exclude={"stamp"}) for entry in inventory.snapshot.lock.entries]


def _models(inventory: Inventory, scored: pl.DataFrame) -> list[dict[str, Any]]:
    if inventory.ingested is not None:
        return list(_ingested(inventory.ingested, scored))
    drawn = (model for model in inventory.models if isinstance(model, Model | RecordedModel))
    return [_model(model, scored) for model in drawn]


def _ingested(images: IngestedImages, scored: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """An entry for each model that a source of images names, with what is known: its name there."""
    for name, label in images.index.labels.items():
        yield {
            "name": name,
            "fingerprint": images.fingerprint,
            "checkpoint": images.index.source,
            "decides": {**images.fingerprint_inputs, **({} if label is None else {"model": label})},
            "licence": None,
            "samples": None,
            "candidates": scored.filter(pl.col("model") == name).height,
            "batch_size": None,
        }


def _model(model: Model | RecordedModel, scored: pl.DataFrame) -> dict[str, Any]:
    known = _registered(model)
    # Two models of equal settings have one fingerprint, and two sizes of a model have one name.
    mine = (pl.col("model") == model.name) & (pl.col("fingerprint") == model.fingerprint)
    return {
        "name": model.name,
        "fingerprint": model.fingerprint,
        "checkpoint": _weights(model.checkpoint),
        "decides": model.fingerprint_inputs,
        "licence": known.licence if known else None,
        "samples": model.settings.samples,
        "candidates": scored.filter(mine).height,
        "batch_size": model.batch_size,
    }


def _registered(model: Model | RecordedModel) -> KnownModel | None:
    """What the registry says of the checkpoint that ``model`` loads; None if it is the recipe's."""
    name = model.settings.model or model.name
    if name not in MODELS.names():
        return None
    known: KnownModel = MODELS.load(name)
    checkpoint = model.settings.checkpoint
    if isinstance(model, RecordedModel):
        checkpoint = (model.fingerprint_inputs.get("checkpoint") or {}).get("repository")
    return known if known.settings.checkpoint == checkpoint else None


def _weights(checkpoint: LockEntry | str | None) -> str | None:
    return checkpoints.describe(checkpoint) if isinstance(checkpoint, LockEntry) else checkpoint


def _reward(
    reward: WantedReward | RecordedReward,
    scored: pl.DataFrame,
    ranking: Ranking,
    workspace: Workspace,
) -> dict[str, Any]:
    # Of a reward whose code is away, no more than its scores record.
    info = reward.info if isinstance(reward, WantedReward) else None
    own = isinstance(reward, WantedReward) and reward.settings.checkpoint in (
        None,
        info and info.checkpoint,
    )
    return {
        "name": reward.name,
        "fingerprint": reward.fingerprint,
        "reward": reward.registered,
        "checkpoint": _weights(reward.checkpoint),
        "decides": reward.fingerprint_inputs,
        "licence": info.licence if info and own else None,
        "paper": info.paper if info else None,
        "reads_prompt": info.reads_prompt if info else None,
        "weight": ranking.weights.get(reward.name),
        "scores": scored[f"score_{reward.name}"].count(),
        "environments": _noted(workspace, reward.folder),
    }


def _environments(inventory: Inventory, scored: pl.DataFrame) -> dict[str, Any]:
    """What the environments of ``scored`` stand for, as their parts note it."""
    wanted = set(scored["environment"].drop_nulls().unique())
    workspace = inventory.workspace
    found: dict[str, Any] = {}
    for folder in dict.fromkeys(inventory.image_folders()):
        found |= _noted(workspace, folder)
    return {key: one for key, one in found.items() if key in wanted}


def _noted(workspace: Workspace, folder: str) -> dict[str, Any]:
    """The environments that the parts in a folder note."""
    found: dict[str, Any] = {}
    for part in workspace.parts(folder):
        found |= workspace.part_metadata(part).environments
    return found


def _cuts(ranked: RankedSet) -> dict[str, Any]:
    """The rules that there are, and what each left out."""
    found = dict(ranked.cuts.given)
    if (dropped := ranked.dropped) is not None:
        named = dropped.named
        found["drop"] = {
            "source": named.source,
            "sha256": named.sha256,
            "candidates": dropped.rows.height,
            "prompts": dropped.prompts,
            "kept": dropped.kept,
            "unknown": dropped.unknown,
            "marks": dict(named.marks),
        }
    return {**found, "prompts": dict(ranked.cut), "unranked": ranked.cut_unranked}


def _counts(ranked: RankedSet) -> dict[str, Any]:
    inventory, scored, left_out = ranked.inventory, ranked.scored, ranked.left_out
    missing = inventory.wanted_candidates().join(ranked.there, on="candidate_id", how="anti")
    failures = inventory.workspace.failures("generate").join(
        missing.select("candidate_id"), on="candidate_id", how="semi"
    )
    reasons = failures.group_by("reason").len().sort("len", "reason", descending=[True, False])
    counts = asdict(ranked.ranking.counts)
    if not ranked.ranking.comparisons:
        del counts["without_preference"]
    return {
        **counts,
        "prompts_wanted": inventory.prompts.height,
        "candidates_missing": missing.height,
        "failed": dict(reasons.iter_rows()),
        "flagged": int(scored["flagged"].sum() or 0),
        "unchecked": scored["flagged"].null_count(),
        **({} if left_out is None else {"flagged_left_out": left_out.height}),
    }


def _histograms(scored: pl.DataFrame, rewards: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for reward in rewards:
        scores = scored[f"score_{reward}"].drop_nulls().cast(pl.Float64)
        if not scores.len():
            continue
        low, high = float(scores.min()), float(scores.max())  # type: ignore[arg-type]
        counts, _ = np.histogram(scores.to_numpy(), BINS if high > low else 1)
        found[reward] = {"low": low, "high": high, "counts": counts.tolist()}
    return found


def _pairs(ranked: RankedSet, shards: list[ShardFile], own: OwnPairs | None) -> dict[str, Any]:
    """How many pairs the strategy picks, or labels decide or tie, and how many are no row."""
    rows, strategy = _rows(shards), ranked.inventory.recipe.records.pairs

    def picked(config: str) -> int:
        if own is not None:
            images = ranked.candidates_of(config, ranked.scored)
            return own.among(images["candidate_id"]).rows.height
        sizes = ranked.shown.table.group_by("prompt_id").len()["len"].value_counts().iter_rows()
        return sum(len(STRATEGIES[strategy](k)[0]) * prompts for k, prompts in sizes)

    there = [config for config in PAIRED if config in rows]
    found = {config: (picked(config), sum(rows[config].values())) for config in there}
    return {
        config: {"strategy": strategy, "picked": picks, "tied": picks - kept}
        for config, (picks, kept) in found.items()
    }


def _labels(ranked: RankedSet, own: OwnPairs) -> dict[str, Any]:
    """The labels of which ``own`` are pairs, counted."""
    (counted,) = [one for one in count_labels(ranked.inventory) if one.source == own.source]
    there = own.among(ranked.scored["candidate_id"]).rows
    written = pl.concat_str(pl.col(there.columns).cast(pl.String).fill_null(""), separator="\t")
    return {
        "source": own.source,
        "question": own.question,
        "pairs": there.height,
        "absent": own.rows.height - there.height,
        "ties": "keep" if own.keep_ties else "leave-out",
        "labels": counted.labels,
        "unlabelled": counted.unlabelled,
        "tied": counted.ties,
        "kinds": dict(counted.kinds),
        "questions": dict(counted.questions),
        "left_out": dict(counted.left_out),
        "fingerprint": ids.sha256("\n".join(there.select(written).to_series()).encode()),
    }


def _rows(shards: list[ShardFile]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for shard in shards:
        splits = rows.setdefault(shard.records.config, {})
        splits[shard.split] = splits.get(shard.split, 0) + shard.records.rows.height
    return rows

"""What was published beside what was made again: one row for each image, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from synpic.pipeline.inventory import Inventory
from synpic.pipeline.remake.images import compare_images
from synpic.pipeline.remake.rankings import compare_rankings
from synpic.pipeline.remake.resolving import Remakeable
from synpic.pipeline.remake.result import ComparedPart, Reason
from synpic.pipeline.remake.scores import compare_scores
from synpic.pipeline.remake.surroundings import noted_in, reasons_of_surroundings
from synpic.readers.display import count
from synpic.release.chunks import POSITION, ChunkSample
from synpic.release.images import PublishedImages
from synpic.release.source import Published

__all__ = ["compare_all"]

_DRAWN = {"model": pl.String, "fingerprint": pl.String}
_KEY = ["model", "fingerprint", "prompt_id", "sample"]


def compare_all(
    release: Published,
    scores: pl.DataFrame,
    sample: ChunkSample,
    parts: Remakeable,
    inventory: Inventory,
    published: PublishedImages | None,
) -> tuple[dict[str, ComparedPart], list[str]]:
    """Everything that was made again.

    Args:
        scores: of the sample, as published.
        inventory: of the workspace, after its images were drawn and scored.
        published: the published pixels; None compares hashes of files.

    Returns:
        As ``Remade.parts``, and notes.
    """
    names = [reward.name for reward in parts.rewards]
    every = _beside(scores, inventory, names)
    drawn = pl.DataFrame(
        [(one.name, one.fingerprint) for one in parts.models], _DRAWN, orient="row"
    )
    rows = every.join(drawn, on=[*_DRAWN], how="semi", maintain_order="left")
    made = rows.filter(pl.col("made_sha256").is_not_null())
    pixels = compare_images(made, published, inventory.workspace.images(inventory.image_folders()))
    rows = rows.join(pixels, on="candidate_id", how="left")
    every = every.join(pixels.select("candidate_id", "same"), on="candidate_id", how="left")
    found = {
        "ids": _same(rows, "candidate_id", "made"),
        "seeds": _same(rows, "seed", "made_seed"),
        "images": _images(release, rows, sample, inventory),
    }
    for reward in parts.rewards:
        (row,) = [one for one in release.manifest.rewards if one.name == reward.name]
        here = noted_in(inventory.workspace, [reward.folder])
        found[f"scores.{reward.name}"] = compare_scores(
            rows, reward.name, row.environments or {}, here
        )
    rankings, notes = compare_rankings(release, every, names)
    if rankings is not None:
        found["rankings"] = rankings
    return found, [*notes, *_notes(pixels), *_other_versions(release, rows, inventory)]


def _beside(scores: pl.DataFrame, inventory: Inventory, rewards: Sequence[str]) -> pl.DataFrame:
    """``scores`` with what was wanted here (``made``, ``made_seed``), and what came of it.

    That is ``made_sha256``, ``made_batch_size``, ``made_environment`` and ``made_<reward>``.
    """
    wanted = inventory.wanted_candidates().select(
        *_KEY, "batch", made="candidate_id", made_seed="seed"
    )
    there = inventory.scored().select(
        made="candidate_id",
        made_sha256="sha256",
        made_batch_size="batch_size",
        made_environment="environment",
        **{f"made_{name}": f"score_{name}" for name in rewards},
    )
    rows = scores.join(wanted, on=_KEY, how="left", maintain_order="left")
    return rows.join(there, on="made", how="left", maintain_order="left")


def _same(rows: pl.DataFrame, column: str, here: str) -> ComparedPart:
    """How many of ``column`` are as computed here, where a row is wanted here at all."""
    wrong = rows.filter(pl.col(column).ne_missing(pl.col(here)))
    reasons = []
    if wrong.height:
        why = "the recipe of the release gives others"
        reasons.append(Reason(why, wrong.height))
    return ComparedPart(
        compared=rows.height,
        equal=rows.height - wrong.height,
        reasons=reasons,
        examples=wrong["candidate_id"].sort().to_list(),
    )


def _images(
    release: Published, rows: pl.DataFrame, sample: ChunkSample, inventory: Inventory
) -> ComparedPart:
    made = rows.filter(pl.col("same").is_not_null())
    apart = made.filter(~pl.col("same"))
    largest = apart["largest"].max()
    return ComparedPart(
        compared=rows.height,
        equal=made.height - apart.height,
        missing=rows.height - made.height,
        largest=float(largest) if isinstance(largest, int) else None,
        reasons=_why(release, apart, sample, inventory) if apart.height else (),
        examples=apart["candidate_id"].sort().to_list(),
    )


def _why(
    release: Published, apart: pl.DataFrame, sample: ChunkSample, inventory: Inventory
) -> list[Reason]:
    """What is recorded of how each image was drawn there and here, where that is not the same."""
    here = noted_in(inventory.workspace, inventory.image_folders())
    there = release.manifest.environments
    was = [there.get(key, {}) for key in apart["environment"].to_list()]
    now = [here.get(key, {}) for key in apart["made_environment"].to_list()]
    found = reasons_of_surroundings(was, now)
    batches = apart.filter(pl.col("batch_size") != pl.col("made_batch_size"))
    for theirs, ours, number in (
        batches.group_by("batch_size", "made_batch_size").len().sort("len", descending=True).rows()
    ):
        found.append(Reason(f"drawn in a batch of {theirs} there, of {ours} here", number))
    others = _company(release, sample, inventory)
    elsewhere = [
        (row["model"], row["fingerprint"], row["prompt_id"]) in others
        for row in apart.select(_KEY).to_dicts()
    ]
    if number := sum(elsewhere):
        lacking = count(sample.lacking, "prompt")
        found.append(Reason(f"drawn beside other prompts: the release lacks {lacking}", number))
    explained = [
        bool(reasons_of_surroundings([one], [other])) or batch or beside
        for one, other, batch, beside in zip(
            was,
            now,
            (apart["batch_size"] != apart["made_batch_size"]).fill_null(False).to_list(),
            elsewhere,
            strict=True,
        )
    ]
    if rest := apart.height - sum(explained):
        why = "versions, device and batches are the same, and no reason is recorded"
        found.append(Reason(why, rest))
    return found


def _other_versions(release: Published, rows: pl.DataFrame, inventory: Inventory) -> list[str]:
    """A note, where images are equal though they were drawn under other versions."""
    made = rows.filter(pl.col("same").is_not_null())
    if made.is_empty() or not made["same"].all():
        return []
    here = noted_in(inventory.workspace, inventory.image_folders())
    found = reasons_of_surroundings(
        [release.manifest.environments.get(key, {}) for key in made["environment"].to_list()],
        [here.get(key, {}) for key in made["made_environment"].to_list()],
    )
    if not found:
        return []
    return [f"made with other versions, and equal: {'; '.join(one.text for one in found)}"]


def _company(
    release: Published, sample: ChunkSample, inventory: Inventory
) -> set[tuple[str, str, str]]:
    """Model, fingerprint and prompt of each image that is drawn beside other prompts than there."""
    if not sample.lacking:
        return set()
    wanted = release.manifest.counts.prompts_wanted
    places: Mapping[str, int] = dict(sample.prompts.select("prompt_id", POSITION).iter_rows())
    sizes = {one.fingerprint: one.batch_size for one in release.manifest.models}
    found = set()
    drawn = inventory.wanted_candidates().group_by("model", "fingerprint", "batch")
    for (model, fingerprint, _), rows in drawn:
        here = {places[one] for one in rows["prompt_id"]}
        size: Any = sizes.get(str(fingerprint)) or 1
        for one in rows["prompt_id"].unique():
            first = places[one] // size * size
            if here != set(range(first, min(first + size, wanted))):
                found.add((str(model), str(fingerprint), one))
    return found


def _notes(pixels: pl.DataFrame) -> list[str]:
    encoded = pixels.filter(pl.col("same") & (pl.col("values") == 0)).height
    if not encoded:
        return []
    return [f"{count(encoded, 'image')} of the same pixels are other files: encoded otherwise"]

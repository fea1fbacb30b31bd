"""Whether a release's own pairs are of its images, and the same in both of their configs.

Their labels are nowhere else in a release, so that nothing can say them again: what is checked is
that the numbers are those of the manifest, and that the tables say the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from synpic.rank import OWN
from synpic.readers.display import count
from synpic.release.checks import Problem
from synpic.release.manifest import MANIFEST, PAIRED
from synpic.release.source import Published

__all__ = ["check_own_pairs", "has_own_pairs"]

_SIDES = ["chosen_id", "rejected_id"]
_SOURCES = ("people", "rewards")


def has_own_pairs(release: Published, config: str) -> bool:
    """Whether the pairs of ``config`` came with labels."""
    return release.manifest.pairs[config].strategy == OWN


def check_own_pairs(release: Published, images: pl.DataFrame) -> Iterator[Problem]:
    """Compare the configs of pairs with one another, with ``images`` and with the manifest.

    Args:
        images: ``candidate_id``, ``prompt_id`` and ``preference`` of every image of the release.

    Raises:
        ReleaseError, HubUnreachable: a table cannot be read.
    """
    decided: dict[str, pl.DataFrame] = {}
    for config in PAIRED:
        if config not in release.records or not has_own_pairs(release, config):
            continue
        counts = release.manifest.pairs[config]
        rows = sum(release.records[config].values())
        if rows != counts.picked - counts.tied:
            text = f"{count(rows, 'pair')}, where {MANIFEST} says {counts.picked:,} without "
            yield Problem(config, f"{text}{count(counts.tied, 'tie')}")
        found = _pairwise(release) if config == "pairwise" else _pickapic(release)
        yield from _among(config, found, images)
        if config == "pairwise":
            yield from _said(found, images)
        else:
            yield from _labelled(found)
        decided[config] = found.filter(~pl.col("tied")).select(_SIDES)
    if len(decided) == len(PAIRED):
        one, other = decided.values()
        if not one.sort(_SIDES).equals(other.sort(_SIDES)):
            yield Problem("pickapic", "its decided pairs are not those of `pairwise`")


def _pairwise(release: Published) -> pl.DataFrame:
    columns = [*_SIDES, "chosen_preference", "rejected_preference", "label_source"]
    rows = release.table("pairwise", ["prompt_id", *columns])
    return rows.with_columns(tied=pl.lit(False))


def _pickapic(release: Published) -> pl.DataFrame:
    columns = ["best_image_uid", "image_0_uid", "image_1_uid", "label_0", "label_1"]
    rows = release.table("pickapic", columns)
    first = pl.when(pl.col("label_0") >= pl.col("label_1"))
    one, other = pl.col("image_0_uid"), pl.col("image_1_uid")
    return rows.with_columns(
        chosen_id=first.then(one).otherwise(other),
        rejected_id=first.then(other).otherwise(one),
        tied=pl.col("label_0") == pl.col("label_1"),
        prompt_id=pl.lit(None, pl.String),
    )


def _among(config: str, pairs: pl.DataFrame, images: pl.DataFrame) -> Iterator[Problem]:
    """Whether both images are of the release, and of one prompt."""
    prompt = images.select("candidate_id", "prompt_id")
    both = pairs.select("prompt_id", *_SIDES)
    for side in _SIDES:
        known = prompt.rename({"candidate_id": side, "prompt_id": f"{side}_prompt"})
        both = both.join(known, on=side, how="left", maintain_order="left")
    one, other = (pl.col(f"{side}_prompt") for side in _SIDES)
    for wrong, text in (
        (one.is_null() | other.is_null(), "of an image that the release has not"),
        ((one != other) | (pl.col("prompt_id") != one), "of images of two prompts"),
    ):
        rows = both.filter(wrong.fill_null(False))
        if rows.height:
            chosen, rejected = rows.select(_SIDES).row(0)
            first = f"({chosen} and {rejected} the first)"
            are = "is" if rows.height == 1 else "are"
            yield Problem(config, f"{count(rows.height, 'pair')} {are} {text} {first}")


def _said(pairs: pl.DataFrame, images: pl.DataFrame) -> Iterator[Problem]:
    """Whether preferences are those of the images, and the source of labels is one."""
    known = dict(images.select("candidate_id", "preference").iter_rows())
    for side in ("chosen", "rejected"):
        expected = pl.Series([known.get(one) for one in pairs[f"{side}_id"]], dtype=pl.Float32)
        given = pairs[f"{side}_preference"].cast(pl.Float32)
        wrong = int(((given - expected).abs() > 1e-5).fill_null(False).sum())
        wrong += int((given.is_null() != expected.is_null()).sum())
        if wrong:
            text = f"`{side}_preference` is not that of the image, in {count(wrong, 'row')}"
            yield Problem("pairwise", text)
    others = pairs["label_source"].filter(~pairs["label_source"].is_in(_SOURCES))
    if others.len():
        yield Problem("pairwise", f"`label_source` is {others[0]!r:.60}, not people or rewards")


def _labelled(pairs: pl.DataFrame) -> Iterator[Problem]:
    """Whether labels are 1 and 0, or a tie, and the best image is the one that they prefer."""
    one, other = pl.col("label_0"), pl.col("label_1")
    sound = (one + other == 1) & one.is_in([0.0, 0.5, 1.0])
    wrong = pairs.filter(~sound.fill_null(False)).height
    if wrong:
        yield Problem("pickapic", f"labels are not 1 and 0 or a tie, in {count(wrong, 'row')}")
    best = pl.when(~pl.col("tied")).then("chosen_id")
    if pairs.filter(pl.col("best_image_uid").ne_missing(best)).height:
        yield Problem("pickapic", "`best_image_uid` is not the image that the labels prefer")

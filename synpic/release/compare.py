"""What changed between two manifests, and how much that matters to who reads the dataset.

Major is what can break a reader's line of code, or gives preferences another meaning: tables,
columns and splits that are gone, another rule of ranking. Minor is other data in the same form.
Patch is everything else: the card, and how it was published. Columns that follow from the data
(``image_3``, ``score_<reward>``, ``wins_<reward>``) come and go with
it and are no break.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from synpic.readers.display import count
from synpic.release.aggregation_code import code_in_words
from synpic.release.compared import ComparedRow
from synpic.release.label_row import LabelRow
from synpic.release.manifest import CARD, Feature, Manifest, ModelRow, RewardRow, Rule

__all__ = ["Level", "VersionChange", "compare"]

_FROM_DATA = re.compile(r"image_\d+|(score|wins|compared|share)_\w+")
_OF_A_COPY = {"version", "files"}

Row = TypeVar("Row", ModelRow, RewardRow)


class Level(IntEnum):
    """How much a change matters."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class VersionChange:
    """One thing that changed.

    Args:
        level: how much it matters.
        text: a line for people.
    """

    level: Level
    text: str


def compare(old: Manifest, new: Manifest) -> list[VersionChange]:
    """What ``new`` has otherwise than ``old``, what matters most first; empty if nothing.

    The card is not compared: it names the version and holds the publisher's own words. Hashes of
    shards are not compared either: equal rows may be packed into other bytes, and ``digest`` is
    of the rows.
    """
    found = [*_tables(old, new), *_rule(old, new)]
    found += [*_prompts(old, new), *_models(old, new), *_rewards(old, new)]
    found += [*_flagged(old, new), *_cuts(old, new)]
    if not any(change.level is Level.MINOR for change in found):
        found += _data(old, new)
    if not found:
        found += _rest(old, new)
    return sorted(found, key=lambda change: -change.level)


def _tables(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    if old.schema_version != new.schema_version:
        text = f"schema version {new.schema_version}, was {old.schema_version}"
        yield VersionChange(Level.MAJOR, text)
    for config in _gone(old.records, new.records):
        yield VersionChange(Level.MAJOR, f"config `{config}` removed")
    for config in _gone(new.records, old.records):
        yield VersionChange(Level.MINOR, f"config `{config}` added")
    for config in _both(old.records, new.records):
        before, after = old.records[config], new.records[config]
        for split in _gone(before, after):
            yield VersionChange(Level.MAJOR, f"split `{split}` of `{config}` removed")
        for split in _gone(after, before):
            yield VersionChange(Level.MINOR, f"split `{split}` of `{config}` added")
    for config in _both(old.features, new.features):
        columns = _columns(old.features[config]), _columns(new.features[config])
        for column in _gone(*columns):
            yield VersionChange(Level.MAJOR, f"column `{column}` of `{config}` removed")
        for column in _gone(*columns[::-1]):
            yield VersionChange(Level.MINOR, f"column `{column}` of `{config}` added")
        for column in _both(*columns):
            if columns[0][column] != columns[1][column]:
                yield VersionChange(
                    Level.MAJOR, f"column `{column}` of `{config}` has another type"
                )


def _columns(features: list[Feature]) -> dict[str, Feature]:
    return {one.name: one for one in features if not _FROM_DATA.fullmatch(one.name)}


def _rule(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    before, after = old.ranking, new.ranking
    if before.aggregation != after.aggregation:
        text = f"ranked by `{after.aggregation}`, was `{before.aggregation}`"
        yield VersionChange(Level.MAJOR, text)
    elif before.aggregation_from != after.aggregation_from:
        here, there = (code_in_words(rule.aggregation_from) for rule in (after, before))
        text = f"ranked by `{after.aggregation}` of {here}, was of {there}"
        yield VersionChange(Level.MAJOR, text)
    if before.ties != after.ties:
        yield VersionChange(Level.MAJOR, f"ties: `{after.ties}`, was `{before.ties}`")
    for reward in sorted(_by_name(old.rewards).keys() & _by_name(new.rewards).keys()):
        was, now = before.weights.get(reward), after.weights.get(reward)
        if was == now:
            continue
        if was is None or now is None:
            text = f"reward `{reward}` {'ranks now' if was is None else 'no longer ranks'}"
        else:
            text = f"reward `{reward}` weighs {now:g}, weighed {was:g}"
        yield VersionChange(Level.MAJOR, text)
    yield from _compared(before, after)
    for config in _both(old.pairs, new.pairs):
        picked, picks = old.pairs[config].strategy, new.pairs[config].strategy
        if picked != picks:
            text = f"pairs of `{config}` are chosen by `{picks}`, was `{picked}`"
            yield VersionChange(Level.MAJOR, text)
    yield from _own_pairs(old.labels, new.labels)


def _own_pairs(before: LabelRow | None, after: LabelRow | None) -> Iterator[VersionChange]:
    """Of pairs that came with labels in both: which labels they have."""
    if before is None or after is None:
        return
    for key in ("source", "question", "ties"):
        was, now = getattr(before, key), getattr(after, key)
        if was != now:
            text = f"pairs are labelled by {key} = {now}, were by {was}"
            yield VersionChange(Level.MAJOR, text)
    if before.fingerprint != after.fingerprint:
        text = f"labels of {count(after.pairs, 'pair')}, were of {before.pairs:,}"
        yield VersionChange(Level.MINOR, text)


def _pairs_by(row: ComparedRow) -> str:
    return "labels of pairs" if row.comparer is None else "a comparer of pairs"


def _compared(before: Rule, after: Rule) -> Iterator[VersionChange]:
    """What ranks by pairs: that it does, and by which labels, or which comparer."""
    for name in _gone(after.comparisons, before.comparisons):
        by = _pairs_by(after.comparisons[name])
        yield VersionChange(Level.MAJOR, f"`{name}` ranks now, by {by}")
    for name in _gone(before.comparisons, after.comparisons):
        by = _pairs_by(before.comparisons[name])
        yield VersionChange(Level.MAJOR, f"`{name}` no longer ranks by {by}")
    for name in _both(before.comparisons, after.comparisons):
        was, now = before.comparisons[name], after.comparisons[name]
        for key in ("labels", "question", "tie"):
            if getattr(was, key) != getattr(now, key):
                text = f"`{name}` ranks by {key} = {getattr(now, key)}, was {getattr(was, key)}"
                yield VersionChange(Level.MAJOR, text)
        if (was.comparer and was.comparer.fingerprint) != (
            now.comparer and now.comparer.fingerprint
        ):
            text = f"`{name}` compares by another comparer, or by one of other settings"
            yield VersionChange(Level.MAJOR, text)
        weights = after.weights[name], before.weights[name]
        if weights[0] != weights[1]:
            text = f"`{name}` weighs {weights[0]:g}, weighed {weights[1]:g}"
            yield VersionChange(Level.MAJOR, text)
        if was.fingerprint != now.fingerprint:
            text = f"`{name}` compares {count(now.pairs, 'pair')}, compared {was.pairs:,}"
            yield VersionChange(Level.MINOR, text)


def _prompts(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    before, after = old.prompts, new.prompts
    for source in dict.fromkeys([*before, *after]):
        was, now = before.get(source, 0), after.get(source, 0)
        if was != now:
            yield VersionChange(Level.MINOR, f"{count(now, 'prompt')} from {source}, were {was:,}")


def _models(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    before, after = _by_name(old.models), _by_name(new.models)
    for name in _gone(before, after):
        yield VersionChange(Level.MINOR, f"model `{name}` removed")
    for name in _gone(after, before):
        yield VersionChange(Level.MINOR, f"model `{name}` added")
    for name in _both(before, after):
        was, now = before[name], after[name]
        if [one.fingerprint for one in was] != [one.fingerprint for one in now]:
            yield VersionChange(Level.MINOR, f"model `{name}` draws with other settings")
        elif was[0].samples != now[0].samples:
            text = f"model `{name}`: {now[0].samples} images a prompt, were {was[0].samples}"
            yield VersionChange(Level.MINOR, text)
        elif old.prompts == new.prompts:
            drawn = [sum(one.candidates for one in entries) for entries in (now, was)]
            if drawn[0] != drawn[1]:
                text = f"model `{name}`: {count(drawn[0], 'image')}, were {drawn[1]:,}"
                yield VersionChange(Level.MINOR, text)


def _rewards(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    before, after = _by_name(old.rewards), _by_name(new.rewards)
    for name in _gone(before, after):
        yield VersionChange(Level.MINOR, f"reward `{name}` removed")
    for name in _gone(after, before):
        yield VersionChange(Level.MINOR, f"reward `{name}` added")
    for name in _both(before, after):
        if before[name][0].fingerprint != after[name][0].fingerprint:
            yield VersionChange(Level.MINOR, f"reward `{name}` scores with other settings")


def _flagged(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    """Where one leaves out what the other keeps; and there is any, for else no row changed."""
    was, is_now = (one.counts.flagged_left_out is not None for one in (old, new))
    keeping, leaving = (old.counts, new.counts) if is_now else (new.counts, old.counts)
    if was != is_now and (leaving.flagged_left_out or keeping.flagged):
        text = "left out, were kept" if is_now else "kept, were left out"
        yield VersionChange(Level.MINOR, f"images flagged by a safety check are {text}")


def _cuts(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    """Rules by which prompts and images are left out. Another ``top`` makes other pairs."""
    was, now = (one.cuts.model_dump(exclude_none=True) if one.cuts else {} for one in (old, new))
    if was.get("top") != now.get("top"):
        after, before = (
            "every image" if top is None else f"the first {top}"
            for top in (now.get("top"), was.get("top"))
        )
        yield VersionChange(Level.MAJOR, f"of each prompt {after}, was {before}")
    if old.digest == new.digest:
        return
    for rule in ("drop", "where", "min_margin", "min_agreement"):
        if was.get(rule) != now.get(rule):
            after, before = (_cut_by(rule, one.get(rule)) for one in (now, was))
            yield VersionChange(Level.MINOR, f"cut by {rule}: {after}, was {before}")


def _cut_by(rule: str, value: Any) -> str:
    if value is None:
        return "not"
    if rule == "drop":
        return f"{value['source']} ({count(value['candidates'], 'image')})"
    return str(value)


def _data(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    """Other rows, where nothing that was asked for explains them."""
    if old.digest != new.digest:
        yield VersionChange(Level.MINOR, "other prompts, images or scores")


def _rest(old: Manifest, new: Manifest) -> Iterator[VersionChange]:
    if old.synpic != new.synpic:
        yield VersionChange(Level.PATCH, f"published with synpic {new.synpic}, was {old.synpic}")
    if old.recipe != new.recipe:
        yield VersionChange(Level.PATCH, "the recipe was edited; no row changed")
    was, now = old.as_dict(), new.as_dict()
    keys = sorted({*was, *now} - _OF_A_COPY - {"synpic", "recipe"})
    others = [f"`{key}`" for key in keys if was.get(key) != now.get(key)]
    if others:
        yield VersionChange(Level.PATCH, f"the manifest says otherwise under {', '.join(others)}")
    pictures = [_pictures(manifest) for manifest in (old, new)]
    if all(pictures) and pictures[0] != pictures[1]:
        yield VersionChange(Level.PATCH, "other pictures")


def _pictures(manifest: Manifest) -> dict[str, str]:
    """Path → hash of what is neither a shard nor the card."""
    return {
        path: file.sha256
        for path, file in manifest.files.items()
        if path.split("/")[0] not in manifest.records and path != CARD
    }


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Name → its rows: a model has one for every size."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found


def _gone(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in before if name not in after]


def _both(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in before if name in after]

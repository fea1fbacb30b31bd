"""The YAML head of a release's card: what the Hub, its viewer and ``datasets`` read.

``ranked`` comes first where it is there, and is the default. A column is a line or less, so that
people who open the file come to its text soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synpic.ids import SOURCE_KEY
from synpic.publish.card.pages import pages
from synpic.publish.table.features import yaml_features
from synpic.publish.table.records import CONFIGS
from synpic.publish.table.shards import ShardFile
from synpic.recipe import PublishSettings
from synpic.release.cards.markdown import one_line
from synpic.release.label_row import LabelRow
from synpic.release.manifest import Manifest, Rule
from synpic.workspace.labels import INGESTED

__all__ = ["TAGS", "UNKNOWN", "config_entry", "configs_in_order", "head_of"]

UNKNOWN = "unknown"
"""The license of a dataset whose publisher gives none."""

TITLE = "A ranked preference dataset"

TAGS = ("synpic", "preference", "rlhf", "dpo", "text-to-image", "arxiv:2410.18013")

_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")]


def configs_in_order(manifest: Manifest) -> list[str]:
    """The tables of a release, as they are shown: ``ranked`` first, which is the default."""
    return [name for name in CONFIGS if name in manifest.records]


def head_of(
    manifest: Manifest,
    shards: Sequence[ShardFile],
    settings: PublishSettings,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """What the YAML head says, in the order in which ``huggingface_hub`` writes it.

    Args:
        before: the head of the card before.
    """
    names = configs_in_order(manifest)
    tags = before.get("tags") or []
    older = map(str, tags if isinstance(tags, list) else [tags])
    ours = [*TAGS, *filter(None, map(one_line, settings.tags)), *older]
    title = one_line(settings.title or str(before.get("pretty_name") or ""))
    return {
        "annotations_creators": _annotators(manifest.ranking, manifest.labels),
        "language": list(filter(None, map(one_line, settings.language))),
        "license": one_line(settings.license or "") or before.get("license") or UNKNOWN,
        "size_categories": _size(sum(manifest.records[names[0]].values())),
        "source_datasets": _sources(manifest) or ["original"],
        "task_categories": ["text-to-image"],
        "pretty_name": title or TITLE,
        "tags": list(dict.fromkeys(ours)),
        "configs": [config_entry(name, shards, name == names[0]) for name in names],
        "dataset_info": [_info(name, manifest, shards) for name in names],
    }


def config_entry(name: str, shards: Sequence[ShardFile], default: bool) -> dict[str, Any]:
    """Where a config's files are, as an entry of the head's ``configs``.

    How many there are is in their names, so that a file of another number is not read with them.
    """
    shards_of: dict[str, int] = {}
    for shard in shards:
        if shard.records.config == name:
            shards_of[shard.split] = shards_of.get(shard.split, 0) + 1
    paths = [
        {"split": split, "path": f"{name}/{split}-*-of-{number:05d}.parquet"}
        for split, number in shards_of.items()
    ]
    return {"config_name": name, "data_files": paths, **({"default": True} if default else {})}


def _info(name: str, manifest: Manifest, shards: Sequence[ShardFile]) -> dict[str, Any]:
    mine = [shard for shard in shards if shard.records.config == name]
    splits = [
        {
            "name": split,
            "num_bytes": sum(shard.bytes for shard in mine if shard.split == split),
            "num_examples": rows,
        }
        for split, rows in manifest.records[name].items()
    ]
    return {
        "config_name": name,
        "features": yaml_features(mine[0].schema),
        "splits": splits,
        "download_size": sum(manifest.files[shard.path].bytes for shard in mine),
        "dataset_size": sum(shard.bytes for shard in mine),
    }


def _annotators(rule: Rule, own: LabelRow | None) -> list[str]:
    """Who labelled, in the words of the Hub."""
    sources = [one.labels for one in rule.comparisons.values() if not one.comparer]
    found = ["machine-generated"] * (len(rule.weights) > len(sources))
    for source in [*sources, own.source] if own else sources:
        found.append("found" if source == INGESTED else "crowdsourced")
    return list(dict.fromkeys(found))


def _sources(manifest: Manifest) -> list[str]:
    """The repositories that gave images which were not drawn."""
    on_hub = pages(manifest.lock)
    ingested = [model for model in manifest.models if SOURCE_KEY in model.fingerprint_inputs]
    sources = (one.fingerprint_inputs[SOURCE_KEY] for one in ingested if one.checkpoint in on_hub)
    return list(dict.fromkeys(sources))


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")

"""The card of a release: what its manifest says, told to people.

Prompts, names of checkpoints and reasons of failures are text from strangers. They reach Markdown
only through ``markdown_text`` or ``fence``, and YAML only through a YAML writer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from synpic.publish.features import yaml_features
from synpic.publish.shards import Shard
from synpic.rank import AGGREGATIONS
from synpic.recipe import PublishSettings

__all__ = ["CARD", "fence", "markdown_text", "render_card"]

CARD = "README.md"

_CLIP = 300
_REASONS = 5
_JOINERS = "\u200c\u200d"

_MEANINGS = {
    "ranked": "a prompt with all its images, their scores and ranks",
    "scores": "an image's provenance, scores and rank, without pixels",
    "images": "an image with its provenance, scores and rank",
    "pairwise": "a chosen and a rejected image of one prompt",
    "pickapic": "a pair in the columns of Pick-a-Pic; `jpg_0` and `jpg_1` hold the files as they "
    "were drawn, JPEG or not",
}

_TIES = {
    "competition": "Tied images share a rank, and the next rank is left out: 1, 2, 2, 4.",
    "ordinal": "Tied images are put in order of `candidate_id`, a hash, so that ranks are a strict "
    "order; their equal `preference` still shows the tie.",
}

_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")]


def render_card(
    manifest: Mapping[str, Any],
    shards: Sequence[Shard],
    settings: PublishSettings,
    examples: Sequence[str] = (),
    repository: str | None = None,
) -> str:
    """The card as Markdown with a YAML head that the Hub and ``datasets`` read.

    Args:
        manifest: with ``files`` as far as they are written.
        shards: of which the release consists.
        settings: the recipe's ``[publish]``.
        examples: the prompts of ``pictures/examples.png``; none if there is no picture.
        repository: its name on the Hub; None for a folder.
    """
    from huggingface_hub import DatasetCardData

    title = _one_line(settings.title or "") or "A ranked preference dataset"
    licence = _one_line(settings.license or "") or "unknown"
    records: Mapping[str, Mapping[str, int]] = manifest["records"]
    default = "ranked" if "ranked" in records else next(iter(records))
    head = DatasetCardData(
        pretty_name=title,
        license=licence,
        language=list(filter(None, map(_one_line, settings.language))),
        tags=list(
            dict.fromkeys(["synpic", "preference", *filter(None, map(_one_line, settings.tags))])
        ),
        task_categories=["text-to-image"],
        annotations_creators=["machine-generated"],
        source_datasets=["original"],
        size_categories=_size(sum(records[default].values())),
        configs=[_config(name, records[name], name == default) for name in records],
        dataset_info=[_info(name, manifest, shards) for name in records],
    )
    body = _template().render(
        **manifest,
        title=title,
        description=_paragraphs(settings.description or ""),
        licence=licence,
        examples=examples,
        repository=repository,
        meanings=_MEANINGS,
        judges=_judges(manifest),
        aggregation=_paragraphs(inspect.getdoc(AGGREGATIONS[manifest["ranking"]["aggregation"]])),
        ties=_TIES[manifest["ranking"]["ties"]],
        failed=list(manifest["counts"]["failed"].items())[:_REASONS],
    )
    return f"---\n{head.to_yaml()}\n---\n\n{body}"


def markdown_text(text: str) -> str:
    """``text`` as one line of Markdown that shows it as it is, in a paragraph or a table's cell.

    Line breaks and characters that do not print become spaces.
    """
    plain = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:@=^])", r"\\\1", plain)


def fence(text: str, language: str) -> str:
    """``text`` as a block of code that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"md": markdown_text, "clip": _clip}
    environment.globals |= {
        "decimal": _decimal,
        "fence": fence,
        "number": lambda value: f"{value:,}",
        "percent": lambda share: "–" if share is None else f"{share:.1%}",
        "settings": _settings,
    }
    source = files("synpic_cards").joinpath("dataset.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)


def _config(name: str, splits: Iterable[str], default: bool) -> dict[str, Any]:
    paths = [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in splits]
    return {"config_name": name, "data_files": paths, **({"default": True} if default else {})}


def _info(name: str, manifest: Mapping[str, Any], shards: Sequence[Shard]) -> dict[str, Any]:
    mine = [shard for shard in shards if shard.records.config == name]
    splits = [
        {
            "name": split,
            "num_bytes": sum(shard.bytes for shard in mine if shard.split == split),
            "num_examples": rows,
        }
        for split, rows in manifest["records"][name].items()
    ]
    return {
        "config_name": name,
        "features": yaml_features(mine[0].schema),
        "splits": splits,
        "download_size": sum(manifest["files"][shard.path]["bytes"] for shard in mine),
        "dataset_size": sum(shard.bytes for shard in mine),
    }


def _judges(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rewards that ranked, each with its row of the matrix of agreement."""
    agreement = manifest["agreement"]
    others = {row["reward"]: row["tau"] for row in agreement["leave_one_out"]}
    return [
        {
            "name": name,
            "label": f"`{name}`",
            "taus": [row["tau"] for row in agreement["rewards"] if row["reward_a"] == name],
            "others": others.get(name),
        }
        for name in manifest["ranking"]["weights"]
    ]


def _settings(decides: Mapping[str, Any]) -> str:
    """A model's settings in a line: what decides its pixels, but the checkpoint."""
    known = {
        "steps": "{} steps",
        "guidance": "guidance {}",
        "scheduler": "{}",
        "dtype": "{}",
        "negative_prompt": "negative prompt {!r}",
        "variant": "variant {}",
    }
    words = [text.format(decides[key]) for key, text in known.items() if decides.get(key)]
    if decides.get("size"):
        words.insert(0, "{}×{}".format(*decides["size"]))
    for key in ("scheduler_options", "call"):
        words += [f"{name} = {value!r}" for name, value in (decides.get(key) or {}).items()]
    return ", ".join(words)


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _clip(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= _CLIP else line[: _CLIP - 1] + "…"


def _one_line(text: str) -> str:
    kept = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    return " ".join(kept.split())


def _paragraphs(text: str | None) -> list[str]:
    return [_one_line(part) for part in re.split(r"\n\s*\n", text or "") if part.strip()]

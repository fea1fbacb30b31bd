"""The card of a release: what its manifest says, as text.

Prompts, names of checkpoints and reasons of failures are untrusted text. They reach Markdown
only through ``markdown_text`` or ``fence``, and YAML only through a YAML writer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from synpic import ids
from synpic.ids import SOURCE_KEY
from synpic.publish.card.charts import AGREEMENT, SCORES
from synpic.publish.card.pages import pages
from synpic.publish.card.use import (
    export_line,
    load_line,
    named,
    split_to_show,
    train_line,
)
from synpic.publish.card.yaml_head import configs_in_order, head_of
from synpic.publish.previous import NOTHING, Previous, changes_block, yours_block
from synpic.publish.table.shards import ShardFile
from synpic.rank import AGGREGATIONS
from synpic.readers.display import count, number, size
from synpic.recipe import PublishSettings
from synpic.release.aggregation_code import code_in_words
from synpic.release.cards.bibtex import bibtex
from synpic.release.cards.head import yaml_head
from synpic.release.cards.markdown import fence, markdown_text, one_line, paragraphs
from synpic.release.cards.words import NO_WORDS, AuthorWords
from synpic.release.label_row import LabelRow
from synpic.release.manifest import CARD, Manifest, Rule

__all__ = ["CARD", "render_card"]

_CLIP = 300
_REASONS = 5

_INVITATION = (
    "<!-- Your own words go here, as Markdown: every later release keeps them as they are. -->\n"
)

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


def render_card(
    manifest: Manifest,
    shards: Sequence[ShardFile],
    settings: PublishSettings,
    examples: Sequence[str] = (),
    repository: str | None = None,
    *,
    tag: str | None = None,
    changes: Sequence[str] = (),
    previous: Previous = NOTHING,
    words: AuthorWords = NO_WORDS,
) -> str:
    """The card as Markdown with a YAML head that the Hub and ``datasets`` read.

    Args:
        manifest: with ``files`` as far as they are written; charts are shown if they are there.
        shards: of which the release consists.
        settings: the recipe's ``[publish]``.
        examples: the prompts of ``pictures/examples.png``; none if there is no picture.
        repository: its name on the Hub; None for a folder.
        tag: of this release, "v1.2.0"; None if it has none.
        changes: since the last release, a line each; they are written down under ``tag``.
        previous: what stays of the card before (``parse_previous``): the publisher's own words,
            older changes, and of the head what synpic does not write, further tags, and licence
            and title where ``settings`` has none.
        words: the author's, as Markdown.

    Raises:
        PublishError: ``tag`` cannot be the tag of a release.
    """
    head = head_of(manifest, shards, settings, previous.head)
    configs = configs_in_order(manifest)
    kept = [text for key, text in previous.written.items() if key not in head]
    paths = manifest.files
    body = _template().render(
        **{**dict(manifest), "words": words.sections},
        title=head["pretty_name"],
        description=paragraphs(settings.description),
        licence=_words(head["license"]),
        examples=examples,
        repository=repository,
        tag=tag,
        yours=yours_block(_INVITATION if previous.prose is None else previous.prose),
        changes=_changes(tag, changes, previous),
        sizes=_sizes(manifest, shards),
        pages=pages(manifest.lock),
        configs=configs,
        load=load_line(manifest, repository, tag, configs[0]),
        split=split_to_show(manifest, configs[0]),
        train=train_line(manifest, repository, tag),
        export=export_line(repository, tag),
        named=named(repository, tag),
        citation=bibtex(head["pretty_name"], settings.authors, settings.year, repository, tag),
        held=_held(manifest.ranking),
        pictures={
            "scores": SCORES if SCORES in paths else None,
            "agreement": AGREEMENT if AGREEMENT in paths else None,
        },
        meanings=_MEANINGS,
        judges=_judges(manifest),
        ranked_by=_ranked_by(manifest.ranking),
        labelled=_labelled(manifest.labels),
        ingested=SOURCE_KEY in manifest.models[0].fingerprint_inputs,
        aggregation=paragraphs(_described(manifest.ranking)),
        code=code_in_words(manifest.ranking.aggregation_from),
        ties=_TIES[manifest.ranking.ties],
        failed=list(manifest.counts.failed.items())[:_REASONS],
    )
    lines = "\n".join([yaml_head(head), *kept])
    return f"---\n{lines}\n---\n\n{body}"


def _ranked_by(rule: Rule) -> str:
    """What ranked, in words: ``2 reward models and labels of people``."""
    rewards = len(rule.weights) - len(rule.comparisons)
    comparers = [one for one in rule.comparisons.values() if one.comparer]
    by_people = [one.by_people for one in rule.comparisons.values() if not one.comparer]
    found = [count(rewards, "reward model")] * bool(rewards)
    found += [count(len(comparers), "comparer of two images", "comparers of two images")] * bool(
        comparers
    )
    found += ["labels of people"] * any(by_people)
    found += ["labels of others' rewards"] * (not all(by_people))
    return " and ".join([", ".join(found[:-1]), *found[-1:]] if len(found) > 1 else found)


def _labelled(labels: LabelRow | None) -> str | None:
    """Who labelled the pairs, in words."""
    if labels is None:
        return None
    by_rewards = labels.kinds.get("reward", 0)
    if by_rewards == labels.labels:
        return "rewards"
    return "people and rewards" if by_rewards else "people"


def _held(rule: Rule) -> list[str]:
    """What ranks and may be held to people: all but labels of pairs."""
    labels = {name for name, one in rule.comparisons.items() if not one.comparer}
    return [name for name in rule.weights if name not in labels]


def _described(rule: Rule) -> str:
    """What the aggregation does: as its code said when it ranked, or as synpic's says."""
    if rule.aggregation_from is not None:
        return rule.aggregation_from.description
    return AGGREGATIONS[rule.aggregation].description


def _changes(tag: str | None, changes: Sequence[str], previous: Previous) -> list[str]:
    """The blocks of all releases, the newest first."""
    entries = dict(previous.changes)
    blocks: list[str] = []
    if tag is not None:
        entries.pop(tag, None)
        lines = [f"- {markdown_text(line)}" for line in changes if one_line(line)]
        title = f"**{markdown_text(tag)}**"
        blocks.append(changes_block(tag, "\n".join([title, "", *lines]).rstrip() + "\n"))
    return blocks + [changes_block(*entry) for entry in entries.items()]


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"md": markdown_text, "clip": _clip}
    environment.globals |= {
        "bytes": size,
        "counted": count,
        "decimal": _decimal,
        "fence": fence,
        "number": number,
        "percent": lambda share: "–" if share is None else f"{share:.1%}",
        "settings": _settings,
    }
    source = files("synpic_cards").joinpath("dataset.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)


def _sizes(
    manifest: Manifest, shards: Sequence[ShardFile]
) -> dict[tuple[str, str], dict[str, int]]:
    """(config, split) → ``shards`` and ``bytes`` of its files."""
    sizes: dict[tuple[str, str], dict[str, int]] = {}
    for shard in shards:
        mine = sizes.setdefault((shard.records.config, shard.split), {"shards": 0, "bytes": 0})
        mine["shards"] += 1
        mine["bytes"] += manifest.files[shard.path].bytes
    return sizes


def _judges(manifest: Manifest) -> list[dict[str, Any]]:
    """The rewards that ranked, each with its row of the matrix of agreement."""
    agreement = manifest.agreement
    # A manifest that was read from its file has lost the order of keys.
    names = dict.fromkeys(row.reward_a for row in agreement.rewards)
    others = {row.reward: row.tau for row in agreement.leave_one_out}
    return [
        {
            "name": name,
            "label": f"`{name}`",
            "taus": [row.tau for row in agreement.rewards if row.reward_a == name],
            "others": others.get(name),
        }
        for name in names
    ]


def _settings(inputs: Mapping[str, Any]) -> str:
    """A model's settings in a line: what decides its pixels, but the checkpoint."""
    known = {
        "steps": "{} steps",
        "guidance": "guidance {}",
        "scheduler": "{}",
        "dtype": "{}",
        "negative_prompt": "negative prompt {!r}",
        "variant": "variant {}",
    }
    words = [text.format(inputs[key]) for key, text in known.items() if inputs.get(key)]
    if inputs.get("size"):
        words.insert(0, "{}×{}".format(*inputs["size"]))
    for key in ("scheduler_options", "call"):
        words += [f"{name} = {value!r}" for name, value in (inputs.get(key) or {}).items()]
    if inputs.get("prior"):
        words.append(f"prior {_weights(inputs['prior'])}")
    words += [f"LoRA {_weights(one)} × {one['scale']:g}" for one in inputs.get("adapters") or ()]
    components = inputs.get("components") or {}
    words += [f"{name} of {_weights(one)}" for name, one in components.items()]
    words += [f"without {name}" for name in inputs.get("without") or ()]
    return ", ".join(words)


def _weights(source: Mapping[str, Any]) -> str:
    """Where weights are from: a repository and its commit, or the hash of local files."""
    if "repository" in source:
        return f"{source['repository']}@{ids.short(source['commit'])}"
    return f"sha256 {ids.short(source['sha256'])}"


def _words(value: Any) -> str:
    """A value of the head as people read it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:z.2f}"


def _clip(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _CLIP else line[: _CLIP - 1] + "…"

"""Where a judge comes from, and how often people were found to agree with it.

A number that was published stands here with the source in which it was seen, and apart from what a
reward declares of its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "BLIP_BACKBONE",
    "CLIP_H_BACKBONE",
    "SETS",
    "LabelledSet",
    "Lineage",
    "lineage_of",
    "one_family",
]

CLIP_H_BACKBONE = "CLIP ViT-H-14 (LAION-2B)"
BLIP_BACKBONE = "BLIP (ViT-L/16, BERT-base)"


@dataclass(frozen=True)
class LabelledSet:
    """Pairs of images that people judged.

    Args:
        what: what they are.
        source: in which the accuracies were seen.
    """

    what: str
    source: str


_HPSV3 = "the README of hpsv3 1.0.0"

SETS: Mapping[str, LabelledSet] = {
    "HPDv2": LabelledSet("models of 2022 and 2023, short prompts; the test set", _HPSV3),
    "HPDv3": LabelledSet("models up to 2025, and photographs; the test set", _HPSV3),
    "MMRB2": LabelledSet(
        "text to image, by models of 2025, without the pairs on which large models agree",
        "arXiv 2512.16899",
    ),
    "GenAI-Bench": LabelledSet(
        "prompts of several objects, relations and counts; alignment",
        "linzhiqiu/CLIP-FlanT5, docs/MODEL_ZOO.md (VQAScore), and arXiv 2506.02095",
    ),
}
"""The sets, in the order of their age."""


@dataclass(frozen=True)
class Lineage:
    """Where a judge comes from; a class of a reward may have one as ``lineage``.

    Args:
        backbone: the network that was tuned; judges of one backbone are blind to the same things.
            None where the checkpoint decides.
        parameters: of all that is opened, in millions.
        trained_on: what made it a judge.
        accuracy: name of :data:`SETS` → the share of pairs in which it prefers what people prefer,
            in percent, as published.
    """

    backbone: str | None
    parameters: int | None
    trained_on: str
    accuracy: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; each accuracy with its source."""
        found = [
            {"set": name, "percent": percent, "source": SETS[name].source}
            for name, percent in self.accuracy.items()
        ]
        return {**vars(self), "accuracy": found}


def lineage_of(thing: object) -> Lineage | None:
    """What a reward's class or function says of where it comes from; None if nothing."""
    found = getattr(thing, "lineage", None)
    return found if isinstance(found, Lineage) else None


def one_family(things: Sequence[object]) -> str | None:
    """The backbone that two judges or more all descend from; None if they do not, or if one of them
    does not say."""
    backbones = {of.backbone if (of := lineage_of(thing)) else None for thing in things}
    return backbones.pop() if len(things) > 1 and len(backbones) == 1 else None

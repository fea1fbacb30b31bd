"""Where judges come from: what is published of them, and who is related to whom."""

from __future__ import annotations

from typing import ClassVar

import pytest

from synpic.registry import REWARDS
from synpic.score.lineage import (
    BLIP_BACKBONE,
    CLIP_H_BACKBONE,
    SETS,
    Lineage,
    lineage_of,
    one_family,
)

WITH = {name: found for name in REWARDS.names() if (found := lineage_of(REWARDS.load(name)))}


def relatives(*names: str) -> str | None:
    return one_family([REWARDS.load(name) for name in names])


def test_those_of_one_backbone_are_one_family() -> None:
    assert relatives("hpsv2", "pickscore", "mps") == CLIP_H_BACKBONE
    assert relatives("imagereward", "cyclereward") == BLIP_BACKBONE
    assert relatives("hpsv2", "pickscore", "imagereward") is None
    assert relatives("hpsv2") is None, "one alone is no family"
    assert relatives() is None


def test_what_is_not_known_is_no_relative() -> None:
    class Own:
        lineage: ClassVar[Lineage] = Lineage(CLIP_H_BACKBONE, 986, "my own choices")

    assert one_family([Own, REWARDS.load("mps")]) == CLIP_H_BACKBONE
    assert one_family([object, REWARDS.load("mps")]) is None
    # The checkpoint decides, so two of them may be anything.
    assert relatives("vlm_yes", "clip_score") is None


@pytest.mark.parametrize("name", WITH)
def test_every_number_has_a_source_and_is_a_share(name: str) -> None:
    found = WITH[name]
    assert found.trained_on
    for of, percent in found.accuracy.items():
        assert SETS[of].source
        assert 40 < percent < 100


def test_published_numbers_are_those_of_their_sources() -> None:
    """Copied a second time, from the sources: a row each."""
    listed = {
        "HPDv2": {
            "aesthetic": 76.8,
            "imagereward": 74.0,
            "pickscore": 79.8,
            "hpsv2": 83.3,
            "mps": 83.5,
            "hpsv3": 85.4,
        },
        "HPDv3": {
            "aesthetic": 59.9,
            "imagereward": 58.6,
            "pickscore": 65.6,
            "hpsv2": 65.3,
            "mps": 64.3,
            "hpsv3": 76.9,
        },
        "MMRB2": {
            "clip_score": 51.0,
            "imagereward": 54.0,
            "hpsv2": 54.7,
            "pickscore": 58.6,
            "hpsv3": 60.2,
        },
    }
    for of, expected in listed.items():
        assert {n: one.accuracy[of] for n, one in WITH.items() if of in one.accuracy} == expected

"""synpic's rewards, opened on the weights of :mod:`research.ports.weights`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from research.ports.weights import AESTHETIC, BLIP_TOWER, CLIP_H, CLIP_L, HPSV2, PICKSCORE
from synpic.score.aesthetic import Aesthetic
from synpic.score.clip_score import ClipScore
from synpic.score.cyclereward import CycleReward
from synpic.score.hpsv2 import HPSv2
from synpic.score.hpsv3 import Hpsv3
from synpic.score.hpsv3_text import Hpsv3Text
from synpic.score.imagereward import ImageReward
from synpic.score.mps import MPS
from synpic.score.pickscore import PickScore
from tests.score.tiny_hpsv3 import ENDING, INSTRUCTION

__all__ = [
    "SmallCycleReward",
    "SmallHPSv2",
    "SmallHpsv3",
    "SmallImageReward",
    "aesthetic",
    "clip_score",
    "cyclereward",
    "hpsv2",
    "hpsv3",
    "imagereward",
    "mps",
    "pickscore",
]


class SmallHPSv2(HPSv2):
    """HPSv2 with a narrower ViT-H-14."""

    @staticmethod
    def _architecture() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(HPSV2))
        return found


class SmallImageReward(ImageReward):
    """ImageReward with two layers in the tower of pictures."""

    _vision: ClassVar[Mapping[str, Any]] = BLIP_TOWER


class SmallCycleReward(CycleReward):
    """CycleReward with two layers in each tower."""

    _vision: ClassVar[Mapping[str, Any]] = BLIP_TOWER
    _text: ClassVar[Mapping[str, Any]] = {**CycleReward._text, "num_hidden_layers": 2}


class SmallHpsv3(Hpsv3):
    """HPSv3 with a small Qwen2-VL and an instruction of the authors' form."""

    @staticmethod
    def _instruction() -> Hpsv3Text:
        return Hpsv3Text(INSTRUCTION, ENDING)


def pickscore(root: Path) -> PickScore:
    """PickScore."""
    return PickScore(str(root / PICKSCORE), None, "cpu", str(root / CLIP_H))


def hpsv2(root: Path) -> HPSv2:
    """HPSv2.1."""
    return SmallHPSv2(str(root / "hpsv2"), None, "cpu")


def aesthetic(root: Path) -> Aesthetic:
    """LAION's aesthetic predictor."""
    return Aesthetic(str(root / AESTHETIC), None, "cpu", str(root / CLIP_L))


def clip_score(root: Path) -> ClipScore:
    """CLIPScore by ViT-L/14."""
    return ClipScore(str(root / CLIP_L), None, "cpu")


def mps(root: Path, threshold: float = 0.3) -> MPS:
    """MPS."""
    source, processor = str(root / "RE-N-Y/mpsv1"), str(root / CLIP_H)
    return MPS(source, None, "cpu", processor, threshold=threshold)


def imagereward(root: Path) -> ImageReward:
    """ImageReward."""
    return SmallImageReward(str(root / "imagereward"), None, "cpu", str(root / "bert-base-uncased"))


def cyclereward(root: Path) -> CycleReward:
    """CycleReward."""
    return SmallCycleReward(str(root / "cyclereward"), None, "cpu", str(root / "bert-base-uncased"))


def hpsv3(root: Path, positions: str = "sequential") -> Hpsv3:
    """HPSv3."""
    source, processor = str(root / "hpsv3"), str(root / "qwen2-vl")
    return SmallHpsv3(source, None, "cpu", processor, positions=positions)

"""The reward ``clip_score``: how near a CLIP puts the image to its prompt.

Hessel et al., *CLIPScore* (arXiv 2104.08718). Any CLIP or SigLIP does, of transformers or of
open_clip: what the checkpoint holds decides which library opens it.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from PIL.Image import Image

from synpic.score.lineage import Lineage
from synpic.score.reward import RewardInfo
from synpic.score.texts import TextFeatures
from synpic.score.towers.clip_inputs import FILES
from synpic.score.towers.clip_towers import ClipTowers
from synpic.score.towers.open_clip_towers import CONFIG, WEIGHTS, OpenClipTowers
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, find_file

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    import torch
    from torch import Tensor

__all__ = ["ClipScore", "Towers", "open_towers"]


class Towers(Protocol):
    """What both libraries' models come down to."""

    preprocessing: Hashable

    def pixels(self, image: Image) -> Tensor:
        """An RGB image made ready, ``Float[Tensor, "3 height width"]`` on the CPU."""
        ...

    def see(self, pixels: Tensor) -> Tensor:
        """Features of images, ``Float[Tensor, "n width"]``, float32."""
        ...

    def read(self, texts: list[str]) -> Tensor:
        """Features of texts, ``Float[Tensor, "n width"]``, float32."""
        ...


class ClipScore(TwoStageReward):
    """Cosine of image and text features, in float32.

    The paper's number is 2.5 · max(cosine, 0), which orders images alike but for those below 0,
    and makes ties of these; so the cosine itself is kept.

    Args:
        checkpoint: folder or repository of a CLIP or SigLIP with tokenizer and image processor.
        revision: its commit.
        device: where it runs.
        dtype: of the towers; features are compared in float32 in any case.

    Raises:
        RewardError: it is neither, or has weights that are missing or belong to nothing.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="cosine of a CLIP's or SigLIP's features; of transformers or open_clip",
        score_range="-1 … 1",
        checkpoint="openai/clip-vit-large-patch14",
        files=(f"config.json|{CONFIG}", "|".join(("model.safetensors", *WEIGHTS)), *FILES),
        paper="2104.08718",
        text_limit="the tower's (77 tokens for CLIP, 64 for SigLIP); what is longer is cut off",
        verified="against transformers' and open_clip's own pass (tests/score/test_clip_score.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        None,
        None,
        "pictures of the web and their captions; no preferences",
        {"MMRB2": 51.0, "GenAI-Bench": 49.7},
    )

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, *, dtype: str = "float32"
    ) -> None:
        self._towers = open_towers(checkpoint, revision, device, as_dtype(dtype))
        self._texts = TextFeatures(self._towers.read)
        self.preprocessing: Hashable = self._towers.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As the checkpoint says they are made, resized by Pillow."""
        return self._towers.pixels(image)

    def features(self, pixels: Tensor) -> Tensor:
        """Of images, ``Float[Tensor, "n width"]``, float32, not normalised."""
        return self._towers.see(pixels)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Cosines in -1 … 1."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.inference_mode():
            features = self._towers.see(pixels)
            cosines: list[float] = cosine_similarity(features, self._texts(prompts)).tolist()
        return cosines


def open_towers(checkpoint: str, revision: str | None, device: str, dtype: torch.dtype) -> Towers:
    """A CLIP or SigLIP, by transformers where it can: many of open_clip hold both layouts.

    Raises:
        RewardError: it is neither, or has weights that are missing or belong to nothing.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """
    config = find_file(checkpoint, revision, "config.json", CONFIG)
    kind = OpenClipTowers if config.name == CONFIG or not _names_a_type(config) else ClipTowers
    return kind(checkpoint, revision, device, dtype)


def _names_a_type(config: Path) -> bool:
    """Whether it is transformers' ``config.json``; timm has one too."""
    try:
        return "model_type" in json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False

"""The reward ``aesthetic``: how much people like a picture, whatever it was asked to show.

LAION's improved aesthetic predictor (github.com/christophschuhmann/improved-aesthetic-predictor,
simple_inference.py): five linear layers on the normalised image feature of OpenAI's CLIP ViT-L/14.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.lineage import Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.clip_pixels import ClipPixels
from synpic.score.towers.rating_head import rating_head
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, fill, find_file, open_pretrained, read_tensors

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["Aesthetic"]

FILES = (
    "model.safetensors",
    "aesthetic-model.safetensors",
    "sac+logos+ava1-l14-linearMSE.safetensors",
    "aesthetic-model.pth",
    "sac+logos+ava1-l14-linearMSE.pth",
)
"""What the head's weights may be called: the authors' name, and that of the Hub's copy."""

OF_THE_TEXT = {
    "text_model.*": "the text tower, which this reward does not use",
    "text_projection.*": "the text tower's projection",
    "logit_scale": "the scale between image and text",
}
"""What a whole CLIP holds beside the tower that looks at pictures."""


class Aesthetic(TwoStageReward):
    """A linear reading of CLIP's image feature, fitted to people's ratings of pictures.

    The prompt is not read: two prompts give one image the same score.

    Args:
        checkpoint: folder or repository with the head's weights.
        revision: its commit.
        device: where it runs.
        clip: folder or repository of the CLIP whose features the head was fitted to.
        clip_revision: its commit.
        dtype: of CLIP's tower; the feature is normalised and read in float32 in any case.

    Raises:
        RewardError: weights are missing, or belong to nothing, or to another head.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="LAION's aesthetic predictor on CLIP ViT-L/14; reads no prompt",
        reads_prompt=False,
        score_range="unbounded",
        checkpoint="trl-lib/ddpo-aesthetic-predictor",
        files=("|".join(FILES),),
        companions={
            "clip": Companion("openai/clip-vit-large-patch14", ("config.json", "model.safetensors"))
        },
        licence="Apache-2.0 (the authors' repository, which holds code and weights)",
        text_limit="none: the prompt is not read",
        verified="against upstream's own code and preprocessing (tests/score/test_aesthetic.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        "CLIP ViT-L-14 (OpenAI)",
        305,
        "ratings of pictures from 1 to 10 (SAC, Logos, AVA)",
        {"HPDv2": 76.8, "HPDv3": 59.9},
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        clip: str,
        clip_revision: str | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        from transformers import CLIPVisionModelWithProjection

        self._device, self._dtype = device, as_dtype(dtype)
        # First what is small and may be refused.
        path = find_file(checkpoint, revision, *FILES)
        tensors = read_tensors(path)
        self._tower: Any = open_pretrained(
            CLIPVisionModelWithProjection, clip, clip_revision, self._dtype, leftovers=OF_THE_TEXT
        ).to(device)
        self._head = rating_head(self._tower.config.projection_dim)
        fill(self._head, tensors, path)
        self._head.to(device)

        self._pixels = ClipPixels(self._tower.config.image_size)
        self.preprocessing: Hashable = self._pixels.preprocessing

    def pixels(self, image: Image) -> Tensor:
        """As OpenAI's CLIP makes them: the middle of the image, its shortest side resized."""
        return self._pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Ratings, as high as the head says."""
        import torch
        from torch.nn.functional import normalize

        with torch.inference_mode():
            features = self._tower(pixels.to(self._device, self._dtype)).image_embeds.float()
            ratings: list[float] = self._head(normalize(features, dim=-1)).squeeze(-1).tolist()
        return ratings

"""The reward ``pickscore``: what people would pick of two pictures, learned from Pick-a-Pic.

Kirstain et al., *Pick-a-Pic* (arXiv 2305.01569): a CLIP ViT-H/14, tuned whole on people's choices.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.lineage import CLIP_H_BACKBONE, Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.texts import TextFeatures
from synpic.score.towers.clip_inputs import CLIP_H, FILES, ClipInputs
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, open_pretrained

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["PickScore"]


class PickScore(TwoStageReward):
    """exp(logit_scale) · cosine of image and text features, in float32.

    Upstream prints a softmax of these over the images of one prompt; that is a matter of the pair,
    and so the number below it is the score.

    Args:
        checkpoint: folder or repository with the tuned CLIP.
        revision: its commit.
        device: where it runs.
        processor: folder or repository with tokenizer and image processor.
        processor_revision: its commit.
        dtype: of the towers; features are compared in float32 in any case, as bfloat16 has steps of
            0.125 near the usual score of 21.

    Raises:
        RewardError: weights are missing, or belong to nothing.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="PickScore v1: a CLIP-H tuned on the choices of Pick-a-Pic",
        score_range="±exp(logit_scale) of the checkpoint",
        checkpoint="yuvalkirstain/PickScore_v1",
        files=("config.json", "model.safetensors|pytorch_model.bin"),
        companions={"processor": Companion(CLIP_H, ("config.json", *FILES))},
        licence="MIT (the authors' code, github.com/yuvalkirstain/PickScore)",
        paper="2305.01569",
        text_limit="77 tokens; what is longer is cut off",
        verified="against the README's own code on transformers 4.27.3, at a reduced size "
        "(tests/score/test_pickscore.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        CLIP_H_BACKBONE,
        986,
        "Pick-a-Pic: choices of the users of a web page",
        {"HPDv2": 79.8, "HPDv3": 65.6, "MMRB2": 58.6, "GenAI-Bench": 57.1},
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        processor: str,
        processor_revision: str | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        import torch
        from transformers import CLIPModel

        self._device, self._dtype = device, as_dtype(dtype)
        self._inputs = ClipInputs(processor, processor_revision)
        self.preprocessing: Hashable = self._inputs.preprocessing
        model: Any = open_pretrained(CLIPModel, checkpoint, revision, torch.float32)
        # Taken before the towers are cast: in bfloat16 it would be off by a percent.
        self._scale: float = model.logit_scale.exp().item()
        self._model = model.to(device, self._dtype)
        self._texts = TextFeatures(self._read)

    def pixels(self, image: Image) -> Tensor:
        """As the image processor makes them, resized by Pillow."""
        return self._inputs.pixels(image)

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """exp(logit_scale) · cosine."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.inference_mode():
            pixels = pixels.to(self._device, self._dtype)
            features = self._model.get_image_features(pixels).pooler_output.float()
            cosines = cosine_similarity(features, self._texts(prompts))
            scores: list[float] = (self._scale * cosines).tolist()
        return scores

    def _read(self, prompts: list[str]) -> Tensor:
        """Features of texts, ``Float[Tensor, "text width"]``."""
        places = self._model.config.text_config.max_position_embeddings
        ids = self._inputs.tokens(prompts, places).to(self._device)
        features: Tensor = self._model.get_text_features(ids).pooler_output
        return features.float()

"""The reward ``clip_score``: how near a CLIP puts the image to its prompt.

Hessel et al., *CLIPScore* (arXiv 2104.08718). Any checkpoint of transformers' CLIP or SigLIP does.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.reward import RewardInfo
from synpic.score.staged import StagedReward
from synpic.score.texts import TextFeatures
from synpic.score.weights import as_dtype, open_pretrained, reading

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["ClipScore"]


class ClipScore(StagedReward):
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
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="cosine of CLIP's image and text features; any CLIP or SigLIP of transformers",
        score_range="-1 … 1",
        checkpoint="openai/clip-vit-large-patch14",
        files=("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer*"),
        paper="2104.08718",
        text_limit="the tower's (77 tokens for CLIP, 64 for SigLIP); what is longer is cut off",
        verified="against transformers' own forward pass (tests/score/test_clip_score.py)",
    )

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, *, dtype: str = "float32"
    ) -> None:
        from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

        self._device, self._dtype = device, as_dtype(dtype)
        with reading(checkpoint, revision):
            kind = AutoConfig.from_pretrained(checkpoint, revision=revision).model_type
            if kind not in ("clip", "siglip"):
                # Its kin want masks, or other arguments, and would give numbers not theirs.
                raise RewardError(
                    f"{checkpoint} is a {kind} model, and neither a CLIP nor a SigLIP",
                    hint="name a checkpoint of one of these; for another, write a reward around it",
                )
            self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, revision=revision)
            # Pillow resizes with antialiasing, the same on every machine; the torchvision backend,
            # the default, differs from it and from what CLIP was trained on.
            self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                checkpoint, revision=revision, backend="pil"
            )
        self._lower = kind == "siglip"
        self._model = open_pretrained(AutoModel, checkpoint, revision, self._dtype).to(device)
        self.preprocessing: Hashable = json.dumps(self._processor.to_dict(), sort_keys=True)
        self._tokens = min(
            self._tokenizer.model_max_length,
            self._model.config.text_config.max_position_embeddings,
        )
        self._texts = TextFeatures(self._read)

    def pixels(self, image: Image) -> Tensor:
        """As the checkpoint's own image processor makes them, resized by Pillow."""
        pixels: Tensor = self._processor(images=image, return_tensors="pt").pixel_values[0]
        return pixels

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Cosines in -1 … 1."""
        import torch
        from torch.nn.functional import cosine_similarity

        with torch.inference_mode():
            pixels = pixels.to(self._device, self._dtype)
            features = self._model.get_image_features(pixels).pooler_output.float()
            cosines: list[float] = cosine_similarity(features, self._texts(prompts)).tolist()
        return cosines

    def _read(self, prompts: list[str]) -> Tensor:
        """Features of texts, ``Float[Tensor, "text width"]``."""
        # Always padded to the full length: SigLIP was trained so, and shapes do not depend on
        # what shares the batch. It was trained on lower case, which not all its tokenizers make.
        ids = self._tokenizer(
            [prompt.lower() for prompt in prompts] if self._lower else prompts,
            padding="max_length",
            truncation=True,
            max_length=self._tokens,
            return_tensors="pt",
        ).input_ids
        features: Tensor = self._model.get_text_features(ids.to(self._device)).pooler_output
        return features.float()

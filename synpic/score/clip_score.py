"""The reward ``clip_score``: how near a CLIP puts the image to its prompt.

Hessel et al., *CLIPScore* (arXiv 2104.08718). Any checkpoint of transformers' CLIP or SigLIP does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.reward import RewardInfo

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["ClipScore"]


class ClipScore:
    """Cosine of image and text features, in float32.

    The paper's number is 2.5 · max(cosine, 0), which orders images alike but for those below 0,
    and makes ties of these; so the cosine itself is kept.

    Args:
        checkpoint: folder or repository of a CLIP or SigLIP with tokenizer and image processor.
        revision: its commit.
        device: where it runs.

    Raises:
        RewardError: it is neither, or has weights that are missing or belong to nothing.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="cosine of CLIP's image and text features; any CLIP or SigLIP of transformers",
        score_range="-1 … 1",
        checkpoint="openai/clip-vit-large-patch14",
        paper="2104.08718",
        text_limit="the tower's (77 tokens for CLIP, 64 for SigLIP); what is longer is cut off",
        verified="against transformers' own forward pass (tests/score/test_clip_score.py)",
    )

    def __init__(self, checkpoint: str, revision: str | None, device: str) -> None:
        from transformers import AutoImageProcessor, AutoTokenizer

        self._device = device
        self._model = _open(checkpoint, revision).to(device).eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint, revision=revision)
        # Pillow resizes with antialiasing, the same on every machine; the torchvision backend, the
        # default, differs from it and from what CLIP was trained on.
        self._lower = self._model.config.model_type == "siglip"
        self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            checkpoint, revision=revision, backend="pil"
        )
        self._tokens = min(
            self._tokenizer.model_max_length,
            self._model.config.text_config.max_position_embeddings,
        )

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """Cosines in -1 … 1; each distinct prompt is read once."""
        import torch
        from torch.nn.functional import cosine_similarity

        place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        with torch.inference_mode():
            texts = self._read(list(place))[[place[prompt] for prompt in prompts]]
            cosines: list[float] = cosine_similarity(self._see(images), texts).tolist()
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

    def _see(self, images: Sequence[Image]) -> Tensor:
        """Features of images, ``Float[Tensor, "image width"]``."""
        pixels = self._processor(images=list(images), return_tensors="pt").pixel_values
        features: Tensor = self._model.get_image_features(pixels.to(self._device)).pooler_output
        return features.float()


def _open(checkpoint: str, revision: str | None) -> Any:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model, loading = AutoModel.from_pretrained(
        checkpoint, revision=revision, dtype=torch.float32, output_loading_info=True
    )
    if model.config.model_type not in ("clip", "siglip"):
        # Its kin want masks, or other arguments, and would give numbers that are not theirs.
        raise RewardError(
            f"{checkpoint} is a {type(model).__name__}, and neither a CLIP nor a SigLIP",
            hint="name a checkpoint of one of these; for another, write a reward around it",
        )
    # Old checkpoints carry the numbers of their positions, which are no weights.
    foreign = [key for key in loading["unexpected_keys"] if not key.endswith("position_ids")]
    for what, keys in (("lacks", loading["missing_keys"]), ("has foreign", foreign)):
        if keys:
            raise RewardError(
                f"{checkpoint} {what} weights: {', '.join(sorted(keys)[:3])}"
                + (f" and {len(keys) - 3} more" if len(keys) > 3 else ""),
                hint="a tower with random weights scores noise; check the checkpoint",
            )
    return model

"""The judge ``clip_text``: how near a CLIP puts an image to a caption.

T2I-CompBench's non-spatial list is measured by it, with ViT-B/32 (arXiv 2307.06350).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from PIL.Image import Image

from synpic.errors import EvaluationError
from synpic.score.clip_score import open_towers
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from synpic.score.texts import TextFeatures
from synpic.score.towers.clip_inputs import FILES
from synpic.score.weights import as_dtype

if TYPE_CHECKING:  # `synpic list judges` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["ClipText"]


class ClipText(Judge):
    """Cosine of image and text features, no less than 0.

    The text is ``text`` of the specification, else the prompt. Upstream
    (``CLIPScore_eval/CLIP_similarity.py`` of github.com/Karine-Huang/T2I-CompBench at 1b70949) has
    the mean of plain cosines, in float16 on a GPU: no factor of 2.5, and nothing cut off at 0. It
    refuses texts beyond 77 tokens; here they are cut off. Of a verdict ``correct`` is None, and
    there are no parts.

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
        summary="cosine of a CLIP's features: T2I-CompBench's non-spatial list",
        score_range="0 … 1",
        checkpoint="openai/clip-vit-base-patch32",
        files=("config.json", "model.safetensors|pytorch_model.bin", *FILES),
        licence="MIT (OpenAI's CLIP)",
        paper="2307.06350",
        text_limit="the tower's (77 tokens for CLIP); what is longer is cut off",
        verified="against transformers' own pass (tests/score/judges/test_clip_text.py)",
    )

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, *, dtype: str = "float32"
    ) -> None:
        self._towers = open_towers(checkpoint, revision, device, as_dtype(dtype))
        self._texts = TextFeatures(self._towers.read)
        self.preprocessing: Hashable = self._towers.preprocessing

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse a ``text`` that is none.

        Raises:
            EvaluationError: as it says.
        """
        text = requirement.spec.get("text", "")
        if not isinstance(text, str):
            raise EvaluationError(
                f"{requirement.prompt!r}: text is {text!r}, a text expected",
                hint="without it the image is compared with its prompt",
            )

    def pixels(self, image: Image) -> Tensor:
        """As the checkpoint says they are made, resized by Pillow."""
        return self._towers.pixels(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Tensor]) -> list[Verdict]:
        """Cosines, cut off at 0 and 1."""
        import torch
        from torch.nn.functional import cosine_similarity

        if not requirements:
            return []
        texts = [one.spec.get("text") or one.prompt for one in requirements]
        with torch.inference_mode():
            features = self._towers.see(torch.stack(list(pixels)))
            cosines = cosine_similarity(features, self._texts(texts)).clamp(0, 1).tolist()
        return [Verdict(None, cosine, (), "") for cosine in cosines]

    def canary(self) -> Requirement:
        """Something that a grey image does not show."""
        return Requirement("a red apple and a green leaf")

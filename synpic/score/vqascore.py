"""The rewards ``vqascore`` and ``vqascore_xl``: a model that answers questions is asked whether the
picture shows what the prompt says, and the score is how likely it is to say yes.

Lin et al., *Evaluating Text-to-Visual Generation with Image-to-Text Generation* (arXiv 2404.01291).
The score is t2v_metrics' of github.com/linzhiqiu/t2v_metrics, as of its versions before 3.1, which
no longer have this model.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import ImageOps
from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.clip_t5_names import TOWER
from synpic.score.lineage import Lineage
from synpic.score.reward import Companion, RewardInfo
from synpic.score.t5_tokens import FILE, T5Tokens
from synpic.score.templates import check_template
from synpic.score.two_stage import TwoStageReward
from synpic.score.weights import as_dtype, reading

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["ANSWER", "QUESTION", "VQAScore", "VQAScoreXL"]

QUESTION = 'Does this figure show "{}"? Please answer yes or no.'
ANSWER = "Yes"
"""Upstream's; ``{}`` stands for the prompt."""

BEFORE = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. USER: "
)
AFTER = "\n{} ASSISTANT: "
"""The chat that the model was tuned on, before the picture and after it."""

TOKENS = 2048
"""What is read of a question; the picture counts for one."""

LARGEST = 16_384
"""Pixels of the longest side: around it a square of three bytes each takes 0.8 GB."""

WEIGHT_FILES = "model*.safetensors*|pytorch_model*.bin*"
VISION_FILES = "model.safetensors|pytorch_model.bin|"


BACKBONE = "FlanT5 and CLIP ViT-L-14 (OpenAI)"


class VQAScore(TwoStageReward):
    """exp(− mean cross-entropy) of the answer's tokens, its end among them.

    For "Yes" this is the geometric mean of the probabilities of its tokens and of the end, and not
    the probability of "Yes" alone. Upstream computes all of it under autocast in bfloat16, which is
    nearest to ``dtype="bfloat16"`` here; the probabilities are in float32 in any case.

    Args:
        checkpoint: folder or repository with the tuned T5, the projector and, maybe, the CLIP.
        revision: its commit.
        device: where it runs.
        tokenizer: folder or repository with T5's ``spiece.model``.
        tokenizer_revision: its commit.
        vision: folder or repository of the CLIP and its image processor. Its weights count only
            where the checkpoint has no copy of them.
        vision_revision: its commit.
        dtype: "float32" or "bfloat16". T5 overflows in float16.
        question: what is asked; ``{}`` stands for the prompt.
        answer: whose likelihood is the score; ``{}`` stands for the prompt here, too.

    Raises:
        RewardError: weights are missing or belong to nothing, or an option is out of its range.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="VQAScore by CLIP-FlanT5-xxl (11B): how likely it says that the picture shows it",
        score_range="0 … 1",
        checkpoint="zhiqiulin/clip-flant5-xxl",
        files=("config.json", WEIGHT_FILES),
        companions={
            "tokenizer": Companion("google/flan-t5-xxl", (FILE,)),
            "vision": Companion(
                "openai/clip-vit-large-patch14-336",
                ("config.json", "preprocessor_config.json", VISION_FILES),
                unless={VISION_FILES: TOWER},
            ),
        },
        licence="Apache-2.0 (the authors' code)",
        paper="2404.01291",
        text_limit="2048 tokens of T5 with the chat around the prompt; what is longer is cut off "
        "at the end, and the end of the question with it",
        verified="against upstream's own classes on transformers 4.49.0, at a reduced size, with "
        "random weights in float32 (tests/score/test_vqascore.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        BACKBONE,
        11_723,
        "questions about pictures, and their answers; no preferences",
        {"GenAI-Bench": 64.1},
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        tokenizer: str,
        tokenizer_revision: str | None,
        vision: str,
        vision_revision: str | None = None,
        *,
        dtype: str = "float32",
        question: str = QUESTION,
        answer: str = ANSWER,
    ) -> None:
        from transformers import AutoImageProcessor

        from synpic.score.clip_t5 import ClipT5

        if dtype == "float16":
            raise RewardError("T5 overflows in float16", hint='dtype "bfloat16" takes as little')
        _check_templates(question=question, answer=answer)
        self._question, self._answer = question, answer
        with reading(vision, vision_revision):
            # By Pillow, as in upstream's version of transformers; torchvision resizes otherwise.
            self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                vision, revision=vision_revision, backend="pil"
            )
        self._colour = tuple(int(mean * 255) for mean in self._processor.image_mean)
        self.preprocessing: Hashable = (
            "pad to a square, centred",
            self._colour,
            json.dumps(self._processor.to_dict(), sort_keys=True),
        )
        self._tokens = T5Tokens(tokenizer, tokenizer_revision)
        self._before = self._tokens(BEFORE)
        self._model = ClipT5(
            checkpoint,
            revision,
            vision,
            vision_revision,
            len(self._tokens),
            device,
            as_dtype(dtype),
        )

    def pixels(self, image: Image) -> Tensor:
        """The whole image in a square of CLIP's mean colour, as CLIP's image processor makes it."""
        width, height = image.size
        side = max(width, height)
        if side > LARGEST:
            raise ValueError(f"{width}×{height} pixels: a square around them would be too large")
        left, top = (side - width) // 2, (side - height) // 2
        border = (left, top, side - width - left, side - height - top)
        square = ImageOps.expand(image, border, self._colour) if width != height else image
        pixels: Tensor = self._processor(images=square, return_tensors="pt").pixel_values[0]
        return pixels

    def judge(self, prompts: Sequence[str], pixels: Tensor) -> list[float]:
        """Likelihoods of the answer, in 0 … 1."""
        # The picture has taken a place of its own after those before it.
        places = TOKENS - len(self._before) - 1
        questions = [AFTER.format(self._question.format(prompt)) for prompt in prompts]
        likelihood = self._model.likelihood(
            self._before,
            [self._tokens(question)[:places] for question in questions],
            [self._tokens(self._answer.format(prompt))[:TOKENS] for prompt in prompts],
            pixels,
        )
        scores: list[float] = likelihood.tolist()
        return scores


class VQAScoreXL(VQAScore):
    """The same by a smaller T5, with a quarter of the weights."""

    info: ClassVar[RewardInfo] = replace(
        VQAScore.info,
        summary="VQAScore by CLIP-FlanT5-xl (3B): how likely it says that the picture shows it",
        checkpoint="zhiqiulin/clip-flant5-xl",
        companions={
            **VQAScore.info.companions,
            "tokenizer": Companion("google/flan-t5-xl", (FILE,)),
        },
    )

    lineage: ClassVar[Lineage] = replace(
        VQAScore.lineage, parameters=3_291, accuracy={"GenAI-Bench": 61.8}
    )


def _check_templates(**templates: str) -> None:
    """Refuse what cannot be filled in, and a pair that never mentions the prompt.

    Raises:
        RewardError: naming the option.
    """
    for name, template in templates.items():
        check_template("vqascore", name, template, of_prompt=False)
    if all(template.format("a") == template.format("b") for template in templates.values()):
        raise RewardError(
            "vqascore: neither question nor answer has a {} for the prompt",
            hint=f"upstream asks: {QUESTION}",
        )

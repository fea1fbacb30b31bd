"""The judge ``ocr``: whether the text that a prompt asks for in quotes can be read in the image.

The rule is that of Flow-GRPO's reward (arXiv 2505.05470; ``flow_grpo/ocr.py`` of
github.com/yifan123/flow_grpo at ac4c86e). The reader is another: there PaddleOCR, here GOT-OCR 2.0
(arXiv 2409.01704), which transformers has.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image, new

from synpic.errors import EvaluationError, RewardError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo
from synpic.score.vlm.local import load_processor
from synpic.score.weights import as_dtype, open_pretrained

if TYPE_CHECKING:  # `synpic list judges` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["Ocr", "edit_distance", "quoted_text", "text_likeness"]

_QUOTED = re.compile(r'"([^"]*)"|“([^”]*)”')
_ARCHITECTURE = "got_ocr2"
_END = "<|im_end|>"


def quoted_text(prompt: str) -> str | None:
    """The first text between double quotes, straight or curly; None where there is none."""
    found = _QUOTED.search(prompt)
    text = "" if found is None else found[1] or found[2] or ""
    return text if text.strip() else None


def text_likeness(wanted: str, read: str) -> float:
    """1 − d / n: n the letters of ``wanted``, d the edit distance of ``read`` to it, n at most.

    1 where ``wanted`` is part of ``read``, whatever else is there. Case and spaces do not count.

    Args:
        wanted: with a letter, at least.

    Returns:
        0 … 1.
    """
    target, found = ("".join(text.split()).lower() for text in (wanted, read))
    if target in found:
        return 1.0
    return 1 - min(edit_distance(found, target), len(target)) / len(target)


def edit_distance(first: str, second: str) -> int:
    """Least number of letters to insert, leave out or replace to make one of the other."""
    before = list(range(len(second) + 1))
    for at, letter in enumerate(first, 1):
        row = [at]
        for place, other in enumerate(second):
            row.append(
                min(before[place + 1] + 1, row[place] + 1, before[place] + (letter != other))
            )
        before = row
    return before[-1]


class Ocr(Judge):
    """The text of the whole image is read at once, greedily, and compared by :func:`text_likeness`.

    An image is resized to the square that the model takes, whatever its ratio, as its own processor
    does. Of a verdict ``score`` is the likeness, and ``correct`` whether it is 1.

    Args:
        checkpoint: folder or repository of a GOT-OCR 2.0 in transformers' layout.
        revision: its commit.
        device: where it runs.
        dtype: of its weights.
        max_tokens: that are read of an image, at most.

    Raises:
        RewardError: it is another model, has weights that are missing or belong to nothing, or an
            option is out of its range.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="GOT-OCR 2.0 reads the image: how near it is to the text in quotes",
        score_range="0 … 1",
        checkpoint="stepfun-ai/GOT-OCR-2.0-hf",
        files=(
            "config.json",
            "generation_config.json|",
            "model.safetensors",
            "*processor_config.json",
            "tokenizer*",
            "special_tokens_map.json|",
        ),
        licence="Apache-2.0",
        paper="2409.01704",
        text_limit="none: only the text in quotes is compared",
        verified="what is read against transformers' own generation with random weights, likeness "
        "against a definition by brute force (tests/score/judges/test_ocr.py)",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        max_tokens: int = 256,
    ) -> None:
        from transformers import AutoModelForImageTextToText

        if not isinstance(max_tokens, int) or not 1 <= max_tokens <= 4096:
            raise RewardError(
                f"ocr: max_tokens is {max_tokens!r}, expected 1 … 4096", hint="256 is the default"
            )
        model = open_pretrained(AutoModelForImageTextToText, checkpoint, revision, as_dtype(dtype))
        if model.config.model_type != _ARCHITECTURE:
            raise RewardError(
                f"{checkpoint} is of the kind {model.config.model_type}, and ocr reads with "
                "GOT-OCR 2.0 alone",
                hint="leave `checkpoint` out, or name a copy of stepfun-ai/GOT-OCR-2.0-hf",
            )
        self._model, self._max_tokens = model.to(device), max_tokens
        processor = load_processor(checkpoint, revision)
        self._images, self._words = processor.image_processor, processor.tokenizer
        vision = model.config.vision_config
        # Two convolutions of stride 2 follow the patches.
        tokens = (vision.image_size // vision.patch_size // 4) ** 2
        asked = processor(images=[new("RGB", (8, 8))], num_image_tokens=tokens, return_tensors="pt")
        self._asked: Tensor = asked["input_ids"]
        self._end = self._words.convert_tokens_to_ids(_END)
        self.preprocessing: Hashable = ("got-ocr", self._images.to_json_string())

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse a prompt that asks for no text.

        Raises:
            EvaluationError: the caller names the prompt.
        """
        if quoted_text(requirement.prompt) is None:
            raise EvaluationError(
                "it has no text in quotes, and ocr looks for that",
                hint='write it between double quotes: a sign that says "OPEN"',
            )

    def pixels(self, image: Image) -> Tensor:
        """The image as the model's own processor makes it ready, by Pillow."""
        found: Tensor = self._images(images=[image], return_tensors="pt")["pixel_values"][0]
        return found

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Tensor]) -> list[Verdict]:
        """The verdicts on n images; the one part has what was read as its answer.

        Raises:
            ValueError: a prompt has no text in quotes.
        """
        if not requirements:
            return []
        wanted = [quoted_text(one.prompt) for one in requirements]
        if None in wanted:
            raise ValueError("the prompt has no text in quotes")
        return [
            _verdict(str(text), read) for text, read in zip(wanted, self._read(pixels), strict=True)
        ]

    def canary(self) -> Requirement:
        """Words that a grey image does not show."""
        return Requirement('a sign that says "QUICK BROWN FOX"')

    def _read(self, pixels: Sequence[Tensor]) -> list[str]:
        import torch

        device, number = self._model.device, len(pixels)
        asked = self._asked.expand(number, -1).to(device)
        with torch.inference_mode():
            given = self._model.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                pixel_values=torch.stack(list(pixels)).to(device, self._model.dtype),
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._max_tokens,
                eos_token_id=self._end,
                pad_token_id=self._end,
            )
        texts: Any = self._words.batch_decode(given[:, asked.shape[1] :], skip_special_tokens=True)
        return [str(text) for text in texts]


def _verdict(wanted: str, read: str) -> Verdict:
    score = text_likeness(wanted, read)
    part = VerdictPart("text", wanted, read, None, score == 1)
    return Verdict(score == 1, score, (part,), "" if score == 1 else f"{read!r:.200} was read")

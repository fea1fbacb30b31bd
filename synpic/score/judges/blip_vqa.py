"""The judge ``blip_vqa``: of each noun phrase of a prompt, how likely BLIP says that it is there.

The attribute half of T2I-CompBench (color, shape, texture), Huang et al., "T2I-CompBench" (arXiv
2307.06350); as ``BLIPvqa_eval/`` of github.com/Karine-Huang/T2I-CompBench at 1b70949 computes it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import EvaluationError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.phrases import MOST_PHRASES, noun_phrases
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import Companion, RewardInfo
from synpic.score.towers.blip import TOKENIZER, blip_tokenizer
from synpic.score.towers.blip_vqa import AUTHORS_FILE, TEXT, VISION, BlipAnswers
from synpic.score.towers.clip_pixels import SquarePixels
from synpic.score.weights import as_dtype

if TYPE_CHECKING:  # `synpic list judges` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["BlipVqa", "phrases_of", "question_about"]

_TAKEN_OUT = str.maketrans("", "", '.!"()*#:;~')

_MOST_WORDS = 50


def phrases_of(requirement: Requirement) -> list[str]:
    """What is asked about: ``phrases`` of the specification, else the noun phrases of the prompt.

    At most eight; upstream leaves out the others too.

    Raises:
        EvaluationError: ``phrases`` is no list of texts, or there is none.
    """
    given = requirement.spec.get("phrases")
    if given is None:
        found = noun_phrases(requirement.prompt)
        if not found:
            raise EvaluationError(
                f"{requirement.prompt!r}: no noun phrase is found in it",
                hint='give the suite\'s item "phrases": a list of what to ask about',
            )
        return found
    texts = isinstance(given, list) and all(isinstance(one, str) and one.strip() for one in given)
    if not texts or not given:
        raise EvaluationError(
            f"{requirement.prompt!r}: phrases is {given!r}, a list of texts expected",
            hint='such as ["a red apple", "a green leaf"]; without it they are found by rule',
        )
    return list(given[:MOST_PHRASES])


def question_about(phrase: str) -> str:
    """What BLIP is asked: the phrase and ``?`` in lower case, without ``.!"()*#:;~``.

    Source: ``pre_question`` of ``BLIPvqa_eval/data/utils.py``.
    """
    text = f"{phrase}?".lower().translate(_TAKEN_OUT).rstrip(" ")
    return " ".join(text.split(" ")[:_MOST_WORDS])


class BlipVqa(Judge):
    """The product of P(yes) / (P(yes) + P(no)) over the noun phrases of a prompt.

    Each is rounded to four decimals, and so is the product, as upstream writes them into files. A
    verdict has a score and is neither correct nor not.

    The image is resized to 480 × 480, whatever its ratio. The exact weights are the authors' file,
    ``model_base_vqa_capfilt_large.pth``, in a folder. Of it, transformers' own conversion script
    made a model for images of 384 × 384, whose positions are resized. Here they are resized back,
    so that the numbers of such a conversion are near upstream's and not equal.

    Args:
        checkpoint: folder or repository in transformers' layout, or with the authors' file.
        revision: its commit.
        device: where it runs.
        tokenizer: folder or repository of BERT's tokenizer; BLIP's two tokens are added here.
        tokenizer_revision: its commit.
        dtype: of the network; the answer's probability is computed in float32 in any case.

    Raises:
        RewardError: weights are missing, or belong to nothing; or the tokenizer is another's.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="BLIP-VQA of each noun phrase: T2I-CompBench's color, shape and texture",
        score_range="0 … 1",
        checkpoint="Salesforce/blip-vqa-capfilt-large",
        files=("config.json|", f"model.safetensors|pytorch_model.bin|{AUTHORS_FILE}"),
        companions={"tokenizer": Companion(TOKENIZER, ("tokenizer*", "vocab.txt"))},
        licence="BSD-3-Clause (BLIP); MIT (T2I-CompBench)",
        paper="2307.06350",
        text_limit="8 phrases, each of 35 tokens of BERT; what is longer is cut off",
        verified="against upstream's own code in small, with random weights "
        "(tests/score/judges/test_blip_vqa.py)",
    )

    _vision: ClassVar[Mapping[str, Any]] = VISION
    _text: ClassVar[Mapping[str, Any]] = TEXT
    """Sizes; tests name smaller ones."""

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        tokenizer: str,
        tokenizer_revision: str | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        kind = as_dtype(dtype)
        words = blip_tokenizer(tokenizer, tokenizer_revision, self._text["vocab_size"])
        self._blip = BlipAnswers(
            checkpoint, revision, words, self._vision, self._text, device, kind
        )
        self._pixels = SquarePixels(self._vision["image_size"])
        self.preprocessing: Hashable = self._pixels.preprocessing

    @staticmethod
    def check(requirement: Requirement) -> None:
        """See :func:`phrases_of`."""
        phrases_of(requirement)

    def pixels(self, image: Image) -> Tensor:
        """As BLIP's test images are made: a square, whatever the ratio of the sides."""
        return self._pixels(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Tensor]) -> list[Verdict]:
        """A part for each phrase; ``probability`` is that of yes."""
        import torch

        if not requirements:
            return []
        asked = [
            (number, question_about(phrase))
            for number, one in enumerate(requirements)
            for phrase in phrases_of(one)
        ]
        features = self._blip.see(torch.stack(list(pixels)))
        found = self._blip.yes(
            [text for _, text in asked], features, [number for number, _ in asked]
        )
        parts: list[list[tuple[str, float]]] = [[] for _ in requirements]
        for (number, text), probability in zip(asked, found, strict=True):
            parts[number].append((text, round(probability, 4)))
        return [_verdict(one) for one in parts]

    def canary(self) -> Requirement:
        """Two things that a grey image does not show."""
        return Requirement("a red apple and a green leaf")


def _verdict(found: Sequence[tuple[str, float]]) -> Verdict:
    parts = tuple(
        VerdictPart(f"phrase {at}", text, "yes" if yes > 0.5 else "no", yes, yes > 0.5)
        for at, (text, yes) in enumerate(found)
    )
    reasons = [f"{one.question} {one.probability:.2f}" for one in parts if not one.correct]
    return Verdict(None, round(math.prod(yes for _, yes in found), 4), parts, "; ".join(reasons))

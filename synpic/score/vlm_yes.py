"""The reward ``vlm_yes``: a vision-language model is asked whether the image shows the prompt.

The score is how much likelier it is to say yes than no. It is the idea of VQAScore (Lin et al.,
arXiv 2404.01291) with any model that transformers opens; t2v_metrics 3.1
(github.com/linzhiqiu/t2v_metrics) asks so, and takes the probability of "Yes".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.lineage import Lineage
from synpic.score.reward import RewardInfo
from synpic.score.templates import check_template
from synpic.score.two_stage import TwoStageReward
from synpic.score.vlm.answers import check_spellings, refuse_shared
from synpic.score.vlm.canary import NOT_THERE, grey_image, report_affirmation
from synpic.score.vlm.fitting import check_pixels
from synpic.score.weights import as_dtype

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["NO", "QUESTION", "YES", "VlmYes", "check_options"]

QUESTION = 'Does this figure show "{}"? Please answer Yes or No.'
"""That of t2v_metrics; ``{}`` stands for the prompt."""

YES, NO = ("Yes", " Yes", "yes", " yes"), ("No", " No", "no", " no")
"""Spellings of the two answers."""

_WHY = "an answer counts for the image or against it"

MEASURES = ("log-odds", "probability")


class VlmYes(TwoStageReward):
    """ln P(yes) − ln P(no), where P sums over the spellings of an answer.

    The logarithm of the odds tells images apart where the probability of "Yes" is 1 to all digits
    of float32. Probabilities are of the first answer after the chat template's own beginning of an
    answer; of a spelling of several tokens they are multiplied.

    Args:
        checkpoint: folder or repository of any model that ``AutoModelForImageTextToText`` opens,
            with its processor and chat template.
        revision: its commit.
        device: where it runs.
        dtype: of its weights: "float32", "bfloat16" or "float16".
        question: what is asked; ``{}`` stands for the prompt.
        yes: spellings of the answer that counts for the image.
        no: spellings of the answer that counts against it.
        measure: "log-odds"; or "probability", P(yes) among all tokens, as t2v_metrics has it.
        max_pixels: larger images are made smaller, bicubic, before the model's own processor.

    Raises:
        RewardError: an option is out of its range, a yes is a no, or the model cannot be asked.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="any vision-language model: how much likelier it says yes than no",
        score_range="-∞ … ∞ (log-odds), or 0 … 1 (probability)",
        checkpoint="Qwen/Qwen3-VL-8B-Instruct",
        files=(
            "config.json",
            "generation_config.json|",
            "model*.safetensors*|pytorch_model*.bin*",
            "tokenizer*",
            "vocab*|",
            "merges*|",
            "*processor_config.json",
            "chat_template*|",
        ),
        licence="Apache-2.0 (Qwen3-VL-8B-Instruct)",
        paper="2404.01291",
        text_limit="the model's context; nothing is cut off",
        verified="against t2v_metrics 3.1's own class on three architectures, at a reduced size, "
        "with random weights in float32 (tests/score/test_vlm_yes.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        None, None, "conversations about pictures; no preferences of pictures"
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        question: str = QUESTION,
        yes: Sequence[str] = YES,
        no: Sequence[str] = NO,
        measure: str = "log-odds",
        max_pixels: int = 1 << 20,
    ) -> None:
        from synpic.score.vlm.local import open_local

        check_template("vlm_yes", "question", question, of_prompt=True)
        check_options("vlm_yes", measure, max_pixels, yes=yes, no=no)
        self._question, self._measure = question, measure
        self._checkpoint, self._asked = checkpoint, False
        self._vlm = open_local(checkpoint, revision, device, as_dtype(dtype), max_pixels)
        self.preprocessing: Hashable = self._vlm.preprocessing
        self._yes, self._no = self._vlm.spellings(yes), self._vlm.spellings(no)
        refuse_shared("vlm_yes", _WHY, yes=self._yes, no=self._no)

    def pixels(self, image: Image) -> Image:
        """The image in at most ``max_pixels``."""
        return self._vlm.fit(image)

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any sizes."""
        return list(pixels)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Log-odds, or probabilities, of n prompts and n images."""
        if not self._asked:
            self._asked = True
            # In a batch of its own, so that no score depends on it.
            (score,) = self._scores([NOT_THERE], [self.pixels(grey_image())])
            if score > (0.5 if self._measure == "probability" else 0):
                report_affirmation("vlm_yes", self._checkpoint)
        return self._scores(prompts, pixels)

    def _scores(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        chats = self._vlm.chats(prompts, self._question)
        found = self._vlm.log_probabilities(chats, pixels, [*self._yes, *self._no])
        for_it = found[:, : len(self._yes)].logsumexp(dim=1)
        if self._measure == "probability":
            return _listed(for_it.exp())
        return _listed(for_it - found[:, len(self._yes) :].logsumexp(dim=1))


def _listed(scores: Tensor) -> list[float]:
    listed: list[float] = scores.tolist()
    return listed


def check_options(
    reward: str, measure: str, max_pixels: int, *, yes: Sequence[str], no: Sequence[str]
) -> None:
    """Refuse options that mean nothing.

    Args:
        reward: for the message.

    Raises:
        RewardError: naming the option.
    """
    if measure not in MEASURES:
        raise RewardError(
            f"{reward}: measure is {measure!r}, expected {' or '.join(map(repr, MEASURES))}",
            hint='"log-odds" is the default',
        )
    check_pixels(reward, max_pixels)
    check_spellings(reward, _WHY, yes=yes, no=no)

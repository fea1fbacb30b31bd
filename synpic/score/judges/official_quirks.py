"""Faults of suites' own programs that decide their published numbers, for comparison with those.

None of them is on unless it is asked for. What such a program does with files (a first row that it
drops, names that it cuts) is the business of who reads the suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from synpic.score.judges.expected_answers import QuestionReply
from synpic.score.judges.questions import ImageQuestion
from synpic.score.judges.verdict import VerdictPart

__all__ = ["QUIRKS", "Quirk", "Quirks", "exactly", "last_image_categories"]

Quirks = Literal["none", "official"]


@dataclass(frozen=True)
class Quirk:
    """One of them.

    Args:
        rules: that it concerns.
        what: a sentence.
        source: repository and lines.
    """

    rules: tuple[str, ...]
    what: str
    source: str


QUIRKS = (
    Quirk(
        ("dpg",),
        "only the text `yes` counts: `Yes`, ` yes` and `yes.` are wrong",
        "TencentQQGYLab/ELLA@3c228f1 dpg_bench/compute_dpg_bench.py, `answer == 'yes'`",
    ),
    Quirk(
        ("dsg",),
        "only the text of the expected answer counts, letter for letter",
        "j-min/DSG@7330119 dsg/vqa_utils.py, `answer == gt_answer`",
    ),
    Quirk(
        ("dpg",),
        "a category is counted over the last image of each prompt alone, without dependencies",
        "TencentQQGYLab/ELLA@3c228f1 dpg_bench/compute_dpg_bench.py:138, 208-211",
    ),
    Quirk(
        ("soft-tifa-am", "soft-tifa-gm"),
        "the first token of a spelling counts, also where the spelling has several: for a model "
        "that reads ` 4` as two tokens it adds the probability of a space; a first token that two "
        "spellings share counts twice",
        "facebookresearch/GenEval2@a6e82d2 evaluation.py, `tokenizer.encode(answer)[0]`",
    ),
)
"""Those of judging and counting that ``quirks = "official"`` turns on."""


def exactly(question: ImageQuestion, reply: QuestionReply) -> QuestionReply:
    """``reply`` as DPG-Bench and DSG count it: right where its text is the answer's, to the letter.

    Its answer is the text as the model wrote it.
    """
    right = reply.text == question.answer
    return QuestionReply(reply.text, reply.text, reply.probability, right)


def last_image_categories(
    questions: Sequence[ImageQuestion], images: Sequence[Sequence[VerdictPart]]
) -> list[bool]:
    """What DPG-Bench counts by category of one prompt: of the last image, without dependencies.

    Args:
        images: the parts of each, in the order in which they were drawn.

    Returns:
        Of each question, whether its own answer is right; of none without an image.
    """
    if not images:
        return []
    answers = {part.id: part.answer for part in images[-1]}
    return [answers[one.id] == one.answer for one in questions]

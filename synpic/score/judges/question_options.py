"""How a judge asks the questions of an image, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from synpic.errors import RewardError
from synpic.score.judges.expected_answers import (
    MEASURES,
    ExpectedAnswer,
    Measure,
    QuestionReply,
    expected_answer,
)
from synpic.score.judges.official_quirks import Quirks, exactly
from synpic.score.judges.question_rules import RULES, Rule, question_verdict
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.questions import ImageQuestion
from synpic.score.judges.verdict import Verdict
from synpic.score.templates import check_template
from synpic.score.vlm.answers import check_spellings
from synpic.score.vlm.canary import NOT_THERE
from synpic.score.vlm.fitting import check_pixels

__all__ = ["CANARY", "QUESTION", "AskedImages", "QuestionOptions"]

QUESTION = "{} Answer in one word."
"""That of GenEval 2; ``{}`` stands for a question of the suite."""

CANARY = {"questions": [{"id": "canary", "text": f"Does this image show {NOT_THERE}?"}]}
"""What no grey image shows."""

WHY = "an answer is yes or no"


@dataclass(frozen=True)
class AskedImages:
    """The questions about several images, side by side.

    Args:
        of_image: those of each image.
    """

    of_image: Sequence[Sequence[ImageQuestion]]

    @classmethod
    def of(cls, specs: Sequence[Any]) -> AskedImages:
        """What the specifications of images ask.

        Raises:
            EvaluationError: as :func:`synpic.score.judges.question_spec.questions_of`.
        """
        return cls([questions_of(spec) for spec in specs])

    @property
    def flat(self) -> list[ImageQuestion]:
        """All of them, image by image."""
        return [one for asked in self.of_image for one in asked]

    def beside(self, pixels: Sequence[Any]) -> list[Any]:
        """The image of each question of :attr:`flat`: the same object for all of one image."""
        pairs = zip(self.of_image, pixels, strict=True)
        return [image for asked, image in pairs for _ in asked]


@dataclass(frozen=True)
class QuestionOptions:
    """What the options of a judge mean.

    Args:
        template: what is asked; ``{}`` stands for a question.
        rule: what makes a verdict of the answers.
        measure: the probability of an answer.
        yes, no: spellings of these answers.
        quirks: "official" counts as the suite's own program does, faults included.
    """

    template: str
    rule: Rule
    measure: Measure
    yes: tuple[str, ...]
    no: tuple[str, ...]
    quirks: Quirks

    @classmethod
    def of(
        cls,
        judge: str,
        template: str,
        rule: str,
        measure: str | None,
        answers: tuple[Sequence[str], Sequence[str]],
        quirks: str,
        max_pixels: int,
    ) -> QuestionOptions:
        """The options of the judge called ``judge``.

        Args:
            measure: that of the rule's suite if None: "probability" of Soft-TIFA, else "yes-or-no".
            answers: spellings of yes and of no.

        Raises:
            RewardError: one is out of its range.
        """
        check_template(judge, "question", template, of_prompt=True)
        check_spellings(judge, WHY, yes=answers[0], no=answers[1])
        check_pixels(judge, max_pixels)
        found_rule: Rule = _one_of(judge, "rule", rule, RULES)
        soft = found_rule.startswith("soft-tifa")
        if measure is None:
            measure = "probability" if soft else "yes-or-no"
        return cls(
            template,
            found_rule,
            _one_of(judge, "measure", measure, MEASURES),
            tuple(answers[0]),
            tuple(answers[1]),
            _one_of(judge, "quirks", quirks, get_args(Quirks)),
        )

    @property
    def first_tokens(self) -> bool:
        """Whether the first token of a spelling counts, however many it has."""
        return self.quirks == "official" and self.rule.startswith("soft-tifa")

    def expected(self, question: ImageQuestion) -> ExpectedAnswer:
        """How the right answer to ``question`` may be written."""
        return expected_answer(question.answer, self.yes, self.no)

    def verdicts(self, asked: AskedImages, replies: Sequence[QuestionReply]) -> list[Verdict]:
        """The verdict on each image.

        Args:
            replies: one for each question of ``asked.flat``.
        """
        left = iter(replies)
        return [
            question_verdict(
                questions, {one.id: self._counted(one, next(left)) for one in questions}, self.rule
            )
            for questions in asked.of_image
        ]

    def _counted(self, question: ImageQuestion, reply: QuestionReply) -> QuestionReply:
        to_the_letter = self.quirks == "official" and self.rule in ("dpg", "dsg")
        return exactly(question, reply) if to_the_letter else reply


def _one_of(judge: str, option: str, value: Any, known: Sequence[Any]) -> Any:
    if value not in known:
        raise RewardError(
            f"{judge}: {option} is {value!r}, expected one of {', '.join(map(repr, known))}",
            hint="see docs/question_judges.md",
        )
    return value

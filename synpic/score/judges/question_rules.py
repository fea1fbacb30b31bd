"""Rules by which the answers to an image's questions become a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from synpic.score.judges.expected_answers import QuestionReply
from synpic.score.judges.questions import (
    ImageQuestion,
    arithmetic_mean,
    cascaded,
    gated,
    geometric_mean,
)
from synpic.score.judges.verdict import Verdict, VerdictPart

__all__ = ["RULES", "Rule", "question_verdict"]

Rule = Literal["dpg", "dsg", "soft-tifa-am", "soft-tifa-gm", "all"]

RULES: tuple[Rule, ...] = get_args(Rule)


def question_verdict(
    questions: Sequence[ImageQuestion], replies: Mapping[str, QuestionReply], rule: Rule
) -> Verdict:
    """What the replies make of an image.

    ==================  ===========================  ======================  ====================
    rule                a part is correct            score                   correct
    ==================  ===========================  ======================  ====================
    dpg                 right, no parent failed yet  share of correct parts  all of them are
    dsg                 right, parents right too     share of correct parts  all of them are
    soft-tifa-am, -gm   if its answer is right       mean of probabilities   None: scores alone
    all                 if its answer is right       None                    all of them are
    ==================  ===========================  ======================  ====================

    Args:
        questions: in the suite's order, checked.
        replies: of each, by its id.
        rule: the mean of ``soft-tifa-am`` is arithmetic, that of ``soft-tifa-gm`` geometric; both
            leave dependencies aside, as does ``all``.
    """
    right = {one.id: replies[one.id].right for one in questions}
    if rule == "dpg":
        counted = cascaded(questions, right)
    elif rule == "dsg":
        counted = gated(questions, right)
    else:
        counted = [right[one.id] for one in questions]
    parts = tuple(
        VerdictPart(
            one.id, one.text, replies[one.id].answer, replies[one.id].probability, is_correct
        )
        for one, is_correct in zip(questions, counted, strict=True)
    )
    probabilities = [replies[one.id].probability for one in questions]
    score: float | None = None
    if rule in ("dpg", "dsg"):
        score = sum(counted) / len(counted)
    elif rule != "all":
        mean = arithmetic_mean if rule == "soft-tifa-am" else geometric_mean
        score = mean(probabilities)
    correct = None if rule.startswith("soft-tifa") else all(counted)
    return Verdict(correct, score, parts, _reason(questions, replies, parts))


def _reason(
    questions: Sequence[ImageQuestion],
    replies: Mapping[str, QuestionReply],
    parts: Sequence[VerdictPart],
) -> str:
    failed = {part.id for part in parts if not part.correct}
    texts = {one.id: one.text for one in questions}
    found = []
    for one in questions:
        reply = replies[one.id]
        if one.id not in failed:
            continue
        if reply.right:
            at_fault = [parent for parent in one.parents if parent in failed]
            # One whose own answer is wrong says more than one that failed with another.
            parent = min(at_fault, key=lambda parent: replies[parent].right)
            found.append(f"{one.text} {reply.answer}, but it depends on: {texts[parent]}")
        elif one.answer.strip().casefold() in ("yes", "no"):
            found.append(f"{one.text} {reply.answer}")
        else:
            found.append(f"{one.text} {reply.answer}, not {one.answer}")
    return "; ".join(found)

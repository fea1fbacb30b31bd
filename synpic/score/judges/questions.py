"""Scores of an image from the answers to questions that depend on each other.

A question that asks about something depends on the question whether it is there: of no dog, no
colour is right. Suites differ in what a question whose parent failed counts for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from synpic.prompts.suites.questions import ImageQuestion, check_questions

__all__ = [
    "ImageQuestion",
    "arithmetic_mean",
    "cascaded",
    "check_questions",
    "gated",
    "geometric_mean",
]


def cascaded(questions: Sequence[ImageQuestion], answers: Mapping[str, bool]) -> list[bool]:
    """DPG-Bench's rule: a question fails with a parent that failed by now, in the file's order.

    Args:
        answers: of each question, whether the answer is right.

    Source: github.com/TencentQQGYLab/ELLA at 3c228f1, ``dpg_bench/compute_dpg_bench.py``; Hu et
    al., "ELLA" (arXiv 2403.05135).
    """
    now = dict(answers)
    for one in questions:
        if not all(now[parent] for parent in one.parents):
            now[one.id] = False
    return [now[one.id] for one in questions]


def gated(questions: Sequence[ImageQuestion], answers: Mapping[str, bool]) -> list[bool]:
    """DSG's rule: a question fails with a parent whose own answer is wrong, wherever that stands.

    Args:
        answers: of each question, whether the answer is right.

    Source: github.com/j-min/DSG at 7330119, ``dsg/vqa_utils.py``; Cho et al., "Davidsonian Scene
    Graph" (arXiv 2310.18235).
    """
    return [answers[one.id] and all(answers[parent] for parent in one.parents) for one in questions]


def arithmetic_mean(probabilities: Sequence[float]) -> float:
    """How many of the atoms are right, softly: Soft-TIFA's AM of GenEval 2 (arXiv 2512.16853).

    Args:
        probabilities: of each atom's right answer, 0 … 1; at least one.
    """
    return math.fsum(probabilities) / len(probabilities)


def geometric_mean(probabilities: Sequence[float]) -> float:
    """Whether all of the atoms are right, softly: Soft-TIFA's GM; 0 where one is 0.

    Args:
        probabilities: of each atom's right answer, 0 … 1; at least one.
    """
    if min(probabilities) <= 0:
        return 0.0
    return math.exp(math.fsum(math.log(one) for one in probabilities) / len(probabilities))

"""Question graphs, written as the worked table of DPG-Bench and DSG has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synpic.score.judges.expected_answers import QuestionReply
from synpic.score.judges.questions import ImageQuestion

__all__ = ["FIRST", "WORKED", "graph", "replies"]


def graph(text: str) -> list[ImageQuestion]:
    """``1:0 2:1``: question 1 depends on none, question 2 on 1."""
    rows = (row.split(":") for row in text.split())
    return [
        ImageQuestion(name, f"{name}?", tuple(one for one in parents.split(",") if one != "0"))
        for name, parents in rows
    ]


def replies(questions: Sequence[ImageQuestion], answers: str) -> Mapping[str, QuestionReply]:
    """``yn``: yes to the first question, no to the second."""
    return {
        one.id: QuestionReply(
            {"y": "yes", "n": "no"}[answer], answer, {"y": 0.75, "n": 0.25}[answer], answer == "y"
        )
        for one, answer in zip(questions, answers, strict=True)
    }


FIRST = graph("1:0 2:1 3:0 4:1,3")

WORKED = [
    (FIRST, "yyyy", 1, 1),
    (FIRST, "nyyy", 1 / 4, 1 / 4),
    (graph("1:0 2:1 3:2"), "nyy", 0, 1 / 3),
    (graph("1:2 2:3 3:0"), "yyn", 1 / 3, 1 / 3),
    (FIRST, "ynny", 1 / 4, 1 / 4),
    (FIRST, "nnyn", 1 / 4, 1 / 4),
]
"""Questions, answers, DPG-Bench's score, DSG's: computed by these suites' own functions."""

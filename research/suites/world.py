"""A suite with exact truth: the items of ``shapes``, each with questions and noun phrases."""

from __future__ import annotations

from dataclasses import replace

from research.suites.asked import noun_phrases, question_graph
from synpic.prompts.suites import Suite, SuiteContent, SuiteData
from synpic.shapes.meaning import parse
from synpic.shapes.suite import SHAPES

__all__ = ["ASKED"]

_QUESTIONS = "research.suites.judges:SceneQuestions"


def _items(data: SuiteData) -> SuiteContent:
    found = []
    for item in SHAPES.read(data).items:
        meaning = parse(item.prompt)
        more = {**question_graph(meaning), "phrases": noun_phrases(meaning)}
        found.append(replace(item, spec={**item.spec, **more}))
    return SuiteContent(found)


ASKED = Suite(
    "world",
    "items of shapes, with questions and noun phrases",
    _items,
    origin=SHAPES.origin,
    judges={_QUESTIONS: {"rule": "dpg"}, "research.suites.judges:ScenePhrases": {}},
    aggregated="prompts",
    protocol=SHAPES.protocol,
)

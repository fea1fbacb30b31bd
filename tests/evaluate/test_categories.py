"""Categories of a suite's questions in an evaluation, on scenes whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.suites.world import ASKED
from synpic.errors import EvaluationError
from synpic.evaluate.asked_suite import AskedSuite
from synpic.evaluate.question_scores import AnsweredItem, question_scores
from synpic.pipeline.inventory import take_inventory
from synpic.prompts.suites import SuiteData
from synpic.prompts.suites.selection import chosen
from synpic.score.judges.official_quirks import QUIRKS, Quirks
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.verdict import VerdictPart
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image
from synpic.workspace import Workspace
from synpic.workspace.evaluations import read_evaluation
from tests.cli.conftest import in_process

ITEMS = chosen(ASKED.read(SuiteData()).items, None, 18, "world")
LISTED = replace(ASKED, quirks=("a row of its list is dropped",))
SUITE = f"{__name__}:LISTED"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each item: of ``tuned`` both right; of ``base`` the first is another's, and of
    every third item the second too."""
    folder, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(3)
    texts = [one.prompt for one in ITEMS]
    for at, item in enumerate(ITEMS):
        other = texts[at - 1]
        for model, shown in (
            ("tuned", (item.prompt, item.prompt)),
            ("base", (other, other if at % 3 == 0 else item.prompt)),
        ):
            (folder / model).mkdir(exist_ok=True)
            for nth, text in enumerate(shown):
                image = to_image(illustrate(parse(text), rng))
                image.save(folder / model / f"{item.prompt}_{nth:06}.png")
    return folder


def evaluated(drawn: Path, into: Path, *words: object) -> str:
    images = [word for name in ("base", "tuned") for word in ("--images", f"{name}={drawn / name}")]
    asked = ("--suite", SUITE, "--limit", len(ITEMS), "--into", into, "--to", into / "report")
    ended = in_process("eval", *images, *asked, *words)
    assert ended.exit_code == 0, ended.output
    return ended.output


def counted(into: Path, model: str, quirks: Quirks) -> Any:
    """By the pure function, from the verdicts that the workspace has."""
    inventory = take_inventory(Workspace.open(into))
    of_prompt: dict[str, list[Any]] = {}
    (judge,) = inventory.judges
    rows = inventory.verdicts(judge.name).filter(model=model)
    for row in rows.iter_rows(named=True):
        parts = [VerdictPart(**part) for part in row["parts"]]
        of_prompt.setdefault(row["prompt_id"], []).append(parts)
    items = [
        AnsweredItem(questions_of(json.loads(inventory.suite.of(prompt).spec)), images)
        for prompt, images in of_prompt.items()
    ]
    return question_scores(items, "dpg", quirks)


@pytest.mark.parametrize("quirks", ["none", "official"])
def test_categories_are_those_of_the_pure_function(
    drawn: Path, tmp_path: Path, quirks: Quirks
) -> None:
    output = evaluated(
        drawn, tmp_path / "set", *(["--quirks", quirks] if quirks == "official" else [])
    )
    recorded = read_evaluation(tmp_path / "set")
    (measure,) = recorded.measures
    for model in ("base", "tuned"):
        found = {one.category: one for one in measure.categories if one.model == model}
        expected = counted(tmp_path / "set", model, quirks)
        assert {name: (one.mean.value, one.mean.n) for name, one in found.items()} == {
            name: (pytest.approx(one.value), one.n)
            for name, one in {**expected.categories, **expected.broad}.items()
        }
    of = {(one.model, one.category): one for one in measure.categories}
    for (model, category), one in of.items():
        if model == "base":
            assert one.difference is None
            continue
        assert one.difference is not None
        change = one.mean.value - of["base", category].mean.value
        assert one.difference.value == pytest.approx(change)
    # Where the last image alone counts, base is right in two items of three.
    entity = of["base", "entity"]
    assert (entity.mean.value > 0.6) is (quirks == "official")
    assert entity.mean.low < entity.mean.value < entity.mean.high
    assert entity.mean.clusters == 18
    # A terminal has the broad ones; the page has their parts too.
    page = (tmp_path / "set/report/report.md").read_text("utf-8")
    assert "\n## Categories\n" in page
    assert "| attribute \\- color |" in page or "| attribute - color |" in page
    assert "entity " in output
    assert "entity - whole" not in output
    named = [*LISTED.quirks, *(one.what for one in QUIRKS if "dpg" in one.rules)]
    assert all((one in output) is (quirks == "official") for one in named)
    assert len(measure.notes) == (2 if quirks == "official" else 0)
    assert recorded.suite is not None
    assert recorded.suite.quirks == (
        ["a row of its list is dropped"] if quirks == "official" else []
    )


def test_a_judge_that_answers_other_questions_has_no_categories(
    drawn: Path, tmp_path: Path
) -> None:
    """Its parts may have the same ids."""
    evaluated(drawn, tmp_path / "set", "--judge", "research.suites.judges:ScenePhrases")
    (measure,) = read_evaluation(tmp_path / "set").measures
    assert measure.categories == []


def test_quirks_are_of_lists_or_judges_that_have_some() -> None:
    both = AskedSuite.of("dpg", None, None, None, "official")
    assert (both.quirks, both.judges) == (
        "official",
        {"vlm_questions": {"rule": "dpg", "quirks": "official"}},
    )
    # GenEval 2's lists have no fault.
    judged = AskedSuite.of("geneval2", None, None, None, "official")
    assert (judged.quirks, judged.judges["vlm_questions"]["quirks"]) == (None, "official")
    with pytest.raises(
        EvaluationError, match="knows of no fault in the official program of shapes"
    ):
        AskedSuite.of("shapes", None, None, None, "official")

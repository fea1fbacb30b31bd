"""A study's report as one HTML file: win rates, raters and rewards, each with its interval drawn.

The file loads nothing and runs nothing. Its styles are in it, and its content security policy lets
in those alone. Equal votes make equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic.errors import SynpicError
from synpic.evaluate.agree import PeopleAgreement, agree_on
from synpic.evaluate.intervals import Estimate
from synpic.readers.display import count
from synpic.study.definition import Study
from synpic.study.exchange.labels import source_labels
from synpic.study.raters import RaterRule
from synpic.study.report import QuestionReport, StudyReport
from synpic.web.pages import read_asset, render
from synpic.workspace import Workspace

__all__ = ["Chart", "ChartRow", "judges_of", "report_page"]

WIDTH = 480
"""Of a picture, in its own units, from the least to the greatest value of its chart."""

_EDGE = 10


@dataclass(frozen=True)
class ChartRow:
    """An estimate of a chart.

    Args:
        label: what it is of.
        estimate: its value may be None.
        note: how many observations.
    """

    label: str
    estimate: Estimate
    note: str


@dataclass(frozen=True)
class Chart:
    """Estimates on one scale.

    Args:
        title: what they say.
        about: how to read it.
        rows: one or more.
        least: of the scale; its greatest value is 1.
        mark: a value that all are compared with: ½, or 0.
    """

    title: str
    about: str
    rows: Sequence[ChartRow]
    least: float = 0.0
    mark: float = 0.5

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts of the scale."""
        steps = 4 if self.least == 0 else round((1 - self.least) / 0.5)
        values = [self.least + (1 - self.least) * step / steps for step in range(steps + 1)]
        return [(self.at(value), f"{value:g}".replace("-", "−")) for value in values]

    def at(self, value: float) -> float:
        """Where ``value`` lies, in units of the picture; beyond an end, at the end."""
        share = (min(1.0, max(self.least, value)) - self.least) / (1 - self.least)
        return round(_EDGE + share * (WIDTH - 2 * _EDGE), 1)

    def drawn(self, row: ChartRow) -> dict[str, Any]:
        """What the template needs of a row: the ends of its interval, and its value."""
        one = row.estimate
        interval = [end for end in (one.low, one.high) if end is not None]
        return {
            "label": row.label,
            "note": row.note,
            "ends": [self.at(end) for end in interval],
            "value": None if one.value is None else self.at(one.value),
            "text": str(one) or "none",
        }


def judges_of(
    workspace: Workspace, study: Study, votes: pl.DataFrame, rule: RaterRule
) -> PeopleAgreement | str:
    """How far the rewards of a workspace agree with the raters of a study, or why that is unknown.

    Args:
        votes: as :func:`synpic.workspace.votes.read_votes` gives them; those that count are taken
            as ``synpic study export`` would write them.
    """
    labels = source_labels(study, votes, rule)
    try:
        return agree_on(workspace.without_writing(), labels)
    except SynpicError as error:  # a report needs votes alone
        return error.message


def report_page(report: StudyReport, judges: PeopleAgreement | str) -> str:
    """The HTML of the page.

    Args:
        judges: from :func:`judges_of`.
    """
    style = "\n".join(
        read_asset("synpic.study", name).decode() for name in ("base.css", "report.css")
    )
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    counted = [one for one in report.raters if one.left_out is None]
    facts = {
        "report": report,
        "counted": len(counted),
        "questions": [_question(one) for one in report.questions],
        "raters": _of_raters(report),
        "judges": [] if isinstance(judges, str) else _of_judges(judges, report),
        "no_judges": judges if isinstance(judges, str) else None,
        "policy": policy,
        "style": style,
        "width": WIDTH,
    }
    return render("synpic.study", "report.html.jinja", facts)


def _question(question: QuestionReport) -> dict[str, Any]:
    rows = [
        ChartRow(
            f"{one.first} against {one.second}",
            one.win_rate,
            f"{one.wins} won, {one.losses} lost, {one.ties} tied, {one.both_bad} both bad; "
            f"{count(one.win_rate.clusters, 'prompt')}",
        )
        for one in question.pairs
    ]
    about = "Of the first model, a tie as half a win. Beyond the line it wins more than half."
    ratings = sorted((question.ratings or {}).items(), key=lambda one: -one[1])
    return {
        "name": question.name,
        "text": question.text,
        "chart": Chart("Win rates", about, rows) if rows else None,
        "ratings": [(model, f"{rating:.0f}") for model, rating in ratings],
    }


def _of_raters(report: StudyReport) -> list[Chart]:
    votes = "vote"
    alphas = [
        ChartRow(one.name, one.alpha, f"{count(one.alpha.n, votes)} on shared pairs")
        for one in report.questions
    ]
    lows = [one.alpha.low for one in report.questions if one.alpha.low is not None]
    lows += [one.alpha.value for one in report.questions if one.alpha.value is not None]
    bad = report.both_bad_checks
    also = f"; {count(bad, 'other')} both bad" if bad else ""
    shares = [
        ChartRow("left image taken", report.left_side, count(report.left_side.n, "answer")),
        ChartRow("repeats the same", report.repeated, count(report.repeated.n, "repeat")),
        ChartRow("checks passed", report.passed, count(report.passed.n, "check") + also),
    ]
    return [
        Chart(
            "Krippendorff's α",
            "How far raters agree with each other: 1 is always, 0 is as by chance.",
            alphas,
            # To the next half below, and no lower than the scale goes.
            least=max(-1.0, math.floor(2 * min([0.0, *lows])) / 2),
            mark=0.0,
        ),
        Chart(
            "Sides, repeats, checks",
            "No bias to a side is 0.5; the more repeats and checks, the better.",
            shares,
        ),
    ]


def _of_judges(found: PeopleAgreement, report: StudyReport) -> list[Chart]:
    charts = []
    order = [one.name for one in report.questions]
    for question in sorted(found.questions, key=lambda one: order.index(one.question)):
        rows = [
            ChartRow(one.judge, one.accuracy, count(one.accuracy.n, "pair"))
            for one in question.accuracies
            if one.models is None and one.accuracy.value is not None
        ]
        if question.one_vote.value is not None:
            pairs = count(question.one_vote.n, "pair")
            rows.append(ChartRow("one vote with the others", question.one_vote, pairs))
        if rows:
            about = "How often each prefers the image that raters prefer: 0.5 is chance."
            charts.append(Chart(question.question, about, rows))
    return charts

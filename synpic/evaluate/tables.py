"""An evaluation as sentences and tables, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from synpic.evaluate.categories import CategoryResult
from synpic.evaluate.compare_models import OVERALL, PairedDifference, Result
from synpic.evaluate.evaluation import Evaluation, Measure
from synpic.evaluate.intervals import Estimate
from synpic.evaluate.strengths import Strength
from synpic.evaluate.training_overlap import Overlap
from synpic.readers.display import count, number
from synpic.release.cards.markdown import markdown_text

__all__ = [
    "TextTable",
    "categories",
    "conclusion",
    "differences",
    "footnotes",
    "markdown",
    "markdown_table",
    "means",
    "opening",
]


Shown = Callable[[str], str]

_NAMES = ("metric", "difference", "model", "tag", "category")


@dataclass(frozen=True)
class TextTable:
    """Cells as people read them.

    Args:
        columns: their names.
        rows: a cell for each of them.
        of_models: the columns that are of one model each, or of its difference from the base.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    of_models: Sequence[str] = ()


def opening(found: Evaluation, shown: Shown = str) -> str:
    """What was compared, and on what.

    Args:
        shown: a name → how it is written.
    """
    others = [shown(model) for model in found.models if model != found.base]
    most = "up to " if any(one.missing for m in found.measures for one in m.results) else ""
    text = (
        f"{', '.join(others)} against {shown(found.base)}: {count(found.prompts, 'prompt')}, "
        f"{most}{count(found.items, 'image')} of each model"
    )
    text += ", paired by prompt"
    if found.same_seed == found.items:
        text += " and seed"
    else:
        text += f"; {number(found.same_seed)} pairs have one seed"
    if found.suite is None:
        return text
    suite = found.suite
    of = f"suite {shown(suite.name)} ({suite.version[:8]})"
    if found.asked < suite.whole:
        return f"{text}. Partial: {number(found.asked)} of {number(suite.whole)} items of {of}"
    return f"{text}; {of}"


def conclusion(found: Evaluation, model: str, shown: Shown = str) -> str:
    """Whether ``model`` is better than the base, by a reward that was not trained on.

    Args:
        shown: a name → how it is written.
    """
    measure = found.headline(model)
    if measure is None:
        return (
            f"{shown(model)}: no held-out reward. Each of them labelled what the model was trained "
            "on, so that a higher score does not show a better model."
        )
    result = next(one for one in measure.results if (one.model, one.tag) == (model, OVERALL))
    pair = f"{shown(model)} − {shown(found.base)}"
    what = f"{pair}, {shown(measure.name)} ({measure.trails[model]})"
    if result.difference is None:
        return f"{what}: no image that both have a score of"
    difference = result.difference
    text = f"{what}: {_signed(difference.mean)}, win rate {difference.win_rate}"
    if difference.mean.low is None:
        return f"{text}: no interval, since a tag has one prompt alone, so that this shows nothing"
    if difference.seen:
        better = "better" if (difference.mean.value or 0) > 0 else "worse"
        return f"{text}: {better}"
    text = f"{text}: no difference seen in {count(difference.mean.clusters, 'prompt')}"
    if difference.units_to_see is None:
        return text
    return f"{text}; about {number(difference.units_to_see)} would show one as large as this"


def means(found: Evaluation) -> TextTable:
    """What each model got by each metric: a row for each tag, a column for each model."""
    rows = []
    for measure in found.measures:
        by_tag: dict[str, list[Result]] = {}
        for one in measure.results:
            by_tag.setdefault(one.tag, []).append(one)
        for tag, results in by_tag.items():
            rows.append(
                [
                    *(measure.name, tag),
                    *(_value(one.mean) for one in results),
                    number(max(one.mean.n for one in results)),
                    number(max(one.missing for one in results)),
                ]
            )
    columns = ["metric", "tag", *found.models, "images", "missing"]
    return _without_tags(found, TextTable(columns, rows, [*found.models]))


def differences(found: Evaluation) -> TextTable:
    """How much more than the base each other model got."""
    rows = [
        _difference(found, measure, one, one.difference)
        for measure in found.measures
        for one in measure.results
        if one.difference is not None
    ]
    columns = ["metric", "tag", "trail", "difference", "mean", "interval", "win rate", "interval"]
    table = TextTable([*columns, "ties", "pairs", "p", "Holm"], rows)
    table = table if len(found.models) > 2 else _without(table, "difference")
    return _without_tags(found, table)


def _difference(
    found: Evaluation, measure: Measure, result: Result, difference: PairedDifference
) -> list[str]:
    adjusted = measure.adjusted.get((result.model, result.tag))
    return [
        *(measure.name, result.tag, measure.trails[result.model]),
        f"{result.model} − {found.base}",
        "" if difference.mean.value is None else f"{difference.mean.value:+.4g}",
        _interval(difference.mean, "+.4g"),
        f"{difference.win_rate.value:.3f}",
        _interval(difference.win_rate, ".3f"),
        *(number(difference.ties), number(difference.mean.n)),
        f"{difference.p:.4f}",
        "" if adjusted is None else f"{adjusted:.4f}",
    ]


def categories(found: Evaluation, *, detailed: bool = False) -> TextTable | None:
    """What each model got on the categories of a suite's questions; None where there are none.

    Args:
        detailed: with the parts of broad categories, and the intervals of means.
    """
    shown_mean = str if detailed else _three_digits
    others = [model for model in found.models if model != found.base]
    rows = []
    for measure in found.measures:
        by_name: dict[str, dict[str, CategoryResult]] = {}
        for one in measure.categories:
            if one.broad or detailed:
                by_name.setdefault(one.category, {})[one.model] = one
        for name, of in by_name.items():
            differences = [of[model].difference for model in others]
            rows.append(
                [
                    *(measure.name, name),
                    *(shown_mean(of[model].mean) for model in found.models),
                    *("" if one is None else _signed_share(one) for one in differences),
                    number(max(one.mean.n for one in of.values())),
                ]
            )
    of_models = [*found.models, *(f"{model} − {found.base}" for model in others)]
    columns = ["metric", "category", *of_models, "answers"]
    return TextTable(columns, rows, of_models) if rows else None


def footnotes(found: Evaluation, shown: Shown = str) -> list[str]:
    """How to read the tables.

    Args:
        shown: a name → how it is written.
    """
    lines = []
    for measure in found.measures:
        points = [_points(one, shown) for one in measure.strengths if one.points.value is not None]
        if points:
            lines.append(f"Bradley–Terry by {shown(measure.name)}: {', '.join(points)}")
    lines.append(
        "Intervals: 95 %, bootstrap over prompts, the same draws for all models. A tie is half a "
        "win. p: sign flips; Holm: corrected for all metrics and tags."
    )
    lines += [
        shown(note) for note in dict.fromkeys(n for m in found.measures for n in m.metric.notes)
    ]
    if any(measure.categories for measure in found.measures):
        lines.append(
            "Categories: the mean over all answers to questions of a kind; differences are not "
            "corrected for their number."
        )
    lines += _drawn(found, shown)
    lines += _protocol(found, shown)
    trails = {one for measure in found.measures for one in measure.trails.values()}
    if "unknown" in trails:
        lines.append("unknown: synpic did not train the model, and does not know what it learnt.")
    if "in training" in trails:
        lines.append(
            "in training: the reward, or a form of the judge, labelled what the model was trained "
            "on."
        )
    lines += [
        _trained_on(found, model, overlap, shown)
        for model, overlap in found.trained_on.items()
        if overlap.exact or overlap.folded or overlap.at_checkpoints
    ]
    missing = max(one.missing for measure in found.measures for one in measure.results)
    if missing:
        lines.append(
            f"Partial: no score of up to {count(missing, 'image')} of a model. `synpic status` "
            "says why."
        )
    return lines


def _drawn(found: Evaluation, shown: Shown) -> list[str]:
    """How the images of each model were drawn; of all in one line where that is the same."""
    ways = {model: found.facts[model].drawn for model in found.models}
    if len(set(ways.values())) == 1:
        return [f"All models drawn alike: {shown(ways[found.base])}."]
    return [f"{shown(model)}: {shown(way)}." for model, way in ways.items()]


def _protocol(found: Evaluation, shown: Shown) -> list[str]:
    """How images were drawn, beside what the suite's makers fix."""
    if found.suite is None:
        return []
    lines = []
    lines += [
        f"{shown(found.suite.name)}, official quirk: {shown(one)}" for one in found.suite.quirks
    ]
    if found.suite.protocol:
        lines.append(f"Protocol of {shown(found.suite.name)}: {found.suite.protocol}.")
    lines += [
        f"{shown(model)}, beside the protocol: {'; '.join(others)}."
        for model, others in found.suite.differences.items()
        if others
    ]
    if any(measure.metric.overall == "tags" for measure in found.measures):
        lines.append("overall: the mean of the tags' means.")
    if found.suite.without_interval:
        tags = ", ".join(map(shown, sorted(found.suite.without_interval)))
        lines.append(f"No interval for {tags}: too few combinations of things are asked for.")
    return lines


def _trained_on(found: Evaluation, model: str, overlap: Overlap, shown: Shown) -> str:
    """How many prompts ``model`` was trained on or chosen by; its difference without them."""
    trained, chosen = overlap.exact + overlap.folded, overlap.at_checkpoints
    prompts = count(found.prompts, "prompt")
    ways = []
    if trained:
        ways.append(
            f"was trained on {number(trained)} of {prompts} ({number(overlap.exact)} word for word)"
        )
    if chosen:
        ways.append(f"was evaluated at checkpoints by {number(chosen)} of {prompts}")
    text = f"{shown(model)} {' and '.join(ways)}"
    measure = found.headline(model)
    others = [one for one in measure.unseen if one.model == model] if measure else []
    if measure is None or not others or others[0].difference is None:
        return f"{text}."
    difference = others[0].difference.mean
    without = "trained on or evaluated by at checkpoints" if chosen else "trained on"
    return (
        f"{text}. On the {number(difference.clusters)} that no model was {without}, by "
        f"{shown(measure.name)}: {_signed(difference)}."
    )


def markdown(found: Evaluation) -> str:
    """All of it, as a page."""
    others = [model for model in found.models if model != found.base]
    names, shown = [markdown_text(model) for model in others], markdown_text
    parts = [f"# {', '.join(names)} against {shown(found.base)}", f"{opening(found, shown)}."]
    parts += [f"**{conclusion(found, model, shown)}**" for model in others]
    for heading, table in (
        ("Differences", differences(found)),
        ("Means", means(found)),
        ("Categories", categories(found, detailed=True)),
    ):
        if table is not None:
            parts += [f"## {heading}", markdown_table(table, _NAMES)]
    return "\n\n".join([*parts, *footnotes(found, shown)]) + "\n"


def markdown_table(table: TextTable, names: Sequence[str]) -> str:
    """``table`` as Markdown.

    Args:
        names: columns of text that others may have written.
    """
    rows = [
        [
            markdown_text(cell) if column in names else cell
            for column, cell in zip(table.columns, row, strict=True)
        ]
        for row in table.rows
    ]
    head = [markdown_text(column) for column in table.columns]
    lines = [head, ["---"] * len(table.columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _without_tags(found: Evaluation, table: TextTable) -> TextTable:
    return _without(table, "tag") if found.tag is None else table


def _without(table: TextTable, column: str) -> TextTable:
    at = table.columns.index(column)
    return replace(
        table,
        columns=[*table.columns[:at], *table.columns[at + 1 :]],
        rows=[[*row[:at], *row[at + 1 :]] for row in table.rows],
    )


def _value(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    interval = _interval(estimate, ".3g")
    return f"{estimate.value:.4g}" + (f" ({interval})" if interval else "")


def _three_digits(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{estimate.value:.3f}"


def _signed_share(estimate: Estimate) -> str:
    interval = _interval(estimate, "+.3f")
    value = "–" if estimate.value is None else f"{estimate.value:+.3f}"
    return f"{value} ({interval})" if interval else value


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:{form}} … {estimate.high:{form}}"


def _points(strength: Strength, shown: Shown) -> str:
    interval = _interval(strength.points, ".0f")
    return f"{shown(strength.model)} {strength.points.value:.0f} ({interval})"


def _signed(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    interval = _interval(estimate, "+.4g")
    return f"{estimate.value:+.4g}" + (f" ({interval})" if interval else "")

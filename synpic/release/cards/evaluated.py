"""What evaluations say of a model, for its card: for programs in the head, for people in the body.

Names of suites, models, metrics and tags are text that others may have written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from synpic.readers.display import number
from synpic.release.cards.markdown import markdown_text
from synpic.workspace.evaluations import (
    RecordedEstimate,
    RecordedEvaluation,
    RecordedMeasure,
    RecordedResult,
    RecordedSuite,
)

__all__ = [
    "SOURCE",
    "ModelEvaluation",
    "benchmark_entry",
    "evaluation_section",
    "model_results",
]

SOURCE = "synpic"
"""Who says so: results of a card with another source are somebody else's, and stay."""

_OVERALL = "overall"
_IN_TRAINING = "in training"
_TASK = {"type": "text-to-image", "name": "Text to Image"}


@dataclass(frozen=True)
class ModelEvaluation:
    """One model of an evaluation.

    Args:
        found: of a suite, whole, with nothing missing.
        suite: the same one as of ``found``.
        model: the name in it of the model that the card is of.
    """

    found: RecordedEvaluation
    suite: RecordedSuite
    model: str

    @property
    def measures(self) -> list[RecordedMeasure]:
        """Those that labelled what the model learnt from come last."""
        return sorted(self.found.measures, key=lambda one: self.trail(one) == _IN_TRAINING)

    @property
    def held_out(self) -> list[RecordedMeasure]:
        """Those that did not label what the model learnt from, as far as that is known."""
        return [one for one in self.found.measures if self.trail(one) != _IN_TRAINING]

    def overall(self, measure: RecordedMeasure) -> RecordedResult | None:
        """What the model got by it."""
        return measure.result(self.model, _OVERALL)

    def trail(self, measure: RecordedMeasure) -> str:
        """Whether ``measure`` labelled what the model learnt from."""
        result = self.overall(measure)
        return "unknown" if result is None else result.trail

    @property
    def missing(self) -> int:
        """Images that lack a value by some metric, of the model or of the base."""
        names = {self.model, self.found.base}
        rows = (row for one in self.found.measures for row in one.results if row.model in names)
        return max((row.missing for row in rows), default=0)

    @property
    def drawn_otherwise(self) -> str:
        """How the model was drawn otherwise than the suite's makers fix, in a line."""
        return "; ".join(self.found.models[self.model].protocol)

    @property
    def drawn(self) -> str:
        """How the model was drawn, in a line; "" where an earlier synpic evaluated it."""
        return self.found.models[self.model].drawn


def model_results(evaluations: Sequence[ModelEvaluation], page: str) -> list[dict[str, Any]]:
    """The results of a ``model-index``, one for each suite.

    Rewards that labelled what the model learnt from are left out.

    Args:
        page: where a reader finds how the numbers came about.

    Source of the form: ``modelcard.md`` of huggingface/hub-docs.
    """
    found = []
    for one in evaluations:
        metrics = list(_metrics(one))
        if metrics:
            dataset = {"type": one.suite.name, "name": one.suite.name, "args": _asked(one)}
            source = {"name": SOURCE, "url": page}
            # A copy: YAML would name a value that is there twice, which cards must not do.
            result = {"task": dict(_TASK), "dataset": dataset, "metrics": metrics}
            found.append({**result, "source": source})
    return found


def _asked(one: ModelEvaluation) -> dict[str, Any]:
    """What decides what a suite's number means."""
    args = {
        "version": one.suite.version,
        "items": one.suite.items,
        "images_per_prompt": one.suite.images,
        "protocol": one.suite.protocol,
        "drawn": one.drawn,
        "drawn_otherwise": one.drawn_otherwise,
    }
    return {key: value for key, value in args.items() if value != ""}


def _metrics(one: ModelEvaluation) -> Iterator[dict[str, Any]]:
    for measure in one.held_out:
        result = one.overall(measure)
        if result is None or result.mean.value is None:
            continue
        args = {
            "kind": measure.kind,
            "fingerprint": measure.fingerprint,
            "trail": result.trail,
            "low": result.mean.low,
            "high": result.mean.high,
            "images": result.mean.n,
            "prompts": result.mean.clusters,
            **_difference_args(one.found.base, result),
        }
        kept = {key: value for key, value in args.items() if value is not None}
        yield {
            "type": measure.metric,
            "name": measure.metric,
            "value": result.mean.value,
            "args": kept,
        }


def _difference_args(base: str, result: RecordedResult) -> dict[str, Any]:
    difference = result.difference
    if difference is None:
        return {}
    return {
        "base": base,
        "difference": difference.mean.value,
        "difference_low": difference.mean.low,
        "difference_high": difference.mean.high,
        "p": difference.p,
    }


def benchmark_entry(
    one: ModelEvaluation, dataset: str, task: str, page: str
) -> dict[str, Any] | None:
    """An entry of ``.eval_results/*.yaml``: the model's number by the first metric that counts.

    Returns:
        None where every metric labelled what the model learnt from.

    Source of the form: ``docs/hub/eval-results.md`` of huggingface/hub-docs.
    """
    for measure in one.held_out:
        result = one.overall(measure)
        if result is not None and result.mean.value is not None:
            notes = [
                f"{measure.metric} of {one.suite.name}",
                f"{measure.kind} {measure.fingerprint[:16]}",
                one.suite.protocol,
                f"drawn: {one.drawn}" if one.drawn else "",
                one.drawn_otherwise,
            ]
            return {
                "dataset": {"id": dataset, "task_id": task},
                "value": result.mean.value,
                "source": {"url": page, "name": SOURCE},
                "notes": "; ".join(filter(None, notes)),
            }
    return None


def evaluation_section(evaluations: Sequence[ModelEvaluation]) -> str:
    """The results as Markdown, which begins with a heading of the second level."""
    return str(_template().render(suites=[_suite(one) for one in evaluations]))


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["md"] = markdown_text
    environment.filters["code"] = _as_code
    environment.globals |= {"number": number}
    source = files("synpic_cards").joinpath("evaluation.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)


def _as_code(text: str) -> str:
    """The beginning of a hash, as code; what is no part of one is left out."""
    return f"`{re.sub(r'[^0-9A-Za-z+_]', '', text)[:16]}`"


def _suite(one: ModelEvaluation) -> Mapping[str, Any]:
    """Of one evaluation what the template shows; numbers are texts already."""
    base = one.found.base
    rows = [
        _cells(measure, row, measure.result(base, row.tag))
        for measure in one.measures
        for row in measure.results
        if row.model == one.model
    ]
    return {
        "asked": one.suite,
        "evaluation": one.found,
        "base": base,
        "is_base": base == one.model,
        "base_fingerprint": one.found.models[base].fingerprint,
        "base_drawn": one.found.models[base].drawn,
        "base_drawn_otherwise": "; ".join(one.found.models[base].protocol),
        "fingerprint": one.found.models[one.model].fingerprint,
        "drawn": one.drawn,
        "drawn_otherwise": one.drawn_otherwise,
        "missing": one.missing,
        "conclusion": _conclusion(one),
        "rows": rows,
        "trained_on": one.found.trained_on.get(one.model),
        "measures": one.measures,
        "in_training": len(one.held_out) < len(one.found.measures),
        "unknown": any(one.trail(measure) == "unknown" for measure in one.measures),
    }


def _conclusion(one: ModelEvaluation) -> Mapping[str, str] | None:
    """By the first metric that was not trained on; None where the model is the base."""
    if one.model == one.found.base:
        return None
    if not one.held_out:
        return {"metric": "", "trail": "", "text": ""}
    measure = one.held_out[0]
    named = {"metric": measure.metric, "trail": one.trail(measure)}
    result = one.overall(measure)
    difference = None if result is None else result.difference
    if difference is None or difference.mean.value is None:
        return named | {"text": "no image that both have a value of"}
    wins = _shown(difference.win_rate, ".3f")
    text = f"{_shown(difference.mean, '+.4g')}, win rate {wins}"
    if difference.seen:
        verdict = "better" if difference.mean.value > 0 else "worse"
    else:
        verdict = f"no difference seen in {number(difference.mean.clusters)} prompts"
        if difference.units_to_see is not None:
            verdict += f"; about {number(difference.units_to_see)} would show one as large as this"
    return named | {"text": f"{text}: {verdict}"}


def _cells(
    measure: RecordedMeasure, row: RecordedResult, base: RecordedResult | None
) -> Mapping[str, str]:
    """A row of the table, as people read it."""
    difference = row.difference
    found = {
        "metric": measure.metric,
        "trail": row.trail,
        "tag": row.tag,
        "mean": _shown(row.mean, ".4g"),
        "base": "" if base is None else _shown(base.mean, ".4g"),
        "images": number(row.mean.n),
    }
    if difference is None:
        return found | dict.fromkeys(("difference", "wins", "ties", "p", "holm"), "")
    holm = difference.p_holm
    return found | {
        "difference": _shown(difference.mean, "+.4g"),
        "wins": _shown(difference.win_rate, ".3f"),
        "ties": number(difference.ties),
        "images": number(difference.mean.n),
        "p": f"{difference.p:.4f}",
        "holm": "" if holm is None else f"{holm:.4f}",
    }


def _shown(estimate: RecordedEstimate, form: str) -> str:
    """``0.65 (0.6 … 0.7)``."""
    if estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{form}}"
    return f"{estimate.value:{form}} ({estimate.low:{form}} … {estimate.high:{form}})"

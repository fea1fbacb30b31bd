"""Two evaluations, held to each other: what changed, where the numbers can be compared at all.

A number of a suite means something beside another one of the same prompts, judge and protocol. Of
two evaluations that differ in one of these, the numbers stand side by side, with the reason why
they are not subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import polars as pl

from synpic.evaluate.compare_models import OVERALL, Overall, PairedDifference
from synpic.evaluate.intervals import Estimate, independent_difference
from synpic.evaluate.paired_diff import PairedModels, paired_differences
from synpic.readers.display import count, number
from synpic.workspace.evaluations import (
    RecordedEstimate,
    RecordedEvaluation,
    RecordedMeasure,
    RecordedResult,
    RecordedSuite,
)

__all__ = [
    "EvaluationDiff",
    "MeasureChange",
    "ModelChange",
    "ResultChange",
    "diff_evaluations",
]


@dataclass(frozen=True)
class ModelChange:
    """A model of both evaluations, or of one.

    Args:
        old, new: its names; None where it is not there.
        redrawn: whether its fingerprint is another: other weights, or other settings.
        reasons: why its numbers are not comparable.
    """

    old: str | None
    new: str | None
    redrawn: bool
    reasons: Sequence[str]

    @property
    def name(self) -> str:
        """As tables show it: ``tuned``, or ``first → second``."""
        names = [name for name in (self.old, self.new) if name is not None]
        return " → ".join(dict.fromkeys(names))


@dataclass(frozen=True)
class ResultChange:
    """What a model got by one metric on a tag, before and after.

    Args:
        old, new: None where it is not there.
        change: how much more the difference from the base is than it was; None where the two are
            not comparable, and of the base itself. Its interval takes the two evaluations as
            independent.
        reasons: why this row is not comparable, beside what holds for all.
        paired: how much more the model itself has than before, prompt by prompt; None where one of
            the evaluations has no values of single prompts, or not of the same ones.
    """

    model: str
    tag: str
    old: RecordedResult | None
    new: RecordedResult | None
    change: Estimate | None
    reasons: Sequence[str]
    paired: PairedDifference | None = None


@dataclass(frozen=True)
class MeasureChange:
    """One metric in both evaluations.

    Args:
        reasons: why it is not comparable, beside what holds for all.
        results: by tag and model, overall first.
    """

    metric: str
    reasons: Sequence[str]
    results: Sequence[ResultChange]


@dataclass(frozen=True)
class EvaluationDiff:
    """Two evaluations.

    Args:
        same: whether they say the same of the same models.
        reasons: why none of their numbers are comparable; empty where they are.
        models: the base first.
        measures: in the order of the new evaluation, those that are gone last.
        unpaired: why no model is compared with itself prompt by prompt; empty where one is.
    """

    same: bool
    reasons: Sequence[str]
    models: Sequence[ModelChange]
    measures: Sequence[MeasureChange]
    unpaired: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "same": self.same,
            "reasons": list(self.reasons),
            "unpaired": list(self.unpaired),
            "models": [asdict(one) for one in self.models],
            "measures": [
                {
                    "metric": one.metric,
                    "reasons": list(one.reasons),
                    "results": [_row(result) for result in one.results],
                }
                for one in self.measures
            ],
        }


def _row(result: ResultChange) -> dict[str, Any]:
    sides = {"old": result.old, "new": result.new}
    return {
        "model": result.model,
        "tag": result.tag,
        **{side: one and one.model_dump(mode="json") for side, one in sides.items()},
        "change": result.change and result.change.as_dict(),
        "reasons": list(result.reasons),
        "paired": result.paired and {**asdict(result.paired), "seen": result.paired.seen},
    }


Values = tuple[pl.DataFrame | None, str]
"""Of each image of an evaluation, or why there are none
(:func:`synpic.workspace.evaluation_values.read_values`)."""

_NO_VALUES: Values = (None, "no values of single prompts were read")


def diff_evaluations(
    old: RecordedEvaluation,
    new: RecordedEvaluation,
    old_values: Values = _NO_VALUES,
    new_values: Values = _NO_VALUES,
) -> EvaluationDiff:
    """What two evaluations say, metric by metric and model by model.

    The bases are held to each other, and models of one name; where each evaluation has one model
    left over, so are those two. The difference of two differences is given where suite, version,
    prompts, images, base, protocol and judge (or reward) agree, and nothing is missing. Its
    interval takes the two as independent. Where both evaluations are of the same suite, prompts and
    judge, and have values of single prompts, each model is compared with itself as two models of
    one evaluation are, whatever the base, and however it was drawn.
    """
    models = _models(old, new)
    unpaired = [*_unlike_prompts(old, new)] or [
        why for rows, why in (old_values, new_values) if rows is None
    ]
    reasons = [*_suite_reasons(old, new), *_base_reasons(old, new)]
    names = dict.fromkeys(one.metric for one in (*new.measures, *old.measures))
    return EvaluationDiff(
        same=_content(old) == _content(new),
        reasons=reasons,
        models=models,
        measures=[
            _with_paired(
                _measure(name, old, new, models, not reasons),
                (old, new),
                (None, None) if unpaired else (old_values[0], new_values[0]),
                models,
            )
            for name in names
        ],
        unpaired=unpaired,
    )


def _unlike_prompts(old: RecordedEvaluation, new: RecordedEvaluation) -> Iterator[str]:
    """Why the two have not the same items; partial ones may."""
    one, other = old.suite, new.suite
    if one is not None and other is not None and one.name == other.name:
        yield from (why for why in _same_suite(one, other) if why.startswith("other version"))
        yield from _prompt_reasons(old, new)
    elif one is not None or other is not None:
        yield from _suite_reasons(old, new)
    else:
        yield from _prompt_reasons(old, new)


def _with_paired(
    measure: MeasureChange,
    sides: tuple[RecordedEvaluation, RecordedEvaluation],
    values: tuple[pl.DataFrame | None, pl.DataFrame | None],
    models: Sequence[ModelChange],
) -> MeasureChange:
    """``measure`` with what each model has more than before, where it is the same in both."""
    (old, new), (before, after) = sides, values
    recorded = next((one for one in new.measures if one.metric == measure.metric), None)
    if before is None or after is None or recorded is None or measure.reasons:
        return measure
    pairs = {
        one.name: PairedModels(one.old, one.new)
        for one in models
        if one.old is not None and one.new is not None
    }
    found = paired_differences(
        before,
        after,
        measure.metric,
        list(pairs.values()),
        cast(Overall, recorded.overall),
        frozenset(row.tag for row in recorded.results if _few_units(row)),
    )
    # With another column for tags, values have the suite's.
    own = old.tag == new.tag and (new.suite is None or new.tag in (None, "tag"))
    results = [
        replace(one, paired=found.get(pairs[one.model], {}).get(one.tag))
        if one.model in pairs and (own or one.tag == OVERALL)
        else one
        for one in measure.results
    ]
    return replace(measure, results=results)


def _few_units(row: RecordedResult) -> bool:
    return row.tag != OVERALL and row.mean.low is None and row.mean.clusters > 1


def _content(found: RecordedEvaluation) -> Any:
    return found.base, found.models, found.suite, found.prompts_hash, found.measures


def _models(old: RecordedEvaluation, new: RecordedEvaluation) -> list[ModelChange]:
    pairs: list[tuple[str | None, str | None]] = [(old.base, new.base)]
    before = [name for name in old.models if name != old.base]
    after = [name for name in new.models if name != new.base]
    pairs += [(name, name) for name in after if name in before]
    gone = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    if len(gone) == len(added) == 1:
        pairs += zip(gone, added, strict=True)
    else:
        pairs += [(name, None) for name in gone] + [(None, name) for name in added]
    return [_model(old, new, *pair) for pair in pairs]


def _model(
    old: RecordedEvaluation, new: RecordedEvaluation, before: str | None, after: str | None
) -> ModelChange:
    if before is None or after is None:
        return ModelChange(before, after, redrawn=False, reasons=[])
    one, other = old.models[before], new.models[after]
    reasons = []
    if one.protocol != other.protocol:
        texts = ["; ".join(each.protocol) or "the suite's" for each in (one, other)]
        reasons.append(f"other protocol: {texts[0]} before, {texts[1]} now")
    return ModelChange(before, after, one.fingerprint != other.fingerprint, reasons)


def _suite_reasons(old: RecordedEvaluation, new: RecordedEvaluation) -> list[str]:
    """Why what was asked for is not the same."""
    one, other = old.suite, new.suite
    if one is None or other is None:
        if one is not other:
            names = [each.name if each else "none" for each in (one, other)]
            return [f"other suite: {names[0]} before, {names[1]} now"]
        return list(_prompt_reasons(old, new))
    if one.name != other.name:
        return [f"other suite: {one.name} before, {other.name} now"]
    reasons = list(_same_suite(one, other))
    return reasons or list(_prompt_reasons(old, new))


def _same_suite(one: RecordedSuite, other: RecordedSuite) -> Iterator[str]:
    if one.version != other.version:
        yield f"other version of {one.name}: {one.version[:8]} before, {other.version[:8]} now"
    for when, each in (("before", one), ("now", other)):
        if each.partial:
            yield f"partial: {number(each.items)} of {count(each.whole, 'item')} {when}"
    if one.images != other.images:
        yield f"other number of images for a prompt: {one.images} before, {other.images} now"
    if one.protocol != other.protocol:
        texts = [each.protocol or "none" for each in (one, other)]
        yield f"other protocol of {one.name}: {texts[0]} before, {texts[1]} now"


def _prompt_reasons(old: RecordedEvaluation, new: RecordedEvaluation) -> Iterator[str]:
    if old.prompts_hash is None or new.prompts_hash is None:
        yield "an earlier synpic wrote one of the two, and does not say on which prompts"
    elif old.prompts_hash != new.prompts_hash:
        yield f"other prompts: {number(old.prompts)} before, {number(new.prompts)} now"
    elif old.items != new.items:
        yield f"other number of images: {number(old.items)} before, {number(new.items)} now"


def _base_reasons(old: RecordedEvaluation, new: RecordedEvaluation) -> Iterator[str]:
    prints = [found.models[found.base].fingerprint[:8] for found in (old, new)]
    if old.models[old.base].fingerprint != new.models[new.base].fingerprint:
        yield f"other base: {old.base} ({prints[0]}) before, {new.base} ({prints[1]}) now"


def _measure(
    name: str,
    old: RecordedEvaluation,
    new: RecordedEvaluation,
    models: Sequence[ModelChange],
    comparable: bool,
) -> MeasureChange:
    before, after = (
        next((one for one in found.measures if one.metric == name), None) for found in (old, new)
    )
    reasons = list(_measure_reasons(before, after))
    results = [
        _result(model, models[0], tag, before, after, comparable and not reasons)
        for tag in _tags(before, after)
        for model in models
    ]
    kept = [one for one in results if one.old is not None or one.new is not None]
    return MeasureChange(name, reasons, kept)


def _measure_reasons(
    before: RecordedMeasure | None, after: RecordedMeasure | None
) -> Iterator[str]:
    if before is None or after is None:
        yield "only in the new one" if before is None else "only in the old one"
        return
    if before.kind != after.kind:
        yield f"a {before.kind} before, a {after.kind} now"
    elif before.fingerprint != after.fingerprint:
        yield (f"other {before.kind}: {before.fingerprint[:8]} before, {after.fingerprint[:8]} now")
    if before.overall != after.overall:
        yield f"overall is the mean of {before.overall} before, of {after.overall} now"


def _tags(*measures: RecordedMeasure | None) -> list[str]:
    there = [[] if one is None else [row.tag for row in one.results] for one in measures]
    return list(dict.fromkeys(tag for tags in reversed(there) for tag in tags))


def _result(
    model: ModelChange,
    base: ModelChange,
    tag: str,
    before: RecordedMeasure | None,
    after: RecordedMeasure | None,
    comparable: bool,
) -> ResultChange:
    old, new = _of(before, model.old, tag), _of(after, model.new, tag)
    reasons = list(model.reasons)
    sides = (("before", old, _of(before, base.old, tag)), ("now", new, _of(after, base.new, tag)))
    for when, *rows in sides:
        missing = max((row.missing for row in rows if row is not None), default=0)
        if missing:
            reasons.append(f"partial: {count(missing, 'image')} without a value {when}")
    change = None
    if comparable and not reasons and old and new and old.difference and new.difference:
        change = independent_difference(
            _estimate(new.difference.mean), _estimate(old.difference.mean)
        )
    return ResultChange(model.name, tag, old, new, change, reasons)


def _of(measure: RecordedMeasure | None, model: str | None, tag: str) -> RecordedResult | None:
    return None if measure is None or model is None else measure.result(model, tag)


def _estimate(recorded: RecordedEstimate) -> Estimate:
    return Estimate(recorded.value, recorded.low, recorded.high, recorded.n, recorded.clusters)

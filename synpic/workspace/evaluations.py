"""What an evaluation found, as a file: ``eval.json`` of a workspace, ``report.json`` elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from synpic.errors import EvaluationError
from synpic.readers.json_models import Record, parse_json, validate
from synpic.workspace.tables import require_version

__all__ = [
    "EVALUATION",
    "REPORT",
    "ComparedModel",
    "RecordedCategory",
    "RecordedDifference",
    "RecordedEstimate",
    "RecordedEvaluation",
    "RecordedMeasure",
    "RecordedOverlap",
    "RecordedResult",
    "RecordedSuite",
    "encode_evaluation",
    "evaluation_file",
    "holds_evaluation",
    "read_evaluation",
]

EVALUATION, REPORT = "eval.json", "report.json"

_MANIFEST = "manifest.json"
"""What makes a folder a release."""

_HINT = "`synpic eval` writes it: run it again"


class RecordedEstimate(Record):
    """A mean and its interval of 95 %; see :class:`synpic.evaluate.intervals.Estimate`."""

    value: float | None
    low: float | None
    high: float | None
    n: int = Field(ge=0)
    clusters: int = Field(ge=0)


class RecordedDifference(Record):
    """How much more than the base a model has."""

    mean: RecordedEstimate
    win_rate: RecordedEstimate
    ties: int = Field(ge=0)
    p: float = Field(ge=0, le=1)
    p_holm: float | None = None
    units_to_see: int | None = None
    seen: bool = False


class RecordedResult(Record):
    """What a model got by one metric, on a tag or overall."""

    model: str
    tag: str
    mean: RecordedEstimate
    missing: int = Field(ge=0)
    trail: str = "unknown"
    difference: RecordedDifference | None = None


class RecordedCategory(Record):
    """What a model got on one category of a suite's questions."""

    model: str
    category: str
    mean: RecordedEstimate
    difference: RecordedEstimate | None = None


class RecordedMeasure(Record):
    """What one metric says of all models.

    Args:
        categories: of a judge that asks a suite's questions.
        notes: what is to be read beside it, official quirks among it; a line each.
    """

    metric: str
    kind: Literal["reward", "judge"]
    fingerprint: str
    overall: str
    results: list[RecordedResult]
    categories: list[RecordedCategory] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    def result(self, model: str, tag: str = "overall") -> RecordedResult | None:
        """That of a model on a tag."""
        rows = (one for one in self.results if (one.model, one.tag) == (model, tag))
        return next(rows, None)


class ComparedModel(Record):
    """A model that was compared.

    Args:
        fingerprint: of all that decides its pixels.
        training: the SHA-256 of its ``training.json``; None of one that synpic did not train.
        protocol: what of its settings is not the suite's protocol; a line each.
        drawn: images a prompt, size, steps, guidance, seeds, in a line; "" where an earlier synpic
            wrote it.
    """

    fingerprint: str
    training: str | None = None
    protocol: list[str] = Field(default_factory=list)
    drawn: str = ""


class RecordedSuite(Record):
    """On what models were compared.

    Args:
        version: a hash of all its items.
        items: that were asked of it.
        whole: that it has.
        images: of each model, for each prompt.
        protocol: what its makers fix, in a line.
        quirks: faults of its makers' program with which its lists were read, a line each.
    """

    name: str
    version: str
    items: int = Field(ge=1)
    whole: int = Field(ge=1)
    images: int = Field(ge=1)
    protocol: str = ""
    quirks: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_its_items(self) -> Self:
        if self.items > self.whole:
            raise ValueError(f"{self.items} items of a suite that has {self.whole}")
        return self

    @property
    def partial(self) -> bool:
        """Whether some of its items were not asked for."""
        return self.items < self.whole


class RecordedOverlap(Record):
    """Prompts of an evaluation that a model was trained on; see ``Overlap`` there."""

    exact: int = Field(ge=0)
    folded: int = Field(ge=0)
    at_checkpoints: int = Field(default=0, ge=0)


class RecordedEvaluation(Record):
    """An evaluation; see :class:`synpic.evaluate.evaluation.Evaluation`.

    Args:
        prompts_hash: of the ids of all prompts; None in what an earlier synpic wrote.
        trained_on: of each model whose training prompts are known, how many are among them.
        values: the SHA-256 of the file beside it with the value of each image
            (:mod:`synpic.workspace.evaluation_values`); None in what an earlier synpic wrote.
    """

    schema_version: int = Field(ge=1)
    synpic: str
    base: str
    models: dict[str, ComparedModel]
    suite: RecordedSuite | None = None
    tag: str | None
    prompts: int = Field(ge=1)
    prompts_hash: str | None = None
    items: int = Field(ge=1)
    same_seed: int = Field(ge=0)
    headline: dict[str, str | None]
    trained_on: dict[str, RecordedOverlap] = Field(default_factory=dict)
    measures: list[RecordedMeasure]
    values: str | None = None

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        if self.base not in self.models:
            raise ValueError(f"base {self.base!r} is none of the models")
        for measure in self.measures:
            rows = [row.model for row in measure.results]
            rows += [row.model for row in measure.categories]
            for model in rows:
                if model not in self.models:
                    raise ValueError(f"{measure.metric} is of {model!r}, none of the models")
        return self

    @property
    def missing(self) -> int:
        """Images that lack a value by some metric, of the model that lacks the most."""
        return max((one.missing for measure in self.measures for one in measure.results), default=0)


def encode_evaluation(found: dict[str, Any]) -> bytes:
    """``found`` as a file, held to the form in which it is read."""
    validate(RecordedEvaluation, found, EVALUATION, EvaluationError, _HINT)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def holds_evaluation(place: Path) -> bool:
    """Whether ``place`` is something that :func:`read_evaluation` takes, and no release."""
    try:
        if not place.is_dir():
            return place.suffix == ".json" and place.is_file()
        held = any((place / name).is_file() for name in (REPORT, EVALUATION))
        return held and not (place / _MANIFEST).exists()
    except (OSError, ValueError):  # a name that is too long, or with a NUL in it
        return False


def evaluation_file(place: Path) -> Path:
    """The file of the evaluation at ``place``: itself, or the one in this folder.

    Raises:
        EvaluationError: the folder holds none.
    """
    if not place.is_dir():
        return place
    for name in (REPORT, EVALUATION):
        if (place / name).is_file():
            return place / name
    raise EvaluationError(
        f"{place}: it holds no {REPORT} and no {EVALUATION}",
        hint="name a folder of `synpic eval --to`, or a workspace that `synpic eval` read",
    )


def read_evaluation(place: Path) -> RecordedEvaluation:
    """What an evaluation found.

    Args:
        place: the file; or a folder that holds one: a workspace, or a report.

    Raises:
        EvaluationError: there is none, or it is damaged, with each key that is wrong.
        NewerSchema: a later synpic wrote it.
    """
    path = evaluation_file(place)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read: {error.strerror or error}", hint=_HINT
        ) from error
    found = parse_json(data, str(path), error=EvaluationError, hint=_HINT)
    if isinstance(found, dict):
        require_version(found, str(path))
    return validate(RecordedEvaluation, found, str(path), EvaluationError, _HINT)

"""``training.json``, typed: what a run says of the model that it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator

from synpic.errors import SynpicError
from synpic.readers.json_models import Record, parse_json, validate
from synpic.recipe.toml import write_toml

__all__ = ["FACTS", "StepEvaluation", "StepMetric", "TrainingFacts", "read_training"]

FACTS = "training.json"
"""What ``synpic train`` leaves beside a model: everything its card says and more, for machines."""

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class _Labels(Record):
    labels: str | list[str]


class _Chosen(Record):
    name: str
    beta: float | None = None


class _Objective(Record):
    """What an objective declared when it trained: a card is made without its code."""

    title: str
    summary: str = ""
    uses_beta: bool
    package: str | None = None
    version: str | None = None
    source: str | None = None


class _Tuning(Record):
    method: Literal["lora", "full"]
    rank: Count | None = None

    @model_validator(mode="after")
    def _has_rank(self) -> Self:
        if self.rank is None and self.method == "lora":
            raise ValueError("rank is missing, which lora needs")
        return self


class _Optimizer(Record):
    name: str
    learning_rate: float
    schedule: str
    warmup_steps: Count


class _Run(Record):
    precision: Literal["no", "fp16", "bf16"]


class _Recipe(Record):
    """What a card shows of a recipe; the whole of it is written as TOML."""

    seed: Count
    data: _Labels
    objective: _Chosen
    tuning: _Tuning
    optimizer: _Optimizer
    run: _Run


class _Model(Record):
    checkpoint: str
    repository: str | None = None
    commit: str | None = None
    variant: str | None = None
    sha256: str | None = None


class _Dataset(Record):
    name: str
    commit: str | None
    config: str | None
    split: str
    version: str | None
    prompts: Count
    images: Count
    without_preference: Count
    same_picture: Count = 0
    rewards: dict[str, str] | None = None
    """Name → fingerprint of those that ranked it; None where it is not known."""
    judges: dict[str, str] = Field(default_factory=dict)
    """Of rewards that are forms of a judge: what decides its verdicts, as a hash → the judge."""


class _File(Record):
    bytes: Count
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class StepMetric(Record):
    """What one judge or reward says of the model after a step.

    Args:
        mean, base: of the model, and of the model before the first step; None without a value.
        difference, low, high: of the paired difference and its interval of 95 %.
        missing: images without a value.
        trail: whether it labelled what the model learns from.
    """

    mean: float | None
    base: float | None
    difference: float | None
    low: float | None
    high: float | None
    missing: Count
    trail: str


class StepEvaluation(Record):
    """An evaluation on the way.

    Args:
        step: after which.
        suite, version: of the prompts.
        prompts: how many.
        metrics: by name.
        drawn: how all models were drawn, in a line; "" in what an earlier synpic wrote.
    """

    step: Count
    suite: str
    version: str
    prompts: Count
    metrics: dict[str, StepMetric]
    drawn: str = ""

    @property
    def words(self) -> str:
        """In a line."""
        parts = []
        for name, one in self.metrics.items():
            mean = "no value" if one.mean is None else f"{one.mean:.3f}"
            change = "" if one.difference is None else f" ({one.difference:+.3f})"
            parts.append(f"{name} {mean}{change}")
        return f"{self.suite} after step {self.step}: {', '.join(parts)}"


class TrainingFacts(Record):
    """Everything that ``training.json`` must have for a card, and for loading the model."""

    synpic: str
    recipe: _Recipe
    objective: _Objective | None = None
    """None in what an earlier synpic wrote."""
    family: str
    family_code: dict[str, str] = Field(default_factory=dict)
    """Of a family that synpic does not bring: what tells one version of it from the next."""
    saved: Literal["lora", "pipeline"]
    lora_mixin: bool
    absent: list[str] = Field(default_factory=list)
    model: _Model
    dataset: _Dataset
    steps: Count
    prompts_per_step: Count
    metrics: dict[str, float]
    environment: dict[str, Any]
    files: Annotated[dict[str, _File], Field(min_length=1)]
    evaluations: list[StepEvaluation] = Field(default_factory=list)
    """On the way, in the order of steps; the model is the last step's, whichever was best."""

    @model_validator(mode="after")
    def _has_beta(self) -> Self:
        chosen = self.recipe.objective
        if self.objective is not None and self.objective.uses_beta and chosen.beta is None:
            raise ValueError(f"recipe.objective.beta is missing, which {chosen.name} needs")
        return self


def read_training(
    data: bytes, where: str, *, error: type[SynpicError], hint: str
) -> Mapping[str, Any]:
    """What ``training.json`` holds, with all that a card needs there and of its type.

    Args:
        where: the file's name, for messages.
        error: what is raised.
        hint: what to do about a file that is not valid.

    Raises:
        SynpicError: an ``error`` that names ``where`` and each key that is wrong.
    """
    found = parse_json(data, where, error=error, hint=hint)
    validate(TrainingFacts, found, where, error, hint)
    try:
        write_toml(found["recipe"])
    except (TypeError, ValueError, AttributeError) as raised:
        raise error(f"{where}: recipe: cannot be written as TOML: {raised}", hint=hint) from raised
    return cast("Mapping[str, Any]", found)

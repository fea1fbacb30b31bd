"""A training recipe: which model learns what from which rankings, as TOML.

It has the shape of a dataset's recipe, and the model in it is spelt as there: a registered name, or
a checkpoint with the settings that draw with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from synpic.errors import SynpicError
from synpic.recipe import Name
from synpic.recipe.settings import ModelSettings, Place, Size
from synpic.recipe.toml import Table, read_toml
from synpic.train.objective import find_objective

__all__ = [
    "DataSettings",
    "EvaluateSettings",
    "NoiseSettings",
    "ObjectiveSettings",
    "OptimizerSettings",
    "RunSettings",
    "SampleSettings",
    "TrainRecipe",
    "TuningSettings",
    "parse_train_recipe",
]

Positive = Annotated[int, Field(ge=1, le=10**9)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _labels(value: Any) -> Any:
    if value in ("published", "random") or (value and isinstance(value, list)):
        return value
    example = f'["{value}"]' if isinstance(value, str) else '["hpsv2"]'
    raise ValueError(f'"published", "random", or rewards by name in a list, as {example}')


def _written(value: Any) -> Any:
    # --set data.size=512 is a number; what is wrong with it is for the size to say.
    return str(value) if isinstance(value, int | float) else value


def _objective(name: str) -> str:
    try:
        find_objective(name)
    except SynpicError as error:
        raise ValueError(f"{error.message} ({error.hint})" if error.hint else str(error)) from error
    return name


class DataSettings(Table):
    """Which rankings are learnt from."""

    dataset: Place
    """A ranked dataset or one with Pick-a-Pic's columns: on the Hub, or a folder."""
    revision: str | None = None
    """Branch, tag or commit of one on the Hub; written into the model's card as a commit."""
    config: str | None = None
    """Which of its tables; ``ranked`` of a synpic release where it is not given."""
    split: str = "train"
    count: Positive | None = None
    """Take this many prompts, from the first on; all where it is not given."""
    labels: Annotated[
        Literal["published", "random"] | Annotated[list[Name], Field(min_length=1)],
        BeforeValidator(_labels),
    ] = "published"
    """What ranks: the published preference; chance (a control); or rewards, by name, anew."""
    size: Annotated[Size, BeforeValidator(_written)] | None = None
    """Bring all images to this size, "WIDTHxHEIGHT"; each prompt's own where it is not given."""
    caption_dropout: Share = 0.0
    """Share of prompts emptied, so that guidance keeps its other half."""
    flip: bool = False
    """Mirror images at random. It falsifies "left of"."""


class ObjectiveSettings(Table):
    """What is minimised (docs/training-objectives.md has the equations)."""

    name: Annotated[str, AfterValidator(_objective)] = "rankdpo"
    """A registered objective (``synpic list objectives``), or package.module:callable."""
    beta: Annotated[float, Field(gt=0)] = 5000.0
    """Strength of the pull to the reference, on the mean over elements and with Diffusion-DPO's
    factor one half, so that its figures carry over. Fine-tuning (``sft``) takes none."""

    @property
    def ignored(self) -> set[str]:
        """The keys that it sets and the objective does not read."""
        # Only then is the objective looked at: its module imports torch.
        differ = _differing(self) & {"beta"}
        return set() if not differ or find_objective(self.name).uses_beta else differ


class NoiseSettings(Table):
    """How images are noised. What is not given is as the family was trained."""

    share: bool = True
    """One noise for all images of a prompt, as Diffusion-DPO's code; false: one for each image, as
    RankDPO is written. The timestep is always shared."""
    density: Literal["uniform", "logit-normal"] | None = None
    mean: float | None = None
    std: Annotated[float, Field(gt=0)] | None = None
    """Of the logit-normal density of noise levels (Esser et al., arXiv 2403.03206, §3.1)."""
    shift: Annotated[float, Field(gt=0)] | None = None
    """Of the noise level towards more noise; the checkpoint's scheduler's where not given."""


class TuningSettings(Table):
    """What of the model is trained."""

    method: Literal["lora", "full"] = "lora"
    rank: Positive = 16
    alpha: Positive | None = None
    """Scale of the adapters over their rank; equal to the rank where it is not given."""
    targets: list[str] | None = None
    """Layers that get an adapter, by the end of their names; the family's where not given."""


class OptimizerSettings(Table):
    """How steps are taken."""

    name: Literal["adamw", "adamw-8bit", "adafactor"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    betas: Annotated[tuple[Decay, Decay], Field(strict=False)] = (0.9, 0.999)
    """Of Adam, how much of its two means a step keeps."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; 0 for any."""


class RunSettings(Table):
    """How long, how much at once, what is kept."""

    steps: Positive
    """Steps of the optimizer."""
    batch_size: Positive = 1
    """Prompts on one device at once, each with all its images."""
    accumulation: Positive = 1
    """Batches to a step; prompts to a step = batch_size · accumulation · processes."""
    precision: Literal["no", "fp16", "bf16"] = "no"
    """Mixed precision of accelerate."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them."""
    save_every: Positive = 200
    """Steps between checkpoints to resume from."""
    keep: Positive = 2
    """How many of them stay."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processes that read batches ahead."""
    track: list[Literal["tensorboard", "wandb"]] = []
    save: Literal["lora", "pipeline"] | None = None
    """What comes out; where not given, adapters alone for lora and a pipeline for full."""


class SampleSettings(Table):
    """Pictures on the way, of the same prompts from the same seeds."""

    every: Positive | None = None
    """Steps between them; none where it is not given."""
    prompts: list[str] = []
    """The first of the dataset where none are given."""
    count: Positive = 8
    """How many of the dataset's."""
    in_card: bool | None = None
    """Whether the model's card shows them, before and after; if the prompts are of this recipe or
    the dataset is on the Hub, where it is not given. Prompts of a private set stay private."""


class EvaluateSettings(Table):
    """Evaluations on the way, of the model as it is then against the model before the first step.

    They are made of prompts that are set aside for them (docs/training-evaluations.md).
    """

    every: Positive | None = None
    """Steps between them, and after the last; none where it is not given."""
    suite: str | None = None
    """A suite of ``synpic list suites``, or a file of one's own."""
    limit: Positive = 100
    """Prompts of it, in equal shares of its tags: the same at every checkpoint."""
    judges: Annotated[list[str], Field(min_length=1)] | None = None
    """The suite's own where not given."""
    rewards: list[str] = []
    """Registered rewards to score with as well."""


_FOR_DRAWING = {
    *("sizes", "samples", "batch_size"),
    *("prior", "prior_revision", "adapters", "components", "without", "allow"),
    *("offload", "vae_slicing", "vae_tiling", "channels_last", "compile"),
}


def _without_drawing(settings: ModelSettings) -> ModelSettings:
    for key in sorted(_FOR_DRAWING & _differing(settings)):
        raise ValueError(f"{key}: it is for drawing a dataset, and training would ignore it")
    return settings


def _differing(table: Table) -> set[str]:
    """The keys that say something else than if they were left out, as a recipe in JSON has all."""
    fields = type(table).model_fields.items()
    return {name for name, field in fields if getattr(table, name) != field.default}


class TrainRecipe(Table):
    """Everything that decides a run."""

    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    model: Annotated[ModelSettings, AfterValidator(_without_drawing)]
    data: DataSettings
    objective: ObjectiveSettings = ObjectiveSettings()
    noise: NoiseSettings = NoiseSettings()
    tuning: TuningSettings = TuningSettings()
    optimizer: OptimizerSettings
    run: RunSettings
    samples: SampleSettings = SampleSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        optimizer = self.optimizer
        if self.tuning.method == "full" and self.run.save == "lora":
            raise ValueError("run.save: there is no adapter to save when all weights are trained")
        if optimizer.warmup_steps >= self.run.steps:
            raise ValueError(
                f"optimizer.warmup_steps: {optimizer.warmup_steps} of run.steps = {self.run.steps} "
                "leave none at the full rate"
            )
        if self.evaluate.every is not None and self.evaluate.suite is None:
            raise ValueError(
                "evaluate.suite: name the suite to evaluate by; `synpic list suites` shows them"
            )
        without = [
            ("tuning.method", self.tuning, "full", {"rank", "alpha", "targets"}),
            ("objective.name", self.objective, self.objective.name, self.objective.ignored),
            ("optimizer.name", optimizer, "adafactor", {"betas"}),
            ("samples.every", self.samples, None, {"prompts", "count"}),
            ("evaluate.every", self.evaluate, None, {"suite", "limit", "judges", "rewards"}),
        ]
        for where, table, value, ignored in without:
            name, _, key = where.partition(".")
            for one in sorted(ignored & _differing(table)) if getattr(table, key) == value else ():
                what = f'{where} = "{value}"' if value else f"no {where}"
                raise ValueError(
                    f"{name}.{one}: with {what} it would be ignored; leave it out "
                    f"(--set {name}.{one}= does)"
                )
        return self

    @property
    def saves(self) -> str:
        """What comes out: "lora" or "pipeline"."""
        return self.run.save or ("lora" if self.tuning.method == "lora" else "pipeline")

    @property
    def resume_inputs(self) -> dict[str, Any]:
        """What decides the curve: a run is resumed only with these unchanged.

        More steps may be added, but to a learning rate that ends with them.
        """
        run = _NOT_DECIDING
        if self.optimizer.schedule != "constant":
            run = run - {"steps"}
        kept = self.model_dump(mode="json", exclude={"samples": True, "evaluate": True, "run": run})
        return dict(kept)


_NOT_DECIDING = {
    "steps",
    "batch_size",  # times processes it does, which the loop knows
    "gradient_checkpointing",
    "save_every",
    "keep",
    "workers",
    "track",
    "save",
}


def parse_train_recipe(
    text: str | bytes, where: str = "train.toml", changes: Sequence[str] = ()
) -> TrainRecipe:
    """Read a training recipe.

    Args:
        changes: "optimizer.learning_rate=1e-5" each, put over what ``text`` says.

    Raises:
        RecipeError: for any text that is no valid one, with every mistake on a line of its own.
    """
    return read_toml(
        TrainRecipe,
        text,
        where,
        hint="`synpic train --show rankdpo-sdxl` prints a commented one",
        changes=changes,
    )

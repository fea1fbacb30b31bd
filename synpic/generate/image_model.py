"""A model: a checkpoint with the settings that decide its pixels, at one size, under a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from synpic import ids
from synpic.errors import RecipeError, UnknownName
from synpic.generate.checkpoint import Checkpoint
from synpic.generate.sources import Sources, resolve_sources
from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.recipe import Recipe
from synpic.recipe.settings import ImageSettings, ModelSettings, written_size
from synpic.registry import FAMILIES, MODELS
from synpic.workspace import Snapshot, Workspace

__all__ = [
    "KnownModel",
    "Model",
    "check_models",
    "complete",
    "decided_by",
    "resolve_model",
    "sizes_of",
    "wanted",
]

DEFAULT_BATCH = 8


@dataclass(frozen=True)
class KnownModel:
    """An entry of the registry of models: a checkpoint and the settings its makers recommend.

    Args:
        settings: what a recipe starts from, and may override key by key.
        licence: as its makers' page states it, where that has been seen; else None.
        source: where the settings are from.
    """

    settings: ModelSettings
    licence: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Model:
    """One model at one size, ready to be opened.

    Args:
        name: the recipe's name for it.
        settings: complete: what the recipe leaves out is filled in from the registry.
        width, height: in pixels; None where the pipeline's own size is drawn.
        images: how its images are encoded.
        checkpoint: resolved.
        source_hash: of the code of a family that is written out as module:Class.
        sources: what of its weights is from elsewhere, resolved.
        variant_inherited: from a registered model, by a recipe that names another checkpoint.
    """

    name: str
    settings: ModelSettings
    width: int | None
    height: int | None
    images: ImageSettings
    checkpoint: LockEntry
    source_hash: str | None = None
    sources: Sources = field(default_factory=Sources)
    variant_inherited: bool = False

    @property
    def family(self) -> str:
        """How to draw with it: a name in the registry of families."""
        return self.settings.family or "auto"

    @property
    def batch_size(self) -> int:
        """Images drawn at once."""
        return self.settings.batch_size or DEFAULT_BATCH

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """Everything that decides the pixels of one image, and nothing else.

        A key of None counts for nothing: a setting that is added later, and not used, changes no
        fingerprint.
        """
        return {
            **decided_by(self.settings, self.width, self.height, self.images),
            "source": self.source_hash,
            "checkpoint": checkpoints.identity(self.checkpoint),
            **self.sources.fingerprint_inputs(self.settings),
        }

    @cached_property
    def fingerprint(self) -> str:
        """The hash of :attr:`fingerprint_inputs`."""
        return ids.fingerprint(self.fingerprint_inputs)

    @property
    def folder(self) -> str:
        """Where its candidates lie in a workspace."""
        return f"candidates/{self.name}-{ids.short(self.fingerprint)}"

    @property
    def size(self) -> str | None:
        """As "1280x768"; None where the pipeline's own size is drawn."""
        return written_size(self.width, self.height)

    def located(self, workspace: Workspace) -> tuple[ModelSettings, str, str | None]:
        """What a family is made of: settings, and where the checkpoint is (a place, a commit).

        A variant that was registered for another checkpoint is asked of a folder only where it has
        such files: what `synpic train` wrote, for one, has none.

        Raises:
            CheckpointError: a folder or file is gone.
        """
        location, commit = checkpoints.load_from(workspace.folder, self.checkpoint)
        settings = self.sources.located(workspace, self.settings)
        if self.variant_inherited and commit is None:
            there = Checkpoint(location, commit)
            if not there.has_variant(str(settings.variant)):
                settings = settings.model_copy(update={"variant": None})
        return settings, location, commit

    def wanted(self, recipe: Recipe, prompts: pl.DataFrame) -> pl.DataFrame:
        """What :func:`wanted` gives, with the columns ``model`` and ``place`` (null)."""
        return wanted(recipe, self, prompts).with_columns(
            model=pl.lit(self.name), place=pl.lit(None, pl.String)
        )


def decided_by(
    settings: ModelSettings, width: int | None, height: int | None, images: ImageSettings
) -> dict[str, Any]:
    """What of :attr:`Model.fingerprint_inputs` a recipe says by itself, without weights and code.

    Args:
        settings: complete.
        width, height: in pixels; None for the pipeline's own size.
    """
    return {
        "family": settings.family or "auto",
        "variant": settings.variant,
        "scheduler": settings.scheduler,
        "scheduler_options": settings.scheduler_options or None,
        "steps": settings.steps,
        "guidance": None if settings.guidance is None else float(settings.guidance),
        "negative_prompt": settings.negative_prompt,
        "size": None if width is None else [width, height],
        "dtype": settings.dtype or "float32",
        "call": settings.call or None,
        "images": images.fingerprint_inputs,
        "vae_tiling": settings.vae_tiling or None,
    }


def complete(name: str, settings: ModelSettings, beside: Path | None = None) -> ModelSettings:
    """``settings`` over those of the registered model they start from, if any.

    Key by key; ``call``, ``scheduler_options`` and ``components`` are tables of keys themselves.
    What says where weights are goes together: who gives a checkpoint takes no revision and no prior
    from the registry, and who gives a prior takes no revision of another. A variant of "" is none.

    Args:
        beside: a folder in which modules of one's own are looked for too: the workspace's.

    Raises:
        UnknownName: ``model`` names nothing.
        RecipeError: there is no checkpoint to load.
    """
    registered = settings.model or (name if name in MODELS else None)
    if registered is None:
        if settings.checkpoint is None:
            known = ", ".join(MODELS.names())
            raise RecipeError(
                f"models.{name}: checkpoint is missing, and no registered model is called {name!r}",
                hint=f'give checkpoint = "owner/name" or a folder; or model = one of {known}',
            )
        return _with_variant(settings)
    entry = MODELS.load(registered, beside)
    if not isinstance(entry, KnownModel):
        raise RecipeError(
            f"models.{name}: {registered} is a {type(entry).__name__}, not a registered model",
            hint="name a KnownModel, or give a checkpoint of its own",
        )
    given = {key: getattr(settings, key) for key in settings.model_fields_set}
    for key in ("call", "scheduler_options", "components"):
        given[key] = {**getattr(entry.settings, key), **given.get(key, {})}
    for key, bound in _PLACES.items():
        if getattr(settings, key) is not None:
            given = {**dict.fromkeys(bound), **given}
    return _with_variant(entry.settings.model_copy(update=given))


def _with_variant(settings: ModelSettings) -> ModelSettings:
    return settings.model_copy(update={"variant": None}) if settings.variant == "" else settings


_PLACES = {
    "checkpoint": ("revision", "prior", "prior_revision"),
    "prior": ("prior_revision",),
}
"""Key that says where weights are → keys that mean nothing beside another of it."""


def resolve_model(name: str, snapshot: Snapshot) -> list[Model]:
    """The model that a recipe calls ``name``, once for each size, with its checkpoint resolved.

    Raises:
        UnknownName: no registry knows it, or its family.
        CheckpointError: its checkpoint, or another that it takes weights from, cannot be resolved.
        RecipeError: it has none.
    """
    written = snapshot.recipe.models[name]
    settings = complete(name, written, snapshot.workspace.folder)
    try:
        family = FAMILIES.load(settings.family or "auto", snapshot.workspace.folder)
    except UnknownName as error:
        raise UnknownName(f"models.{name}.family: {error.message}", hint=error.hint) from error
    if not callable(getattr(family, "draw", None)):
        raise RecipeError(
            f"models.{name}.family: {settings.family} is no family: it has no `draw`",
            hint="name a class as synpic.generate.family describes it",
        )
    source = ids.source_hash(family) if ":" in (settings.family or "") else None
    checkpoint = checkpoints.resolve(snapshot.lock, str(settings.checkpoint), settings.revision)
    sources = resolve_sources(snapshot.lock, settings, f"models.{name}")
    own = written.checkpoint is not None and "variant" not in written.model_fields_set
    inherited = own and settings.variant is not None
    images = snapshot.recipe.images
    return [
        Model(name, settings, width, height, images, checkpoint, source, sources, inherited)
        for width, height in sizes_of(settings)
    ]


def check_models(recipe: Recipe, models: Sequence[Model]) -> None:
    """Refuse models that cannot make a ranking, or be compared.

    Raises:
        RecipeError: two of them would draw the same images, or no prompt can have two and has to.
    """
    seen: dict[str, str] = {}
    for model in models:
        twin = seen.setdefault(model.fingerprint, model.name)
        if twin != model.name and recipe.shared_seeds:
            raise RecipeError(
                f"models.{model.name} and models.{twin} are the same: they would draw equal images",
                hint="change a setting of one, raise `samples` of the other, or set "
                "shared_seeds = false",
            )
    # Judges need no second image.
    judged = recipe.judges or recipe.suite is not None
    if sum(model.settings.samples for model in models) < 2 and not judged:
        raise RecipeError(
            "no prompt can have two images: there is one model, with one sample and one size",
            hint="add a model, or set samples = 2: a ranking needs at least two images a prompt",
        )


class _Drawn(Protocol):
    """What decides which images are wanted of a model."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def settings(self) -> ModelSettings: ...


def wanted(recipe: Recipe, model: _Drawn, prompts: pl.DataFrame) -> pl.DataFrame:
    """Every image ``recipe`` wants of ``model``, in the fixed order in which it is drawn.

    Args:
        prompts: with ``prompt_id`` and ``prompt``, in the order of their source.

    Returns:
        candidate_id, prompt_id, prompt, sample, seed, and ``batch``: images with one number are
        drawn together. Batches are cut from the list of what is wanted, never of what is missing,
        so that an image is drawn in the same batch before and after a kill. Samples are cut
        apart, so that more prompts or more samples leave earlier batches as they were.
    """
    salt = "" if recipe.shared_seeds else model.name
    fingerprint, size, samples = model.fingerprint, model.batch_size, model.settings.samples
    prompt_ids = prompts["prompt_id"].to_list()
    names: list[str] = []
    numbers: list[int] = []
    drawn: list[tuple[int, int, int]] = []
    for block, start in enumerate(range(0, len(prompt_ids), size)):
        for sample in range(samples):
            for number in range(start, min(start + size, len(prompt_ids))):
                prompt_id = prompt_ids[number]
                seed = ids.seed_of(recipe.seed, prompt_id, sample, salt)
                names.append(ids.candidate_id(prompt_id, fingerprint, sample, seed))
                numbers.append(number)
                drawn.append((sample, seed, block * samples + sample))
    order = pl.Series(numbers, dtype=pl.UInt32())
    return pl.DataFrame({"candidate_id": names}, {"candidate_id": pl.String}).with_columns(
        prompts["prompt_id"].gather(order),
        prompts["prompt"].gather(order),
        *pl.DataFrame(drawn, _DRAWN, orient="row"),
    )


_DRAWN = {"sample": pl.Int32, "seed": pl.Int64, "batch": pl.Int64}


def sizes_of(settings: ModelSettings) -> Iterable[tuple[int | None, int | None]]:
    """(width, height) in pixels of every size, each once; (None, None) for the pipeline's own."""
    if settings.sizes is None:
        yield None, None
        return
    for size in dict.fromkeys(settings.sizes):
        width, _, height = size.partition("x")
        yield int(width), int(height)

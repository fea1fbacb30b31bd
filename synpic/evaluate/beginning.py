"""The recipe that options on the command line amount to, where an evaluation begins from nothing.

A model is named as a user has it at hand: a registered model, a repository, a folder that diffusers
opens, or what ``synpic train`` wrote, whose adapters are laid over the checkpoint they belong to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.asked_suite import AskedSuite, named_tables
from synpic.evaluate.existing_images import LINKS
from synpic.generate.image_model import KnownModel
from synpic.ingest.names import name_models
from synpic.recipe.toml import toml_value
from synpic.registry import MODELS
from synpic.release.cards.training import FACTS, read_training

__all__ = [
    "AskedModel",
    "ask_model",
    "evaluation_recipe",
    "images_recipe",
]

_TRAINED = "model"
"""The folder of a run of ``synpic train`` that holds the model."""

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class AskedModel:
    """A model to compare.

    Args:
        label: what to call it.
        registered: the registered model that it starts from, if one is named or known.
        place: a folder or repository, which a registered model can do without.
        adapters: whether ``place`` holds adapters alone.
        trained_from: the registered model, or the checkpoint, that ``place`` was trained from,
            where its record says so.
    """

    label: str
    registered: str | None = None
    place: str | None = None
    adapters: bool = False
    trained_from: str | None = None


def ask_model(text: str) -> AskedModel:
    """What ``text`` names: a model, or ``NAME=MODEL``.

    Raises:
        EvaluationError: it is nothing that could draw; or its record of training cannot be read.
    """
    label, equals, place = text.partition("=")
    if not equals or Path(text).expanduser().is_dir():
        label, place = "", text
    if place in MODELS.names():
        return AskedModel(label or place, registered=place)
    folder = Path(place).expanduser()
    if folder.is_dir():
        return _folder(label, folder)
    if _REPOSITORY.fullmatch(place):
        name = place.partition("@")[0].rpartition("/")[2]
        return AskedModel(label or name, place=place)
    raise EvaluationError(
        f"{place!r} is no registered model, no folder and no repository."
        f"{did_you_mean(place, MODELS.names())}",
        hint="name a model of `synpic list models`, owner/name on the Hub, a folder that diffusers "
        "opens, or one that `synpic train` wrote; NAME=MODEL gives it a name",
    )


def _folder(label: str, folder: Path) -> AskedModel:
    named = folder.resolve().name
    if not (folder / FACTS).exists() and (folder / _TRAINED / FACTS).exists():
        folder = folder / _TRAINED
    elif named == _TRAINED and (folder / FACTS).exists():
        named = folder.resolve().parent.name
    if not (folder / FACTS).exists():
        if not (folder / "model_index.json").exists():
            raise EvaluationError(
                f"{folder}: it holds no model_index.json, and no {FACTS}",
                hint="name a folder that diffusers opens, or one that `synpic train` wrote",
            )
        return AskedModel(label or named, place=str(folder))
    hint = f"`synpic train` writes {FACTS}: train the model again"
    try:
        data = (folder / FACTS).read_bytes()
    except OSError as error:
        raise EvaluationError(f"{folder / FACTS}: cannot be read: {error}", hint=hint) from error
    facts = read_training(data, str(folder / FACTS), error=EvaluationError, hint=hint)
    return AskedModel(
        label or named,
        place=str(folder),
        adapters=facts["saved"] == "lora",
        trained_from=_origin(facts),
    )


def _origin(facts: Mapping[str, Any]) -> str:
    """The registered model that was trained, or else the checkpoint."""
    registered = facts["recipe"].get("model", {}).get("model")
    if registered in MODELS.names():
        return str(registered)
    repository = facts["model"].get("repository")
    return str(repository or facts["model"]["checkpoint"])


def evaluation_recipe(
    folder: Path | None, *, models: Sequence[AskedModel], base: AskedModel | None, suite: AskedSuite
) -> str:
    """The text of a recipe.

    Args:
        folder: where it will lie; files and folders are named from there. None: with their whole
            paths, for a recipe that stays in memory.
        models: to compare with the base.
        base: what they are compared with; what the first was trained from if None.

    Raises:
        EvaluationError: no base is named or known.
    """
    base = base or _known_base(models)
    names = name_models([base.label, *(model.label for model in models)], {})
    if len(names) < 1 + len(models):
        raise EvaluationError(
            f"two models are called {_twice([base, *models])!r}",
            hint="give one a name: NAME=MODEL",
        )
    lines = _beginning(suite, folder)
    for model in (base, *models):
        lines += _model(model, str(names[model.label]), base, folder)
    return _ended(lines, suite, str(names[base.label]))


def images_recipe(
    folder: Path | None, *, models: Sequence[str], base: str | None, suite: AskedSuite
) -> str:
    """The text of a recipe for images that exist already.

    Args:
        folder: as in :func:`evaluation_recipe`.
        models: what drew them, in names that a recipe can have.
        base: one of them; the first if None.

    Raises:
        EvaluationError: ``base`` is none of them.
    """
    if base is not None and base not in models:
        raise EvaluationError(
            f"--base {base}: no --images are called so.{did_you_mean(base, models)}",
            hint=f"there are: {', '.join(models)}",
        )
    lines = [
        *_beginning(suite, folder),
        "",
        "[ingest]",
        f"images = {toml_value(LINKS)}",
        "follow_links = true",
        'prompt = "prompt"',
        'model = "model"',
        "labels = false",
        "keep = []",
    ]
    return _ended(lines, suite, base or models[0])


def _beginning(suite: AskedSuite, folder: Path | None) -> list[str]:
    """Up to the end of [suite]."""
    lines = [
        "# An evaluation. Edit it and run `synpic eval` again: what is missing is drawn and",
        "# judged, and nothing is done twice.",
        "[suite]",
        f"name = {toml_value(suite.name)}"
        if suite.name is not None
        else f"file = {toml_value(_path(str(suite.file), folder))}",
    ]
    return lines if suite.limit is None else [*lines, f"limit = {suite.limit}"]


def _ended(lines: Sequence[str], suite: AskedSuite, base: str) -> str:
    """``lines`` and the tables of what looks at images, as a text."""
    every = [
        *lines,
        *_tables("judge", suite.judges),
        *_tables("reward", {reward: {} for reward in suite.rewards}),
        "",
        "[compare]",
        f"base = {toml_value(base)}",
    ]
    return "\n".join(every) + "\n"


def _tables(kind: str, registered: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Their lines; what a table's name says already is left out."""
    lines = []
    for name, table in named_tables(kind, registered).items():
        lines += ["", f"[{kind}s.{name}]"]
        lines += [
            f"{key} = {toml_value(value)}"
            for key, value in table.items()
            if value not in (name, None)
        ]
    return lines


def _known_base(models: Sequence[AskedModel]) -> AskedModel:
    origin = models[0].trained_from if models else None
    if origin is None:
        raise EvaluationError(
            "nothing says what to compare with",
            hint="name the base: --base MODEL",
        )
    try:
        return ask_model(_registered_as(origin) or origin)
    except EvaluationError as error:
        raise EvaluationError(
            f"{models[0].label} was trained from {origin!r}, which is not found from here",
            hint="name the base: --base MODEL",
        ) from error


def _registered_as(checkpoint: str) -> str | None:
    """The registered model whose checkpoint that is."""
    for name in MODELS.builtin:
        entry = MODELS.load(name)
        if isinstance(entry, KnownModel) and entry.settings.checkpoint == checkpoint:
            return name
    return None


def _twice(models: Sequence[AskedModel]) -> str:
    labels = [model.label for model in models]
    return next(label for label in labels if labels.count(label) > 1)


def _model(model: AskedModel, name: str, base: AskedModel, folder: Path | None) -> list[str]:
    lines = ["", f"[models.{name}]"]
    # What was trained from a registered model is drawn with its settings.
    registered = model.registered or base.registered
    if registered is not None and registered != name:
        lines.append(f"model = {toml_value(registered)}")
    if model.place is None:
        return lines
    if not model.adapters:
        return [*lines, *_checkpoint(model.place, folder)]
    if registered is None:
        lines += _checkpoint(base.place or str(model.trained_from), folder)
    return [*lines, "", f"[[models.{name}.adapters]]", *_checkpoint(model.place, folder)]


def _checkpoint(place: str, folder: Path | None) -> list[str]:
    """The keys that say where it is; a folder as from the recipe."""
    if Path(place).exists():
        return [f"checkpoint = {toml_value(_path(place, folder))}"]
    repository, _, revision = place.partition("@")
    lines = [f"checkpoint = {toml_value(repository)}"]
    return [*lines, f"revision = {toml_value(revision)}"] if revision else lines


def _path(place: str, folder: Path | None) -> str:
    # Of real paths: a way up from a link leads elsewhere than its name says.
    whole = os.path.realpath(Path(place).expanduser())
    return os.path.relpath(whole, os.path.realpath(folder)) if folder else whole

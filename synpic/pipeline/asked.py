"""Models, judges and rewards as command-line options name them, and their tables in a recipe.

A model is named as a user has it at hand: a registered model, a repository, a folder that diffusers
opens, or what ``synpic train`` wrote, whose adapters are laid over the checkpoint they belong to.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import EvaluationError, StorageError, SynpicError, did_you_mean
from synpic.ingest.names import name_models
from synpic.recipe.toml import toml_value
from synpic.registry import MODELS
from synpic.release.cards.training import FACTS, read_training

__all__ = [
    "AskedModel",
    "ask_model",
    "bring_modules",
    "is_repository",
    "model_names",
    "model_tables",
    "named_tables",
    "path_from",
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


def ask_model(text: str, *, error: type[SynpicError] = EvaluationError) -> AskedModel:
    """What ``text`` names: a model, or ``NAME=MODEL``.

    Args:
        error: what is raised.

    Raises:
        SynpicError: an ``error``: it is nothing that could draw; or its record of training cannot
            be read.
    """
    label, equals, place = text.partition("=")
    if not equals or Path(text).expanduser().is_dir():
        label, place = "", text
    if place in MODELS.names():
        return AskedModel(label or place, registered=place)
    folder = Path(place).expanduser()
    if folder.is_dir():
        return _folder(label, folder, error)
    if is_repository(place):
        name = place.partition("@")[0].rpartition("/")[2]
        return AskedModel(label or name, place=place)
    raise error(
        f"{place!r} is no registered model, no folder and no repository."
        f"{did_you_mean(place, MODELS.names())}",
        hint="name a model of `synpic list models`, owner/name on the Hub, a folder that diffusers "
        "opens, or one that `synpic train` wrote; NAME=MODEL gives it a name",
    )


def _folder(label: str, folder: Path, error: type[SynpicError]) -> AskedModel:
    named = folder.resolve().name
    if not (folder / FACTS).exists() and (folder / _TRAINED / FACTS).exists():
        folder = folder / _TRAINED
    elif named == _TRAINED and (folder / FACTS).exists():
        named = folder.resolve().parent.name
    if not (folder / FACTS).exists():
        if not (folder / "model_index.json").exists():
            raise error(
                f"{folder}: it holds no model_index.json, and no {FACTS}",
                hint="name a folder that diffusers opens, or one that `synpic train` wrote",
            )
        return AskedModel(label or named, place=str(folder))
    hint = f"`synpic train` writes {FACTS}: train the model again"
    try:
        data = (folder / FACTS).read_bytes()
    except OSError as raised:
        raise error(f"{folder / FACTS}: cannot be read: {raised}", hint=hint) from raised
    facts = read_training(data, str(folder / FACTS), error=error, hint=hint)
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


def model_names(
    models: Sequence[AskedModel], hint: str, *, error: type[SynpicError]
) -> dict[str | None, str]:
    """Label → the name of its table, of models in their order.

    Args:
        hint: what to do where two have one label.
        error: what is raised.

    Raises:
        SynpicError: an ``error``: two models have one label.
    """
    labels = [model.label for model in models]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise error(f"two models are called {twice!r}", hint=hint)
    return name_models(labels, {})


def is_repository(text: str) -> bool:
    """Whether ``text`` is written as ``owner/name`` or ``owner/name@revision``."""
    return _REPOSITORY.fullmatch(text) is not None


def model_tables(
    model: AskedModel, name: str, folder: Path | None, base: AskedModel | None = None
) -> list[str]:
    """The lines of the recipe's table of a model, and of its adapters.

    Args:
        name: the table's.
        folder: where the recipe will lie; files and folders are named from there. None: with their
            whole paths.
        base: what ``model`` was trained from, where its adapters belong to it.
    """
    lines = ["", f"[models.{name}]"]
    # What was trained from a registered model is drawn with its settings.
    registered = model.registered or (base and base.registered)
    if base is None and model.trained_from in MODELS.names():
        registered = model.trained_from
    if registered is not None and registered != name:
        lines.append(f"model = {toml_value(registered)}")
    if model.place is None:
        return lines
    if not model.adapters:
        return [*lines, *_checkpoint(model.place, folder)]
    if registered is None:
        lines += _checkpoint((base and base.place) or str(model.trained_from), folder)
    return [*lines, "", f"[[models.{name}.adapters]]", *_checkpoint(model.place, folder)]


def _checkpoint(place: str, folder: Path | None) -> list[str]:
    """The keys that say where it is; a folder as from the recipe."""
    if Path(place).exists():
        return [f"checkpoint = {toml_value(path_from(folder, place))}"]
    repository, _, revision = place.partition("@")
    lines = [f"checkpoint = {toml_value(repository)}"]
    return [*lines, f"revision = {toml_value(revision)}"] if revision else lines


def path_from(folder: Path | None, place: str) -> str:
    """``place`` as a recipe in ``folder`` names it; its whole path if there is none."""
    # Of real paths: a way up from a link leads elsewhere than its name says.
    whole = os.path.realpath(Path(place).expanduser())
    return os.path.relpath(whole, os.path.realpath(folder)) if folder else whole


def named_tables(
    kind: str, registered: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The recipe's tables of judges or rewards, by their names there.

    Args:
        kind: "judge" or "reward".
        registered: name in the registry, or ``package.module:callable`` → options.
    """
    labels: dict[str, str] = {}
    for one in registered:
        label = one.rpartition(":")[2]
        labels[one] = label if label not in labels.values() else f"{label} {len(labels) + 1}"
    names = name_models(labels.values(), {})
    return {
        str(names[label]): {kind: one, "options": dict(registered[one]) or None}
        for one, label in labels.items()
    }


def bring_modules(names: Iterable[str], workspace: Path, hint: str) -> None:
    """Copy modules of one's own that lie where the command runs beside the recipe.

    So that the workspace goes on from anywhere. One that is there stays.

    Args:
        names: those written as ``package.module:callable`` name a module; others name none.
        hint: what to do where a copy cannot be written.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    modules = [name.partition(":")[0] for name in names if ":" in name]
    for top in dict.fromkeys(one.partition(".")[0] for one in modules):
        for place in (Path(f"{top}.py"), Path(top)):
            copy = workspace / place
            if not place.exists() or copy.exists():
                continue
            try:
                workspace.mkdir(parents=True, exist_ok=True)
                if place.is_dir():
                    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy2(place, copy)
            except OSError as error:
                raise StorageError(f"{copy}: cannot be written: {error}", hint=hint) from error

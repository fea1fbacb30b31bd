"""The recipe that options on the command line amount to, where an evaluation begins from nothing.

Models are named as ``synpic.pipeline.asked`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.asked_suite import AskedSuite
from synpic.evaluate.existing_images import LINKS
from synpic.generate.image_model import KnownModel
from synpic.pipeline.asked import (
    AskedModel,
    ask_model,
    model_names,
    model_tables,
    named_tables,
    path_from,
)
from synpic.recipe.toml import toml_value
from synpic.registry import MODELS

__all__ = [
    "evaluation_recipe",
    "images_recipe",
]


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
    names = model_names([base, *models], "give one a name: NAME=MODEL", error=EvaluationError)
    lines = _beginning(suite, folder)
    for model in (base, *models):
        lines += model_tables(model, str(names[model.label]), folder, base)
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
        else f"file = {toml_value(path_from(folder, str(suite.file)))}",
    ]
    if suite.limit is not None:
        lines.append(f"limit = {suite.limit}")
    if suite.quirks is not None:
        lines.append(f"quirks = {toml_value(suite.quirks)}")
    return lines


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

"""How many images a suite asks of each model, for each prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synpic.errors import NewerSchema, UnknownName, WorkspaceError
from synpic.recipe import Recipe
from synpic.registry import SUITES
from synpic.registry.own_code import naming_own_errors
from synpic.workspace.sealing import read_sealed
from synpic.workspace.storage import Store

__all__ = ["load_suite", "with_images_of_suite"]


def load_suite(name: str, beside: Path | None = None) -> Any:
    """What is registered as ``name``, or written as package.module:object.

    Of a function, what it gives: a suite may be one that is made when it is asked for.

    Args:
        beside: a folder in which modules of one's own are looked for too: the workspace's.

    Raises:
        UnknownName: nothing is called so, or the function fails.
    """
    thing = SUITES.load(name, beside)
    # A suite is what has a protocol: its class lies in a room above, which this cannot import.
    if not callable(thing) or hasattr(thing, "protocol"):
        return thing
    hint = "name a suite, or a function without arguments that gives one"
    with naming_own_errors(f"suite {name!r}: it failed", UnknownName, hint):
        return thing()


def with_images_of_suite(recipe: Recipe, store: Store, file: str) -> Recipe:
    """``recipe``, whose models draw as many images a prompt as its suite asks.

    Where the suite is not found, as many as ``suite.parquet`` says: what was made with a package
    that is gone can still be read.

    Args:
        store: of the workspace.
        file: ``suite.parquet``.
    """
    if recipe.suite is None or not recipe.models:
        return recipe
    images = recipe.suite.images or 1
    if recipe.suite.images is None and recipe.suite.name is not None:
        images = _of_protocol(recipe.suite.name, store, file)
    models = {
        name: model.model_copy(update={"samples": images}) for name, model in recipe.models.items()
    }
    return recipe.model_copy(update={"models": models})


def _of_protocol(name: str, store: Store, file: str) -> int:
    try:
        suite = load_suite(name, store.folder)
    except UnknownName:
        return _recorded(store, file)
    return _number(getattr(getattr(suite, "protocol", None), "images", None))


def _recorded(store: Store, file: str) -> int:
    try:
        if not store.exists(file):
            return 1
        _, metadata = read_sealed(store, file)
    except NewerSchema:
        raise
    except WorkspaceError:  # who reads its rows names it
        return 1
    return _number(metadata.model_dump().get("images"))


def _number(images: Any) -> int:
    return images if isinstance(images, int) and images > 0 else 1

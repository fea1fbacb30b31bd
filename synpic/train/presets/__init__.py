"""Training recipes to start from, one commented TOML file each."""

from __future__ import annotations

from synpic.recipe import presets as recipes

__all__ = ["preset", "presets"]


def presets() -> list[str]:
    """The names of the training recipes that synpic brings."""
    return recipes.presets(__name__)


def preset(name: str) -> str:
    """The text of the training recipe called ``name``.

    Raises:
        UnknownName: there is none.
    """
    return recipes.preset(name, __name__)

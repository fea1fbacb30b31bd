"""Recipes to start from, one commented TOML file each."""

from __future__ import annotations

from importlib.resources import files

from synpic.errors import UnknownName, did_you_mean

__all__ = ["preset", "presets"]


def presets() -> list[str]:
    """The names of the recipes that synpic brings."""
    names = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def preset(name: str) -> str:
    """The text of the recipe called ``name``.

    Raises:
        UnknownName: there is none.
    """
    known = presets()
    if name not in known:
        raise UnknownName(
            f"unknown preset {name!r}.{did_you_mean(name, known)}",
            hint=f"known: {', '.join(known)}",
        )
    return files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")

"""Recipes to start from, one commented TOML file each."""

from __future__ import annotations

from importlib.resources import files

from synpic.errors import UnknownName, did_you_mean

__all__ = ["preset", "presets"]


def presets(package: str = __name__) -> list[str]:
    """The names of the recipes that ``package`` brings; of datasets by default."""
    names = (entry.name for entry in files(package).iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def preset(name: str, package: str = __name__) -> str:
    """The text of the recipe called ``name`` in ``package``.

    Raises:
        UnknownName: there is none.
    """
    known = presets(package)
    if name not in known:
        raise UnknownName(
            f"unknown preset {name!r}.{did_you_mean(name, known)}",
            hint=f"known: {', '.join(known)}",
        )
    return files(package).joinpath(f"{name}.toml").read_text(encoding="utf-8")

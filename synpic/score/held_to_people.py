"""How often a reward or comparer prefers the image that people prefer, and who says so.

``agreement.json`` has what `synpic agree` found of those that come with synpic, with who ran it and
how. What others published stands with each (``lineage``). A number is of one checkpoint and of its
usual options: another one has none.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from synpic.registry import COMPARERS, REWARDS
from synpic.score.lineage import SETS, lineage_of
from synpic.score.reward import WantedReward

__all__ = ["all_held_to_people", "held_to_people", "measured"]

_WORLD = "embedded world"
_WORLDS_JUDGE = "labelled by the shapes world's own judge, a program, in place of people"
_NOT_DECIDING = {"dtype"}
"""Options that move the last digits of a score."""


@cache
def measured() -> Sequence[Mapping[str, Any]]:
    """The rows of ``agreement.json``.

    Each has ``reward`` (the registry's name), ``set``, ``accuracy`` with ``low`` and ``high``,
    ``pairs`` judged of ``prompts``, ``by`` (who ran it) and ``how`` (a command, or a page).
    """
    text = files("synpic.score").joinpath("agreement.json").read_text(encoding="utf-8")
    rows: list[Mapping[str, Any]] = json.loads(text)
    return rows


def held_to_people(wanted: WantedReward) -> list[dict[str, Any]]:
    """What is known of a reward or comparer of a recipe, a row for each set of pairs.

    Returns:
        ``set``, ``what`` its pairs are, ``percent`` (50 is chance) and ``source``; of what was
        measured with synpic ``low``, ``high``, ``pairs`` and ``prompts`` too. Nothing of one that
        synpic does not bring, or that has another checkpoint or other options than usual.
    """
    name, info, settings = wanted.registered, wanted.info, wanted.settings
    registry = next((one for one in (REWARDS, COMPARERS) if name in one.builtin), None)
    usual = settings.checkpoint in (None, info and info.checkpoint) and not settings.revision
    if registry is None or not usual or settings.options.keys() - _NOT_DECIDING:
        return []
    of = lineage_of(registry.load(name))
    published = of.accuracy if of else {}
    return [_measured(one) for one in measured() if one["reward"] == name] + [
        {"set": one, "what": SETS[one].what, "percent": percent, "source": SETS[one].source}
        for one, percent in published.items()
    ]


def all_held_to_people(
    wanted: Iterable[WantedReward], names: Container[str]
) -> dict[str, list[dict[str, Any]]]:
    """The same of each of ``wanted`` that is in ``names``, by name, where anything is known."""
    found = {one.name: held_to_people(one) for one in wanted if one.name in names}
    return {name: rows for name, rows in found.items() if rows}


def _measured(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "set": row["set"],
        "what": _WORLDS_JUDGE if row["set"] == _WORLD else "labelled by people",
        "percent": round(100 * row["accuracy"], 4),
        "low": round(100 * row["low"], 4),
        "high": round(100 * row["high"], 4),
        "pairs": row["pairs"],
        "prompts": row["prompts"],
        "source": f"{row['by']}: {row['how'].strip('`')}",
    }

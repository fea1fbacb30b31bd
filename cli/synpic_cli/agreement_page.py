"""The table of ``docs/agreement.md``: who held which reward to whose judgements, from a list.

``python -m synpic_cli.agreement_page docs/agreement.md`` writes it between its
two marks. Each entry of the list is one row of `synpic agree --json`, with who ran it and on what.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synpic.readers.display import count
from synpic.registry import COMPARERS, REWARDS
from synpic.score.held_to_people import measured
from synpic_cli.rewards_page import between_marks, markdown_table

__all__ = ["SETS", "table", "with_table"]

SETS = ("embedded world", "HPDv2, test", "HPDv3, test", "ImageRewardDB, test", "Pick-a-Pic, test")
"""Columns: the embedded world, and sets whose labels synpic reads."""


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Every reward and comparer that comes with synpic, and φ, against every set; empty if not run.

    Args:
        runs: ``reward``, ``set``, ``accuracy`` with ``low`` and ``high``, ``pairs`` judged of
            ``prompts``, ``by`` (who ran it) and ``how`` (a command, or a page).

    Raises:
        ValueError: an entry is of a reward or a set that the table does not have.
    """
    names = [
        name
        for registry in (REWARDS, COMPARERS)
        for name in registry.names()
        if registry.origin(name) == "synpic"
    ]
    rows = [*names, "φ"]
    for run in runs:
        if run["reward"] not in rows or run["set"] not in SETS:
            raise ValueError(f"no place in the table: {run['reward']!r} on {run['set']!r}")
    cells = {(run["reward"], run["set"]): _cell(run) for run in runs}
    return "\n".join(
        markdown_table(
            ["reward", *SETS],
            [
                [name if name == "φ" else f"`{name}`", *(cells.get((name, of), "") for of in SETS)]
                for name in rows
            ],
        )
    )


def with_table(page: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """``page`` with what stands between its marks made anew."""
    return between_marks(page, table(runs))


def _cell(run: Mapping[str, Any]) -> str:
    found = f"{run['accuracy']:.3f} ({run['low']:.3f} … {run['high']:.3f})"
    pairs = f"{count(run['pairs'], 'pair')} of {count(run['prompts'], 'prompt')}"
    return f"{found}<br>{pairs}<br>{run['by']}: {run['how']}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text(encoding="utf-8"), measured()), encoding="utf-8")

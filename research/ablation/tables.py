"""The tables of ``docs/ablation.md`` and ``docs/ablation-figures.md``, from the figures of runs.

The figures of the page lie beside it, ``docs/ablation.json``: model → figures. It has places for
tables, and a test holds it to its figures::

    <!-- table: mmdit_small arms -->
    …
    <!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from synpic.shapes.meaning import TASKS

__all__ = ["PENDING", "filled", "places", "tables"]

PENDING = "*Not measured yet.*"
"""What stands where a table will be."""

_PLACE = re.compile(
    r"(?<=<!-- table: )(?P<name>[^\n]+?) -->\n(?P<held>.*?)(?=\n<!-- end -->)", re.DOTALL
)

Row = Mapping[str, Any]


def tables(figures: Mapping[str, Any]) -> dict[str, str]:
    """Markdown by name, of one model.

    Args:
        figures: as far as they are there ``arms``, those of
            :func:`research.ablation.measures.figures`, each with its ``settings`` and ``training``
            (None of a model that was not trained) and ``seeds`` (how many were ``wanted``,
            ``measured``, and ``diverged``); ``unmeasured``, rows of ``arm`` and ``seeds`` for arms
            that have no figures; ``sweep``, arm → tries, each of
            ``learning_rate``, ``beta``, ``strict``, ``lenient``, ``things``, ``accuracy`` and
            ``chosen``; ``picture``, a path.
    """
    found = {}
    if rows := figures.get("arms"):
        found = {
            "arms": arms_table(rows, figures.get("unmeasured", [])),
            "drawn": drawn_table(rows),
            "rewards": rewards_table(rows),
            "tasks": tasks_table(rows),
            "training": training_table(rows),
        }
    if sweep := figures.get("sweep"):
        found["sweep"] = sweep_table(sweep)
    if path := figures.get("picture"):
        found["picture"] = f"![Pictures of the models]({path})"
    return found


def filled(page: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """``page`` with the tables of ``figures`` (model → figures) in its places."""
    known = {
        f"{model} {name}": text
        for model, its in figures.items()
        for name, text in tables(its).items()
    }
    return _PLACE.sub(lambda one: f"{one['name']} -->\n{known.get(one['name'], PENDING)}", page)


def places(page: str) -> dict[str, str]:
    """What stands in each place of ``page``, by its name."""
    return {one["name"]: one["held"] for one in _PLACE.finditer(page)}


def arms_table(rows: Sequence[Row], unmeasured: Sequence[Row] = ()) -> str:
    """The headline: strict, and how far each arm is from the base and from RankDPO."""
    missing = [[_name(row), "–", "–", "–", "–"] for row in unmeasured]
    return _markdown(
        ["", "strict", "above the base", "RankDPO is above it by", "each seed"],
        [
            [
                _name(row),
                f"**{_share(row['strict'])}**",
                _points(_of(row, "to_base", "strict")),
                _points(row["behind"]),
                " · ".join(f"{100 * share:.1f}" for share in row["by_seed"].values()),
            ]
            for row in rows
        ]
        + missing,
    )


def drawn_table(rows: Sequence[Row]) -> str:
    """What hacking would show in: pictures that are full, and right only by the lenient rule."""
    return _markdown(
        ["", "strict", "lenient", "above the base", "things", "above the base", "blank", "purity"],
        [
            [
                _name(row),
                f"{100 * row['strict']['mean']:.1f} %",
                f"{100 * row['lenient']:.1f} %",
                _points(_of(row, "to_base", "lenient")),
                f"{row['things']:.2f} of {row['things_asked']:.2f}",
                _change(_of(row, "to_base", "things"), 2),
                f"{100 * row['blank']:.1f} %",
                f"{row['purity']:.2f}",
            ]
            for row in rows
        ],
    )


def rewards_table(rows: Sequence[Row]) -> str:
    """The mean of each reward, and how far it is from the base's."""
    names = list(rows[0]["scores"])
    return _markdown(
        ["", *(f"`{name}`" for name in names)],
        [
            [
                _name(row),
                *(
                    f"{row['scores'][name]:.3f}"
                    if row["to_base"] is None
                    else f"{row['scores'][name]:.3f}, {_change(row['to_base'][name], 3)}"
                    for name in names
                ),
            ]
            for row in rows
        ],
    )


def tasks_table(rows: Sequence[Row]) -> str:
    """Strict, of each task."""
    return _markdown(
        ["strict", *(f"`{task}`" for task in TASKS)],
        [[_name(row), *(_share(row["by_task"][task]) for task in TASKS)] for row in rows],
    )


def training_table(rows: Sequence[Row]) -> str:
    """What each arm was trained with, and how its last steps went, as a mean over seeds."""
    lines = []
    for row in rows:
        if row.get("settings") is None:
            continue
        settings, told = row["settings"], row.get("training") or {}
        error, reference = told.get("error"), told.get("reference_error")
        lines.append(
            [
                _name(row),
                _rate(settings["learning_rate"]),
                _number(settings["beta"], "g"),
                _percent(told.get("accuracy")),
                _number(told.get("kendall"), ".2f"),
                _number(error / reference if error and reference else None, ".4f"),
            ]
        )
    head = ["", "learning rate", "β", "pairs right", "Kendall's τ", "error / the reference's"]
    return _markdown(head, lines)


def sweep_table(sweep: Mapping[str, Sequence[Row]]) -> str:
    """Every try on the validation split; bold what was chosen."""
    lines = []
    for arm, tries in sweep.items():
        for one in tries:
            bold = "**" if one["chosen"] else ""
            failed = one["lenient"] is None
            lines.append(
                [
                    f"`{arm}`",
                    _rate(one["learning_rate"]),
                    _number(one["beta"], "g"),
                    "failed" if failed else f"{bold}{_percent(one['strict'])}{bold}",
                    _percent(one["lenient"]),
                    _number(one["things"], ".2f"),
                    _percent(one["accuracy"]),
                ]
            )
    head = ["", "learning rate", "β", "strict", "lenient", "things", "pairs right"]
    return _markdown(head, lines)


def _name(row: Row) -> str:
    """The arm; with how many of its seeds were measured and diverged, unless all were measured."""
    seeds = row.get("seeds")
    if seeds is None or seeds["measured"] == seeds["wanted"]:
        return f"`{row['arm']}`"
    told = f"{seeds['measured']} of {seeds['wanted']} seeds"
    if seeds["diverged"]:
        told += f", {seeds['diverged']} diverged"
    return f"`{row['arm']}` ({told})"


def _of(row: Row, *keys: str) -> Any:
    """What lies under ``keys``, or None where one on the way is None."""
    found: Any = row
    for key in keys:
        found = None if found is None else found[key]
    return found


def _share(of: Mapping[str, float]) -> str:
    return f"{100 * of['mean']:.1f} % ({100 * of['low']:.1f}–{100 * of['high']:.1f})"


def _points(of: Mapping[str, float] | None) -> str:
    """A difference of shares, in percentage points."""
    return _change(of and {name: 100 * value for name, value in of.items()}, 1)


def _change(of: Mapping[str, float] | None, digits: int) -> str:
    if of is None:
        return "–"
    mean, low, high = (
        # Adding zero takes the sign of what rounds to it.
        f"{round(of[name], digits) + 0.0:+.{digits}f}".replace("-", "−")
        for name in ("mean", "low", "high")
    )
    return f"{mean} ({low} … {high})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def _rate(value: float | None) -> str:
    return _number(value, ".0e").replace("e-0", "e-")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

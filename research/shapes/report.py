"""The tables of ``docs/shapes.md`` and ``docs/shapes-models.md``, from figures beside the weights.

    python -m research.shapes.report

A test holds the page to them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from synpic.shapes.meaning import TASKS
from synpic.shapes.measure import KNOWN, weights

__all__ = ["judge_table", "main", "models_table", "rewards_table", "selection_table", "tables"]


def _figures(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(weights(f"{name}.figures.json").read_text())
    return figures


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: float, interval: Sequence[float] | None = None) -> str:
    text = f"{100 * share:.1f} %"
    if interval is None:
        return text
    low, high = (f"{100 * bound:.1f}" for bound in interval)
    return f"{text} ({low}–{high})"


def models_table() -> str:
    """How often each packaged model draws just what was asked for."""
    found = {name: _figures(name) for name in KNOWN}
    names = sorted(found, key=lambda name: -found[name]["strict"])
    ranked = [found[name] for name in names]

    def row(label: str, values: Sequence[str]) -> list[str]:
        return [label, *values]

    rows = [
        row("**strict**", [f"**{_percent(one['strict'], one['interval'])}**" for one in ranked]),
        row("lenient", [_percent(one["lenient"]) for one in ranked]),
        row("things drawn", [f"{one['things']:.2f}" for one in ranked]),
        row("blank", [_percent(one["blank"]) for one in ranked]),
        row("colour purity", [f"{one['purity']:.2f}" for one in ranked]),
    ]
    for task in TASKS:
        of_task = [one["by_task"][task] for one in ranked]
        label = f"strict, `{task}`"
        rows.append(row(label, [_percent(one["strict"], one["interval"]) for one in of_task]))
    return _table(["", *[f"`shapes_{name}`" for name in names]], rows)


def judge_table() -> str:
    """The judge's errors on pictures whose truth is known."""
    judge = _figures("judge")["judge"]
    rows = []
    for spoilt, one in judge.items():
        worst = min(one["refuses_by"], key=lambda what: one["refuses_by"][what])
        least = one["refuses_by"][worst]
        rows.append(
            [
                spoilt,
                _percent(one["accepts"], one["accepts_interval"]),
                f"{100 * one['refuses']:.2f} %",
                "–" if least == 1 else f"{worst}: {100 * least:.2f} %",
            ]
        )
    head = ["pictures", "true captions accepted", "false captions refused", "least of a kind"]
    return _table(head, rows)


def rewards_table() -> str:
    """What the rewards that read prompts know, on rendered pictures: caption against near miss."""
    rewards = _figures("judge")["rewards"]
    kinds = sorted({kind for one in rewards.values() for kind in one["prefers_by"]})
    rows = []
    for name, one in rewards.items():
        by_kind = [_percent(one["prefers_by"][kind]) for kind in kinds]
        rows.append([f"`{name}`", *by_kind, _percent(one["prefers"])])
    return _table(["", *kinds, "all"], rows)


def selection_table() -> str:
    """What is picked of each prompt's pictures, and how often the judge agrees."""
    study = _figures("selection")

    def share(one: dict[str, float]) -> str:
        return _percent(one["share"], (one["low"], one["high"]))

    rows = [[rule, "", share(one)] for rule, one in study["picked"].items()]
    for name, one in study["rewards"].items():
        rows.append([f"best by `{name}`", _percent(one["prefers_passing"]), share(one["picked"])])
    rows.sort(key=lambda row: float(row[2].partition(" ")[0]))
    return _table(["picked", "prefers a right picture to a wrong one", "its pick is right"], rows)


def agreement_table() -> str:
    """Kendall's τ-b of every two rewards."""
    rows = _figures("selection")["agreement"]
    names = list(dict.fromkeys(row["reward_a"] for row in rows))
    tau = {(row["reward_a"], row["reward_b"]): row["tau"] for row in rows}
    lines = [
        [f"`{a}`", *["–" if tau[a, b] is None else f"{tau[a, b]:.2f}" for b in names]]
        for a in names
    ]
    return _table(["", *[f"`{name}`" for name in names]], lines)


def tables() -> dict[str, str]:
    """Name → Markdown."""
    return {
        "models": models_table(),
        "judge": judge_table(),
        "rewards": rewards_table(),
        "selection": selection_table(),
        "agreement": agreement_table(),
    }


def main() -> None:
    """The command line in the module's docstring."""
    for name, text in tables().items():
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()

"""What an ablation came to: figures of its cells, and the page that shows them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from research.ablation.cells import Cell, Cells
from research.ablation.files import write
from research.ablation.measures import figures
from research.ablation.tables import filled, tables
from synpic.readers.images import decode

__all__ = ["as_text", "fill", "final_figures", "picture", "sweep_figures"]

PICTURED = ("base", "rankdpo", "random")
"""Arms whose pictures are shown, from above."""

TRAINING = ("loss", "error", "reference_error", "accuracy", "kendall")


def final_figures(cells: Cells, arms: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    """Those of the final stage; each cell that is missing is told on stderr, and counted.

    Args:
        arms: arm → its cells, of which "base" has one.

    Returns:
        As of :func:`.measures.figures`, over the seeds that were measured; each arm
        also has ``settings``, ``training``, the figures of its last steps as a mean over seeds, and
        ``seeds``: how many were ``wanted``, ``measured``, and ``diverged``. ``unmeasured`` has
        ``arm`` and ``seeds`` of arms of which no seed was measured. Nothing without the base.
    """
    measured: dict[str, list[Cell]] = {}
    diverged: Counter[str] = Counter()
    for arm, its in arms.items():
        for cell in its:
            if not cells.done(cell):
                print(f"not measured yet: {cell.name}", file=sys.stderr)
            elif reason := cells.result(cell).get("failed"):
                print(f"failed: {cell.name}: {reason}", file=sys.stderr)
                diverged[arm] += 1
            else:
                measured.setdefault(arm, []).append(cell)
    if "base" not in measured:
        return {}
    found = figures(
        {arm: {cell.seed: cells.outcomes(cell) for cell in its} for arm, its in measured.items()}
    )
    seeds = {
        arm: {"wanted": len(its), "measured": len(measured.get(arm, [])), "diverged": diverged[arm]}
        for arm, its in arms.items()
    }
    found["unmeasured"] = [
        {"arm": arm, "seeds": counts} for arm, counts in seeds.items() if not counts["measured"]
    ]
    for row in found["arms"]:
        row["seeds"] = seeds[row["arm"]]
        its = measured[row["arm"]]
        first = its[0]
        row["settings"] = row["training"] = None
        if first.learning_rate is not None:
            row["settings"] = {
                "learning_rate": first.learning_rate,
                "beta": first.beta,
                "steps": first.steps,
            }
            row["training"] = _means([cells.result(cell) for cell in its])
    return found


def _means(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of what all of ``results`` have."""
    return {
        name: round(sum(one[name] for one in results) / len(results), 5)
        for name in TRAINING
        if all(one.get(name) is not None for one in results)
    }


def sweep_figures(chosen: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Arm → its tries.

    Args:
        chosen: a model's part of ``chosen.json``.
        base: the result of the model as it was, on the same pictures.
    """
    keys = ("learning_rate", "beta", "strict", "lenient", "things", "accuracy")
    return {
        arm: [
            {**{key: one.get(key) for key in keys}, "chosen": one == its["chosen"]}
            for one in its["tries"]
        ]
        for arm, its in {**chosen, "base": {"tries": [base], "chosen": None}}.items()
    }


def picture(cells: Cells, arms: Mapping[str, Sequence[Cell]]) -> Image.Image | None:
    """The first prompts by each of :data:`PICTURED`, first seed; None where one is not there."""
    paths = [cells.folder(arms[arm][0]) / "pictures.png" for arm in PICTURED if arm in arms]
    if len(paths) < len(PICTURED) or not all(path.exists() for path in paths):
        return None
    rows = [decode(path.read_bytes()) for path in paths]
    width, height = rows[0].size
    stacked = Image.new("RGB", (width, len(rows) * (height + 2) - 2), "white")
    for number, row in enumerate(rows):
        stacked.paste(row, (0, number * (height + 2)))
    return stacked


def fill(page: Path, arch: str, found: Mapping[str, Any], shown: Image.Image | None) -> None:
    """Put a model's figures beside ``page``, its tables into it, its picture among its pictures.

    Pages beside it that begin with its name and a hyphen are filled too.
    """
    beside = page.with_suffix(".json")
    known = json.loads(beside.read_text("utf-8")) if beside.exists() else {}
    known[arch] = dict(found)
    if shown is not None:
        place = page.parent / "pictures" / f"{page.stem}.png"
        place.parent.mkdir(exist_ok=True)
        shown.save(place, optimize=True)
        known[arch]["picture"] = f"pictures/{place.name}"
    write(beside, json.dumps(known, indent=1) + "\n")
    for one in (page, *sorted(page.parent.glob(f"{page.stem}-*.md"))):
        write(one, filled(one.read_text("utf-8"), known))


def as_text(found: Mapping[str, Any]) -> str:
    """All tables of a model."""
    return "\n\n".join(f"{name}\n\n{table}" for name, table in tables(found).items())

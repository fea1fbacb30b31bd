"""``docs/rewards.md`` and the pages below it, from what rewards declare.

``python -m synpic_cli.rewards_page docs`` writes what stands between the two marks of
``rewards.md``, of ``rewards/accuracy.md`` and of each ``rewards/NAME.md``. What stands below the
marks is written by hand. A reward without a page gets one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synpic.pipeline.catalogue import rewards
from synpic.score.lineage import SETS

__all__ = ["BEGIN", "END", "between_marks", "markdown_table", "pages"]

BEGIN = "<!-- From here on made by `make docs`. -->"
END = "<!-- Up to here. -->"

Row = Mapping[str, Any]


def pages(docs: Path) -> dict[Path, str]:
    """Each page that rewards have a part in, as it should be.

    Args:
        docs: the folder of pages as they are.
    """
    rows = [row for row in rewards() if row["from"] == "synpic" and row["installed"]]
    made = {docs / "rewards.md": _overview(rows), docs / "rewards/accuracy.md": _accuracy(rows)}
    made |= {docs / f"rewards/{row['name']}.md": _facts(row) for row in rows}
    return {path: between_marks(_page(path), text) for path, text in made.items()}


def between_marks(page: str, text: str) -> str:
    """``page`` with ``text`` in the place of what stands between its marks."""
    whole = f"{BEGIN}\n\n{text}\n\n{END}"
    made, count = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: whole, page, flags=re.DOTALL
    )
    assert count == 1, "the page has no marks"
    return made


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in cells]


def _page(path: Path) -> str:
    if path.exists():
        return path.read_text(encoding="utf-8")
    return f"# `{path.stem}`\n\n{BEGIN}\n{END}\n"


def _overview(rows: Sequence[Row]) -> str:
    """A row for each reward, with its page and how often it agrees with people."""
    table = [
        [
            f"[`{row['name']}`](rewards/{row['name']}.md)",
            row["summary"],
            row["score_range"],
            str(_percents(row).get("MMRB2", "")),
        ]
        for row in rows
    ]
    return "\n".join(markdown_table(["reward", "what it is", "range", "MMRB2, %"], table))


def _accuracy(rows: Sequence[Row]) -> str:
    """What of each reward was published, and what it descends from."""
    agreed = [
        [f"[`{row['name']}`]({row['name']}.md)", *(str(found.get(one, "")) for one in SETS)]
        for row in rows
        if (found := _percents(row))
    ]
    related = [
        [f"[`{row['name']}`]({row['name']}.md)", *_lineage(row["lineage"])]
        for row in rows
        if row["lineage"]
    ]
    return "\n".join(
        [
            *markdown_table(["reward", *(f"{name}, %" for name in SETS)], agreed),
            "",
            *markdown_table(["reward", "descends from", "parameters", "trained on"], related),
        ]
    )


def _facts(row: Row) -> str:
    """What one reward declares: a table, and one of its options."""
    facts = {"what it is": row["summary"]}
    if row["name"] not in _BY_OTHER_KEYS:
        facts["in a recipe"] = f"`[rewards.{row['name']}]`"
    facts["range of scores"] = row["score_range"]
    facts["long prompts"] = (row["text_limit"] or "—") if row["reads_prompt"] else "reads no prompt"
    if row["checkpoint"] and row["checkpoint"].startswith("package:"):
        facts["weights"] = "part of synpic"
    elif row["checkpoint"]:
        companions = [f"{name}: `{c['repository']}`" for name, c in row["companions"].items()]
        facts["weights"] = "<br>".join([f"`{row['checkpoint']}`", *companions])
    if row["checkpoint"]:
        facts["licence"] = row["licence"] or "not seen"
    if row["paper"]:
        facts["paper"] = _paper(row["paper"])
    if row["lineage"]:
        names = ("descends from", "parameters", "trained on")
        facts |= dict(zip(names, _lineage(row["lineage"]), strict=True))
    if found := row["lineage"] and row["lineage"]["accuracy"]:
        facts["agrees with people"] = "<br>".join(
            f"{one['percent']} % of pairs of {one['set']} ({one['source']})" for one in found
        )
    facts["how its numbers were checked"] = row["verified"]
    options = [
        [f"`{name}`", _written(row["name"], value)]
        for name, value in row["options"].items()
        if name not in _SET
    ]
    lines = markdown_table(["", ""], [[name, text] for name, text in facts.items()])
    if options:
        lines += ["", *markdown_table(["option", "default"], options)]
    return "\n".join(lines)


_BY_OTHER_KEYS = frozenset({"apart", "called", "judged"})
"""Rewards that a recipe gives by other keys than ``reward``."""

_SET = frozenset({"beside", "code"})
"""What a recipe gives by other keys."""


def _written(name: str, value: Any) -> str:
    """A default as TOML has it; of a long text, where it is shown."""
    if value is None or value == "":
        return "not set"
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) < 100 else f"a text: `synpic list rewards {name}` shows it"


def _lineage(found: Mapping[str, Any]) -> list[str]:
    million = found["parameters"]
    return [
        found["backbone"] or "what the checkpoint is",
        f"{million:,} million" if million else "—",
        found["trained_on"],
    ]


def _percents(row: Row) -> dict[str, float]:
    """Name of a set → percent, where any was published."""
    lineage = row["lineage"]
    return {one["set"]: one["percent"] for one in lineage["accuracy"]} if lineage else {}


def _paper(paper: str) -> str:
    return f"[{paper}](https://arxiv.org/abs/{paper})" if re.fullmatch(r"[\d.]+", paper) else paper


if __name__ == "__main__":
    for path, text in pages(Path(sys.argv[1])).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

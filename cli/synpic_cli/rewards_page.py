"""The tables of ``docs/rewards.md``, from what rewards declare.

``python -m synpic_cli.rewards_page docs/rewards.md`` writes them between their two marks.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from synpic.pipeline.catalogue import rewards
from synpic.score.lineage import SETS

__all__ = ["BEGIN", "END", "between_marks", "markdown_table", "tables", "with_tables"]

BEGIN = "<!-- From here on made by `make docs`. -->"
END = "<!-- Up to here. -->"


def tables() -> str:
    """What the rewards of synpic say of themselves, as Markdown."""
    rows = [row for row in rewards() if row["from"] == "synpic" and row["installed"]]
    said = [
        [f"`{row['name']}`", row["summary"], row["score_range"], _long_prompts(row)] for row in rows
    ]
    read = [
        [f"`{row['name']}`", _repositories(row), _paper(row["paper"]), row["licence"] or "not seen"]
        for row in rows
        if row["checkpoint"] and not row["checkpoint"].startswith("package:")
    ]
    related = [[f"`{row['name']}`", *_lineage(row["lineage"])] for row in rows if row["lineage"]]
    agreed = [
        [f"`{row['name']}`", *_accuracies(row["lineage"])]
        for row in rows
        if row["lineage"] and row["lineage"]["accuracy"]
    ]
    checked = [[f"`{row['name']}`", row["verified"]] for row in rows]
    return "\n".join(
        [
            *markdown_table(["reward", "what it is", "range", "long prompts"], said),
            "",
            *markdown_table(["reward", "reads", "paper", "licence"], read),
            "",
            *markdown_table(["reward", "descends from", "parameters", "trained on"], related),
            "",
            *markdown_table(["reward", *SETS], agreed),
            "",
            *markdown_table(["reward", "how its numbers were checked"], checked),
        ]
    )


def with_tables(page: str) -> str:
    """``page`` with what stands between its marks made anew."""
    return between_marks(page, tables())


def between_marks(page: str, text: str) -> str:
    """``page`` with ``text`` in the place of what stands between its marks."""
    whole = f"{BEGIN}\n\n{text}\n\n{END}"
    made, count = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: whole, page, flags=re.DOTALL
    )
    assert count == 1, "the page has no marks"
    return made


def _long_prompts(row: dict[str, Any]) -> str:
    return (row["text_limit"] or "—") if row["reads_prompt"] else "reads no prompt"


def _repositories(row: dict[str, Any]) -> str:
    """The checkpoint, and each companion with the name of its option."""
    companions = [f"{name}: `{c['repository']}`" for name, c in row["companions"].items()]
    return "<br>".join([f"`{row['checkpoint']}`", *companions])


def _lineage(found: dict[str, Any]) -> list[str]:
    million = found["parameters"]
    return [
        found["backbone"] or "what the checkpoint is",
        f"{million:,} million" if million else "—",
        found["trained_on"],
    ]


def _accuracies(found: dict[str, Any]) -> list[str]:
    """In percent, a set a column; empty where none was published."""
    known = {one["set"]: one["percent"] for one in found["accuracy"]}
    return [str(known.get(name, "")) for name in SETS]


def _paper(paper: str | None) -> str:
    if paper is None:
        return "—"
    return f"[{paper}](https://arxiv.org/abs/{paper})" if re.fullmatch(r"[\d.]+", paper) else paper


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in cells]


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")

"""The tables of docs/ports.md, from docs/ports.json.

python -m research.ports.page docs/ports.json docs/ports.md
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["line", "put", "with_tables"]

Row = Mapping[str, Any]

KEYS = {"ports": "port", "mechanisms": "mechanism", "jpeg": "case"}
"""By what the rows of each table are known."""


def put(file: Path, table: str, rows: Sequence[Row]) -> None:
    """Put rows into a table of ``file``, in the place of those of the same key."""
    kept: dict[str, list[Row]] = json.loads(file.read_text()) if file.exists() else {}
    key = KEYS[table]
    new = {row[key]: row for row in rows}
    old = kept.get(table, [])
    known = {row[key] for row in old}
    kept[table] = [new.get(row[key], row) for row in old]
    kept[table] += [row for row in rows if row[key] not in known]
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def line(row: Row) -> str:
    """A row of ports in one line of text."""
    if "error" in row:
        return f"{row['port']}: {row['error']}"
    left = f", {_apart(row['left'])} left" if "left" in row else ""
    return (
        f"{row['port']}: {_apart(row['largest'])} of the spread, {row['turned']} of {row['pairs']} "
        f"pairs turned{left}"
    )


def with_tables(page: str, found: Mapping[str, Sequence[Row]]) -> str:
    """``page`` with its tables, each between ``<!-- NAME -->`` and ``<!-- end -->``, written anew.

    Raises:
        ValueError: the page has two places for one table.
    """
    for name, rows in found.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        count = page.count(begin)
        if count > 1:
            raise ValueError(f"the page has {count} places for the table {name!r}")
        if not count:
            continue
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{_TABLES[name](rows)}\n{end}{rest.partition(end)[2]}"
    return page


def _apart(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.0e}".replace("e-0", "e-") if value < 0.001 else f"{value:.2g}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruled = ["---"] * len(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ruled, *rows))


def _turned(row: Row) -> str:
    return f"{row['turned']} of {row['pairs']}"


def _ports(rows: Sequence[Row]) -> str:
    head = ("package", "reward", "largest", "turned", "mechanism", "left")
    return _markdown(
        head,
        [
            (
                row["package"],
                f"`{row['reward']}`"
                + row["port"].partition(",")[1]
                + row["port"].partition(",")[2],
                _apart(row["largest"]),
                _turned(row),
                row["mechanisms"],
                _apart(row["left"]) if "left" in row else "–",
            )
            for row in rows
            if "error" not in row
        ],
    )


def _mechanisms(rows: Sequence[Row]) -> str:
    head = ("mechanism", "reward", "largest", "median", "turned")
    return _markdown(
        head,
        [
            (
                row["mechanism"],
                f"`{row['reward']}`",
                _apart(row["largest"]),
                _apart(row["median"]),
                _turned(row),
            )
            for row in rows
        ],
    )


def _jpeg(rows: Sequence[Row]) -> str:
    head = ("pictures", "size", "reward", "JPEG 75", "JPEG 85", "JPEG 95")
    cases: dict[tuple[str, int, str], list[Row]] = {}
    for row in rows:
        trained = row["reward"].startswith("shapes_")
        name = f"`{row['reward']}`" if trained else "random weights"
        cases.setdefault((row["kind"], row["size"], name), []).append(row)
    return _markdown(
        head,
        [
            (kind, str(size), name, *(_sent(found, quality) for quality in ("75", "85", "95")))
            for (kind, size, name), found in cases.items()
        ],
    )


def _sent(rows: Sequence[Row], quality: str) -> str:
    """All rewards of a case together."""
    turned = sum(row[quality]["turned"] for row in rows)
    share = 100 * turned / max(1, sum(row[quality]["pairs"] for row in rows))
    middle = statistics.median(row[quality]["median"] for row in rows)
    return f"{share:.1f} ({_apart(middle)})"


_TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "ports": _ports,
    "mechanisms": _mechanisms,
    "jpeg": _jpeg,
}


def main(source: Path, pages: Sequence[Path]) -> None:
    """Write the tables into ``pages``."""
    found = json.loads(source.read_text(encoding="utf-8"))
    for page in pages:
        page.write_text(with_tables(page.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])

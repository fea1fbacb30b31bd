"""What people see: messages on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from synpic.errors import SynpicError

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "human_bytes",
    "human_seconds",
    "print_json",
    "print_line",
    "print_table",
    "require_table_file",
    "say",
    "show_error",
    "write_table",
]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def show_error(error: SynpicError) -> None:
    """``error:`` and what to do next."""
    errors.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        errors.print(f"[bold]hint:[/] {escape(error.hint)}")


def say(text: str = "") -> None:
    """A line for people, on stdout."""
    console.print(escape(text))


def print_json(value: Any) -> None:
    """``value`` for machines, on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_line(value: Any) -> None:
    """``value`` for machines, on a line of stdout, at once.

    Whoever read may have gone away: work that runs for days does not end for that.
    """
    try:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; columns of numbers stand to the right."""
    listed = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numbers = listed and all(_is_number(row[index]) for row in listed)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in listed:
        table.add_row(*(escape(_cell(value)) for value in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def require_table_file(to: Path, option: str = "--to") -> None:
    """Refuse a name for a table that says of no known kind of file."""
    if to.suffix not in (".parquet", ".csv", ".jsonl"):
        raise SynpicError(
            f"{option} {to}: unknown kind of file", hint="name it .parquet, .csv or .jsonl"
        )


def write_table(table: pl.DataFrame, to: Path, option: str = "--to") -> None:
    """Write ``table`` as the name of the file says."""
    require_table_file(to, option)
    try:
        if to.suffix == ".csv":
            table.write_csv(to)
        elif to.suffix == ".jsonl":
            table.write_ndjson(to)
        else:
            table.write_parquet(to)
    except OSError as error:
        raise SynpicError(
            f"{option} {to}: {error.strerror or error}", hint="check the path"
        ) from error


def human_bytes(number: float) -> str:
    """``12.3 MB``, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError


def human_seconds(seconds: float) -> str:
    """``1 h 05 min``, ``3 min 20 s``, ``12 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or value in (None, "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)

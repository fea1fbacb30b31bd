"""What people see: messages on stderr, results on stdout.

Every text is shown by :func:`synpic.readers.display.visible`, and none is read as rich's markup:
prompts, names of files and answers of servers are written by others.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from synpic.errors import Stopped, SynpicError
from synpic.readers.display import number, visible, visible_lines
from synpic_cli.streams import OutputLost

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "print_json",
    "print_line",
    "print_table",
    "require_table_file",
    "say",
    "say_aside",
    "show_error",
    "show_problem",
    "shown",
    "write_table",
    "write_whole",
]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def shown(text: str, style: str = "") -> Text:
    """``text`` for rich: as it stands, control characters escaped."""
    return Text(visible_lines(text), style)


def show_error(error: SynpicError) -> None:
    """``error:`` and what to do next; of a command that was stopped, what became of it."""
    if isinstance(error, Stopped):  # the user's wish, and no error
        errors.print(shown(f"{error.message}: {error.hint}" if error.hint else error.message))
        return
    errors.print(Text("error:", "bold red"), shown(error.message))
    if error.hint:
        errors.print(Text("hint:", "bold"), shown(error.hint))


def show_problem(message: str, hint: str | None) -> None:
    """``problem:``, one of several, and below it what to do."""
    errors.print(Text("problem:", "bold red"), shown(message))
    if hint:
        errors.print(shown(f"  {hint}"))


def say(text: str = "") -> None:
    """A line for people, on stdout."""
    console.print(shown(text))


def say_aside(text: str) -> None:
    """A line about how work goes, on stderr."""
    errors.print(shown(text))


def print_json(value: Any) -> None:
    """``value`` for machines, on stdout."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def print_line(value: Any, stream: TextIO | None = None) -> None:
    """``value`` for machines, on a line of ``stream`` (stdout if None), at once.

    The reader may be gone, or a disk full: work that runs for days does not end for that.
    """
    stream = stream or sys.stdout
    with suppress(OutputLost):  # once; what comes after it is dropped
        stream.write(_json(value) + "\n")
        stream.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; columns of numbers stand to the right."""
    listed = [list(row) for row in rows]
    console = _table_console()
    cells = [[visible(_cell(value)) for value in row] for row in listed]
    table = Table(box=None, pad_edge=False, header_style="bold")
    whole = _whole_columns([[visible(one) for one in columns], *cells], console.width)
    for index, column in enumerate(columns):
        numbers = listed and all(_is_number(row[index]) for row in listed)
        table.add_column(
            Text(visible(column)),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=index in whole,
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _whole_columns(cells: Sequence[Sequence[str]], width: int) -> set[int]:
    """Columns of single words, where the others can be broken between words instead; else none."""
    longest = [
        max(cell_len(word) for cell in column for word in cell.split() or [""])
        for column in zip(*cells, strict=True)
    ]
    if _across(longest) > width:
        return set()
    # A heading of two words may be broken.
    return {
        index
        for index, column in enumerate(zip(*cells[1:], strict=True))
        if not any(" " in cell for cell in column)
    }


def print_wide_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    apart: Sequence[str],
    melted: Sequence[str] = (),
    left_out: Collection[int] = (),
) -> bool:
    """A table; where the terminal is narrower, a table for each combination of some columns.

    Args:
        apart: these columns, which stand in a line above each narrow table.
        melted: columns that are rows there, each with its name under "model".
        left_out: numbers of columns, from 0, that a narrow table does without.

    Returns:
        Whether the terminal was wide enough.
    """
    cells = [[visible(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if _across(widths) <= _table_console().width:
        print_table(columns, rows)
        return True
    above = [index for index, column in enumerate(columns) if column in apart]
    across = [index for index, column in enumerate(columns) if column in melted]
    kept = [index for index in range(len(columns)) if index not in (*above, *across, *left_out)]
    groups: dict[str, list[Sequence[str]]] = {}
    for row in rows:
        title = ", ".join(f"{columns[index]}: {row[index]}" for index in above)
        groups.setdefault(title, []).append(row)
    names = [columns[index] for index in kept]
    for number_, (title, group) in enumerate(groups.items()):
        if number_:
            say()
        say(title)
        if not across:
            print_table(names, [[row[index] for index in kept] for row in group])
            continue
        long = [
            [row[kept[0]], columns[at], row[at], *(row[index] for index in kept[1:])]
            for row in group
            for at in across
        ]
        print_table([names[0], "model", "value", *names[1:]], long)
    return False


def _across(widths: Sequence[int]) -> int:
    """The width of a table whose columns have these."""
    return sum(widths) + 2 * (len(widths) - 1)


def _table_console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def require_table_file(to: Path, option: str = "--to", *, overwrite: bool = True) -> None:
    """Refuse a name for a table that says of no known kind of file, or that is taken.

    Args:
        overwrite: whether a file that is there is replaced.
    """
    if to.suffix not in (".parquet", ".csv", ".jsonl"):
        raise SynpicError(
            f"{option} {to}: unknown kind of file", hint="name it .parquet, .csv or .jsonl"
        )
    if not overwrite and to.exists():
        raise SynpicError(
            f"{option} {to}: it is there already", hint="name another file, or add --overwrite"
        )


def write_table(
    table: pl.DataFrame, to: Path, option: str = "--to", *, overwrite: bool = True
) -> None:
    """Write ``table`` as the name of the file says: whole, or not at all."""
    require_table_file(to, option, overwrite=overwrite)
    writers: dict[str, Callable[[Any], object]] = {
        ".csv": table.write_csv,
        ".jsonl": table.write_ndjson,
        ".parquet": table.write_parquet,
    }
    write_whole(to, writers[to.suffix], option)


def write_whole(to: Path, write: Callable[[Any], object], option: str = "--to") -> None:
    """Have ``write`` fill the file ``to``, which is there whole or not at all.

    Args:
        write: gets a binary stream.
    """
    try:
        with tempfile.NamedTemporaryFile(
            dir=to.parent, prefix=f".{to.name[:100]}.", suffix=".tmp", delete=False
        ) as stream:
            beside = Path(stream.name)
            try:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
                beside.chmod(0o666 & ~_umask())
                os.replace(beside, os.path.realpath(to))
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise SynpicError(
            f"{option} {to}: {error.strerror or error}", hint="check the path"
        ) from error


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold as it is, and a terminal obeys or UTF-8 cannot spell."""


def _json(value: Any, indent: int | None = None) -> str:
    written = json.dumps(value, indent=indent, ensure_ascii=False)
    # The same value to who parses it.
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or value in (None, "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)

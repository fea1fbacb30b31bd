"""A suite of one's own: a table with a row for each item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, BinaryIO

from synpic.errors import EvaluationError, did_you_mean
from synpic.prompts.suites.folded import SourcedItem
from synpic.prompts.suites.requirements import FIELDS, requirement
from synpic.prompts.suites.suite import SuiteItem
from synpic.readers.json_models import parse_text
from synpic.readers.tables import open_table
from synpic.readers.text import is_blank, require_texts

__all__ = ["read_own"]

OF_GENEVAL = ("include", "exclude")
"""What a list in GenEval's format has in place of ``objects``."""

COLUMNS = ("prompt", "tag", "item", *FIELDS, *OF_GENEVAL)
"""What synpic reads; other columns are left where they are."""

_NEAR = 0.75
"""From which likeness on the name of another column is a slip: "tags"."""


def read_own(stream: BinaryIO, where: str) -> list[SourcedItem]:
    """The items of a file, in its order.

    Columns are ``prompt``, and where they are wanted ``tag``, ``item`` (the row's number where it
    is not given), ``objects``, ``questions``, ``phrases`` and ``text``. In CSV, the lists and
    objects among these are written as JSON. A list in GenEval's format has ``include`` and
    ``exclude`` beside ``prompt`` and ``tag``.

    Args:
        stream: of the file.
        where: its name, whose ending says what kind of table it is.

    Raises:
        EvaluationError: one line is wrong; the message names file, line and field.
    """
    items = [
        SourcedItem(_item(row, place, number), place)
        for number, (place, row) in enumerate(_rows(stream, where), start=1)
    ]
    if not items:
        raise EvaluationError(
            f"{where}: no item", hint="a suite needs at least one row with a prompt"
        )
    return items


def _rows(stream: BinaryIO, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with its place, texts checked."""
    table = open_table(stream, where, error=EvaluationError)
    for name in table.columns:
        if name not in COLUMNS and get_close_matches(name.lower(), COLUMNS, 1, _NEAR):
            raise EvaluationError(
                f"{where}: there is no field {name!r}.{did_you_mean(name, COLUMNS)}",
                hint=f"an item has: {', '.join(COLUMNS)}; rename a column that is something else",
            )
    if table.columns and "prompt" not in table.columns:
        raise EvaluationError(
            f"{where}: prompt: there is no such field",
            hint=f"each item has a prompt; found: {', '.join(table.columns)}",
        )
    names = [name for name in COLUMNS if name in table.columns]
    for batch in table.batches(names) if names else ():
        rows = batch.rows
        for name in names:
            require_texts((row.get(name) for row in rows), name, batch.at, error=EvaluationError)
        yield from ((batch.at(number), row) for number, row in enumerate(rows))


def _item(row: Mapping[str, Any], place: str, number: int) -> SuiteItem:
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or is_blank(prompt):
        raise EvaluationError(
            f"{place}: prompt: expected a text, found {prompt!r:.60}",
            hint="each item has a prompt; take the line out, or write one",
        )
    values = {name: _read(row.get(name), place, name) for name in (*FIELDS, *OF_GENEVAL)}
    spec = requirement(_with_objects(values, place), place)
    name = row.get("item")
    named = str(number) if name in (None, "") else name
    return SuiteItem(
        _name(named, place, "item"), prompt, _name(row.get("tag") or "", place, "tag"), spec
    )


def _with_objects(values: dict[str, Any], place: str) -> dict[str, Any]:
    """``values`` with what GenEval's format spreads over two fields in ``objects``."""
    objects = {name: values.pop(name) for name in OF_GENEVAL}
    objects = {name: value for name, value in objects.items() if value is not None}
    if not objects:
        return values
    if values["objects"] is not None:
        raise EvaluationError(
            f"{place}: objects and {next(iter(objects))}: found both",
            hint="include and exclude are what objects holds: give one of the two forms",
        )
    return {**values, "objects": objects}


def _name(value: Any, place: str, field: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if type(value) is int:
        return str(value)
    raise EvaluationError(
        f"{place}: {field}: expected a text, found {value!r:.60}", hint="write it in quotes"
    )


def _read(value: Any, place: str, field: str) -> Any:
    """The value of a field; of a list or object that a cell holds as text, what that says."""
    if field == "text" or not isinstance(value, str):
        return value
    if is_blank(value):
        return None
    try:
        return parse_text(value)
    except ValueError as error:
        raise EvaluationError(
            f"{place}: {field}: not JSON: {error}",
            hint=f"a cell of {field} holds JSON; in CSV, each of its quotes is written twice",
        ) from error

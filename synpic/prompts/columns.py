"""Which of a source's columns hold what, and the check that they do.

A source's rows become a table with ``prompt`` (string, null where there is none), ``split`` where
the source has one, and ``meta_<name>`` for what else is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synpic.errors import PromptError, did_you_mean
from synpic.readers.arrow import Column, faults_of, integers, plain_texts, texts
from synpic.readers.text import At, refuse_faults, require_texts
from synpic.recipe import split_problem

__all__ = ["PromptColumns", "arrange", "choose", "table_of"]

_META = "meta_"


@dataclass(frozen=True)
class PromptColumns:
    """The columns to read.

    Args:
        prompt: holds the prompt.
        split: holds the split, if any does.
        meta: the source's name → the name under which it is kept.
    """

    prompt: str
    split: str | None
    meta: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """All of them, as the source calls them, each once."""
        return list(dict.fromkeys([self.prompt, *([self.split] if self.split else []), *self.meta]))


def choose(
    known: Mapping[str, Column],
    column: str | None,
    keep: Sequence[str] | None,
    where: str,
    split: str | None = "split",
) -> PromptColumns:
    """Settle which columns are read.

    Args:
        known: every column of the source.
        column: the recipe's ``column``: "prompt" if None.
        keep: the recipe's ``keep``: every plain column if None.
        where: the source, for messages.
        split: the column that says a row's split, where the source has it; None if none does.

    Raises:
        PromptError: a column that is not there, or one that cannot be kept.
    """
    prompt = column or "prompt"
    if prompt not in known:
        raise _missing(prompt, known, where, f'column = "{_guess(known)}"')
    if split not in known or split == prompt:
        split = None
    used = (prompt, split)
    if keep is None:
        kept = [name for name, one in known.items() if one.plain and name not in used]
    else:
        kept = list(dict.fromkeys(keep))
    for name in kept:
        if name not in known:
            raise _missing(name, known, where, "correct `keep`")
        if not known[name].plain:
            raise PromptError(
                f"{where}: column {name!r} holds more than one text or number a row",
                hint="take it out of `keep`: only plain columns are kept beside prompts",
            )
        if known[name].problem is not None:
            raise PromptError(
                f"{where}: column {_named(name, known)} {known[name].problem}",
                hint="leave it out: name in `keep` the columns to keep, or write "
                + ("a header with a name for it" if not name else "it as another type"),
            )
    meta = {name: name if name.startswith(_META) else _META + name for name in kept}
    if len(set(meta.values())) < len(meta):
        twice = next(name for name in meta if _META + name in meta)
        raise PromptError(
            f"{where}: columns {twice!r} and {_META + twice!r} would both be kept as "
            f"{_META + twice!r}",
            hint="rename one, or name in `keep` those to keep",
        )
    return PromptColumns(prompt, split, meta)


def arrange(table: pa.Table, columns: PromptColumns, where: str, at: At) -> pa.Table:
    """``table`` with its columns renamed and checked; all kinds of text become plain strings.

    Raises:
        PromptError: the prompt's column is not text, a text is refused or not UTF-8, or a split is
            not one.
    """
    table = plain_texts(table.select(columns.names), at, error=PromptError)
    for name in columns.names:
        if pa.types.is_string(table.schema.field(name).type):
            refuse_faults(faults_of(table.column(name)), name, at, error=PromptError)
    found = table.schema.field(columns.prompt).type
    if not pa.types.is_string(found):
        raise PromptError(
            f"{where}: column {columns.prompt!r} is {found}, not text",
            hint='name the column that holds prompts: column = "…"',
        )
    arranged = {"prompt": table.column(columns.prompt)}
    if columns.split:
        splits = table.column(columns.split)
        if not pa.types.is_string(splits.type):
            raise PromptError(
                f"{where}: column {columns.split!r} is {splits.type}, not text",
                hint="rename the column, if it means something else",
            )
        arranged["split"] = texts(_checked_splits(splits.to_pylist(), at))
    for name, kept in columns.meta.items():
        arranged[kept] = table.column(name)
    return pa.table(arranged)


def table_of(
    rows: Sequence[Mapping[str, Any]], columns: PromptColumns, where: str, at: At
) -> pa.Table:
    """Rows of Python values as :func:`arrange` gives tables.

    A kept column whose values have no type in common is kept as JSON text.

    Raises:
        PromptError: a prompt that is not text, a text that is refused, or a split that is not one.
    """
    for name in columns.names:
        require_texts((row.get(name) for row in rows), name, at, error=PromptError)
    found: dict[str, pa.Array] = {
        columns.prompt: texts([_text(row.get(columns.prompt), at(i)) for i, row in enumerate(rows)])
    }
    if columns.split:
        splits = _checked_splits([row.get(columns.split) for row in rows], at)
        found[columns.split] = texts(splits)
    for name in columns.meta:
        if name not in found:
            found[name] = _array([row.get(name) for row in rows])
    return arrange(pa.table(found), columns, where, at)


def _text(value: Any, place: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise PromptError(
            f"{place}: the prompt is {value!r:.60}, not text",
            hint="put it in quotes, or take the row out",
        )
    return value


def _checked_splits(values: Sequence[Any], at: At) -> list[str | None]:
    """Splits as they are; null where the cell is empty."""
    for row, value in enumerate(values):
        if value is None or value == "":
            continue
        plain = isinstance(value, str)
        problem = split_problem(value) if plain else f"split {value!r:.60} is not text"
        if problem:
            raise PromptError(
                f"{at(row)}: {problem}",
                hint="rename the split; or its column, if that means something else",
            )
    return [value or None for value in values]


_INT64 = 1 << 63


def _array(values: list[Any]) -> pa.Array:
    if set(map(type, values)) in ({str}, {str, type(None)}):
        return texts(values)
    if set(map(type, values)) == {int} and min(values) >= -_INT64 and max(values) < _INT64:
        return integers(values)
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else json.dumps(value) for value in values])


def _named(name: str, known: Mapping[str, Column]) -> str:
    return repr(name) if name else f"{list(known).index(name) + 1}"


def _missing(name: str, known: Mapping[str, Column], where: str, remedy: str) -> PromptError:
    return PromptError(
        f"{where}: there is no column {name!r}.{did_you_mean(name, known)}",
        hint=f"it has: {', '.join(known) or 'none'}; in the recipe, {remedy}",
    )


def _guess(known: Mapping[str, Column]) -> str:
    """The column most likely meant, by the names that datasets of prompts use."""
    usual = ("prompt", "caption", "text")
    return next((name for word in usual for name in known if word in name.lower()), "…")

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
from synpic.prompts.source import At
from synpic.recipe import split_problem

__all__ = ["Columns", "arrange", "choose", "is_scalar", "scalars_of", "table_of"]

_META = "meta_"
_SCALARS = (str, bool, int, float)


@dataclass(frozen=True)
class Columns:
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
    scalar: Mapping[str, bool],
    column: str | None,
    keep: Sequence[str] | None,
    where: str,
    split: str | None = "split",
) -> Columns:
    """Settle which columns are read.

    Args:
        scalar: every column of the source → whether it holds one text or number a row.
        column: the recipe's ``column``: "prompt" if None.
        keep: the recipe's ``keep``: every scalar column if None.
        where: the source, for messages.
        split: the column that says a row's split, where the source has it; None if none does.

    Raises:
        PromptError: a column that is not there, or one that cannot be kept.
    """
    prompt = column or "prompt"
    if prompt not in scalar:
        raise _missing(prompt, scalar, where, f'column = "{_guess(scalar)}"')
    if split not in scalar or split == prompt:
        split = None
    used = (prompt, split)
    if keep is None:
        kept = [name for name, plain in scalar.items() if plain and name not in used]
    else:
        kept = list(dict.fromkeys(keep))
    for name in kept:
        if name not in scalar:
            raise _missing(name, scalar, where, "correct `keep`")
        if not scalar[name]:
            raise PromptError(
                f"{where}: column {name!r} holds more than one text or number a row",
                hint="take it out of `keep`: only plain columns are kept beside prompts",
            )
    meta = {name: name if name.startswith(_META) else _META + name for name in kept}
    if len(set(meta.values())) < len(meta):
        twice = next(name for name in meta if _META + name in meta)
        raise PromptError(
            f"{where}: columns {twice!r} and {_META + twice!r} would both be kept as "
            f"{_META + twice!r}",
            hint="rename one, or name in `keep` those to keep",
        )
    return Columns(prompt, split, meta)


def arrange(table: pa.Table, columns: Columns, where: str, at: At) -> pa.Table:
    """``table`` with its columns renamed and checked; all kinds of text become plain strings.

    Raises:
        PromptError: the prompt's column is not text, a text is not UTF-8, or a split is not one.
    """
    texts = {name: _as_strings(table.column(name), name, at) for name in columns.names}
    prompts = texts[columns.prompt]
    if prompts is None:
        found = table.schema.field(columns.prompt).type
        raise PromptError(
            f"{where}: column {columns.prompt!r} is {found}, not text",
            hint='name the column that holds prompts: column = "…"',
        )
    arranged = {"prompt": prompts}
    if columns.split:
        splits = texts[columns.split]
        values = (table.column(columns.split) if splits is None else splits).to_pylist()
        arranged["split"] = pa.array(_checked_splits(values, at), pa.string())
    for name, kept in columns.meta.items():
        text = texts[name]
        arranged[kept] = table.column(name) if text is None else text
    return pa.table(arranged)


def table_of(rows: Sequence[Mapping[str, Any]], columns: Columns, where: str, at: At) -> pa.Table:
    """Rows of Python values as :func:`arrange` gives tables.

    A kept column whose values have no type in common is kept as JSON text.

    Raises:
        PromptError: a prompt that is not text, or a split that is not one.
    """
    found: dict[str, pa.Array] = {
        columns.prompt: pa.array(
            [_text(row.get(columns.prompt), at(i)) for i, row in enumerate(rows)], pa.string()
        )
    }
    if columns.split:
        splits = _checked_splits([row.get(columns.split) for row in rows], at)
        found[columns.split] = pa.array(splits, pa.string())
    for name in columns.meta:
        if name not in found:
            found[name] = _array([row.get(name) for row in rows])
    return arrange(pa.table(found), columns, where, at)


def scalars_of(rows: Sequence[Mapping[str, Any]], at: At) -> dict[str, bool]:
    """Every key of ``rows``, in order of appearance → whether all its values are scalars.

    Raises:
        PromptError: a key is not text, or a key or text holds half of a surrogate pair.
    """
    scalar: dict[str, bool] = {}
    for number, row in enumerate(rows):
        for name, value in row.items():
            if not isinstance(name, str):
                raise PromptError(
                    f"{at(number)}: the key {name!r:.60} is not text",
                    hint="keys become the names of columns",
                )
            _require_whole(name, f"the key {name!r:.60}", number, at)
            if isinstance(value, str):
                _require_whole(value, f"{name!r:.60}", number, at)
            plain = value is None or isinstance(value, _SCALARS)
            scalar[name] = scalar.get(name, True) and plain
    return scalar


def is_scalar(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds one text, number, truth or time a row."""
    types = pa.types
    if types.is_dictionary(kind):
        return is_scalar(kind.value_type)
    return bool(
        _is_text(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_temporal(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _as_strings(column: pa.ChunkedArray, name: str, at: At) -> pa.ChunkedArray | None:
    """``column`` as plain strings if it holds text, or nothing but nulls; else None."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not _is_text(kind) and not pa.types.is_null(kind):
        return None
    strings = column.cast(pa.string())
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid as error:
        row = _first_not_utf8(strings.cast(pa.binary()).to_pylist())
        raise PromptError(
            f"{at(row)}: {name!r} is not UTF-8", hint="write the text again as UTF-8"
        ) from error
    return strings


def _first_not_utf8(values: Sequence[bytes | None]) -> int:
    for row, value in enumerate(values):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return row
    return 0


def _text(value: Any, place: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise PromptError(
            f"{place}: the prompt is {value!r:.60}, not text",
            hint="put it in quotes, or take the row out",
        )
    return value


def _require_whole(text: str, what: str, row: int, at: At) -> None:
    """Refuse what JSON and Python can spell, and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"{at(row)}: {what} has half of a surrogate pair at character {error.start + 1}",
            hint="write the character itself, or both halves",
        ) from error


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


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else json.dumps(value) for value in values])


def _missing(name: str, known: Mapping[str, bool], where: str, remedy: str) -> PromptError:
    return PromptError(
        f"{where}: there is no column {name!r}.{did_you_mean(name, known)}",
        hint=f"it has: {', '.join(known) or 'none'}; in the recipe, {remedy}",
    )


def _guess(known: Mapping[str, bool]) -> str:
    """The column most likely meant, by the names that datasets of prompts use."""
    usual = ("prompt", "caption", "text")
    return next((name for word in usual for name in known if word in name.lower()), "…")

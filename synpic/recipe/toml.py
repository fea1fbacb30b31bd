"""TOML files as pydantic models: every mistake is a line of its own, with its place in the file."""

from __future__ import annotations

import json
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synpic.errors import RecipeError, did_you_mean
from synpic.readers.json_models import TooDeep, items, walk

__all__ = ["Table", "line_of", "read_toml", "toml_key", "toml_value", "write_toml"]


class Table(BaseModel):
    """A TOML table: unknown keys are mistakes, types are not coerced, instances do not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions → what they are called now."""


T = TypeVar("T", bound=Table)

_NAMED = re.compile(r"([a-z]\w*(?:\.\w+)+): ")
"""A key with its tables, at the beginning of a message."""

_LONG = re.compile(r"\d{4000}")


def read_toml(
    kind: type[T], text: str | bytes, where: str, *, hint: str, changes: Sequence[str] = ()
) -> T:
    """``text`` as a ``kind``.

    Args:
        text: TOML; bytes are taken as UTF-8.
        where: the file's name, for messages.
        hint: where to see a valid one.
        changes: "table.key=value" each, put over what ``text`` says, in their order. A value is
            TOML, or a word that stands for itself; where there is none, the key is taken out. A
            value in the place of a list is a list of one.

    Raises:
        RecipeError: for any text that is no valid one, with every mistake on a line of its own.
    """
    try:
        source = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        data = tomllib.loads(source)
        for change in changes:
            _put(data, change)
        _require_usable(data, source, where)
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            if not _put_lists(kind, data, error, changes):
                raise
            return kind.model_validate(data)
    except UnicodeError as error:
        raise RecipeError(f"{where}: not UTF-8: {error}", hint="save it as UTF-8") from error
    except RecursionError as error:
        raise RecipeError(f"{where}: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"{where}: not TOML: {error}",
            hint="strings need quotes, and a table's header stands alone on its line",
        ) from error
    except ValidationError as error:
        lines = [
            _explain(kind, dict(problem), source, where, changes) for problem in error.errors()
        ]
        raise RecipeError("\n".join(lines), hint=hint) from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        line = next((n for n, text in enumerate(source.splitlines(), 1) if _LONG.search(text)), 1)
        raise RecipeError(
            f"{where}:{line}: a number of too many digits", hint="whole numbers have 64 bits"
        ) from error


def _require_usable(data: dict[str, Any], source: str, where: str) -> None:
    """Refuse values that no setting takes and that no file made from them could hold.

    Raises:
        RecipeError: naming line and key.
    """
    try:
        for keys, table in walk(data):
            for key, value in items(table):
                if problem := _unusable(value):
                    location = [*keys, str(key)]
                    line = line_of(location, source)
                    raise RecipeError(
                        f"{where}{f':{line}' if line else ''}: {'.'.join(location)}: {problem}"
                    )
    except TooDeep as error:
        raise RecipeError(f"{where}: {error.keys[0]}: {error}") from error


def _unusable(value: Any) -> str | None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"{str(value)[:40]} is beyond 64 bits"
    if isinstance(value, str) and "\0" in value:
        return "a text holds a NUL character"
    return None


def _put(data: dict[str, Any], change: str) -> None:
    """Put "table.key=value" into parsed TOML."""
    key, equals, written = change.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not all([*tables, last]):
        raise RecipeError(f"{change!r} changes no key", hint="write it as optimizer.name=adafactor")
    table = data
    for name in tables:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{change}: {name} is no table", hint="give a key of the recipe")
        table = inner
    if written.strip():
        table[last] = _value(written.strip())
    else:
        table.pop(last, None)


def _put_lists(
    kind: type[BaseModel], data: dict[str, Any], error: ValidationError, changes: Sequence[str]
) -> bool:
    """Make lists of one of values that ``changes`` have put where a list belongs, if there are any.

    Args:
        error: what was wrong with ``data``.
    """
    changed = {tuple(change.partition("=")[0].strip().split(".")) for change in changes}
    found = False
    for problem in error.errors():
        location, value = list(problem["loc"]), problem["input"]
        alone = isinstance(value, str) or (
            problem["type"] == "list_type" and not isinstance(value, dict | list)
        )
        if alone and tuple(location) in changed:
            *tables, last = map(str, location)
            field = _table_at(kind, tables).model_fields[last]
            if _has_list(field.annotation) and _table_in(field.annotation) is None:
                table = data
                for name in tables:
                    table = table[name]
                table[last] = [value]
                found = True
    return found


def _has_list(annotation: Any) -> bool:
    """Whether a setting may be a list."""
    return typing.get_origin(annotation) is list or any(map(_has_list, typing.get_args(annotation)))


def _value(written: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {written}")
    except ValueError:  # no TOML, or a number of thousands of digits
        return written
    if len(parsed) > 1 or re.match(r"[+-]?0[xob]", written):
        return written  # "0x0" is no size that anybody wants, and still less the number 0
    return parsed["value"]


def _explain(
    kind: type[BaseModel],
    problem: dict[str, Any],
    source: str,
    where: str,
    changes: Sequence[str],
) -> str:
    """One problem as ``file:line: key: what is wrong``, or ``key=value: what is wrong``."""
    pieces = [piece for piece in problem["loc"] if piece != "[key]"]
    location = [str(piece) for piece in pieces]
    key = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in pieces)[1:]
    fault = problem["type"]
    if fault == "extra_forbidden":
        table = _table_at(kind, location[:-1])
        known = list(table.model_fields)
        if new := table.renamed.get(location[-1]):
            what = f"this key is called {new} now"
        else:
            meant = did_you_mean(location[-1], known)
            what = f"unknown key.{meant or ' There are: ' + ', '.join(known)}"
    elif fault == "missing":
        what = "is missing"
    elif fault == "string_pattern_mismatch":
        what = "names are lower-case letters, digits and _, and begin with a letter"
    elif fault in ("model_type", "model_attributes_type"):
        table = _table_at(kind, location)
        if written := _as_table(table, problem["input"]):
            what = f"a table is wanted: {written}"
        else:
            keys = ", ".join(f"{key}.{name}" for name in table.model_fields)
            what = f"is a table, so give one of its keys: {keys}"
    elif fault == "list_type" and isinstance(problem["input"], str):
        one = _as_table(_table_at(kind, location), problem["input"])
        what = f"wants a list: {key} = [{one or toml_value(problem['input'])}]"
    elif fault == "list_type" and _table_at(kind, location) is not None:
        what = f"a list of tables is wanted: [[{key}]]"
    else:
        what = str(problem["msg"]).removeprefix("Value error, ")
        if not location and (named := _NAMED.match(what)):
            # A rule of several tables: it names the key itself.
            location = named[1].split(".")
    line = line_of(location, source)
    for change in reversed(changes):
        path = change.partition("=")[0].strip().split(".")
        # A change is to blame for what lies in it, and for an unknown table that the file lacks.
        made = fault == "extra_forbidden" and not line and location == path[: len(location)]
        if path == location[: len(path)] or made:
            return f"{change}: {what}"
    return f"{where}{f':{line}' if line else ''}: {f'{key}: ' if key else ''}{what}"


def _as_table(kind: type[BaseModel] | None, value: Any) -> str | None:
    """A text in the place of a table, as that table: its one required key has the text."""
    fields = kind.model_fields if kind else {}
    required = [name for name, field in fields.items() if field.is_required()]
    if not isinstance(value, str) or len(required) != 1:
        return None
    return f"{{ {required[0]} = {toml_value(value)} }}"


def _table_at(kind: type[BaseModel], location: list[str]) -> Any:
    """The kind of the table at ``location``, alone or in a list; None where no table belongs."""
    known: Any = kind
    named = False
    for piece in location:
        if named:
            # The user's own name of one of several tables, as in [models.NAME], or its place.
            named = False
            continue
        annotation = known.model_fields[piece].annotation
        named = typing.get_origin(annotation) in (dict, list)
        known = _table_in(annotation)
    return known


def _table_in(annotation: Any) -> Any:
    """The kind of table in ``Table``, ``Table | None``, ``list`` or ``dict`` of ``Table``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    within = [_table_in(argument) for argument in typing.get_args(annotation)]
    return next((found for found in within if found is not None), None)


def line_of(location: list[str], source: str) -> int | None:
    """The line where a key stands, as far as plain TOML layout tells; None where it does not.

    Args:
        location: the key with its tables: ["ranking", "aggregation"].
    """
    for depth in range(len(location), 0, -1):
        header, key = ".".join(location[: depth - 1]), location[depth - 1]
        table = ""
        for number, line in enumerate(source.splitlines(), start=1):
            text = line.strip()
            if text.startswith("["):
                table = text.strip("[]").strip()
                if table == ".".join(location[:depth]):
                    return number
            elif table == header and re.match(rf"{re.escape(key)}\s*=", text):
                return number
    return None


def write_toml(settings: Mapping[str, Any]) -> str:
    """``settings`` as a TOML file that reads as the same.

    Args:
        settings: keys that TOML takes without quotes → texts, numbers, lists of them, and tables;
            what is None or an empty table is left out.
    """
    return "\n".join(_written(settings, "")).strip() + "\n"


def _written(table: Mapping[str, Any], name: str) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {toml_value(value)}" for key, value in plain.items() if value is not None]
    if lines:
        yield from ["", f"[{name}]"] if name else []
        yield from lines
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _written(value, f"{name}.{key}" if name else key)


def toml_value(value: Any) -> str:
    """A text, a number, a list or a table, as TOML writes it on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON's texts and numbers are TOML's, but for a character that TOML has escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """A key, in quotes where TOML needs them."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)

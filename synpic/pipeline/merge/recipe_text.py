"""The text of a recipe, changed in places so that its comments stay.

Plain layouts are changed line by line: a header on a line of its own, ``key = "value"`` on another.
A text that was changed this way is read again and compared; :func:`plain_text` writes a recipe of
any layout, without comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from synpic.pipeline.merge.places import Keys
from synpic.recipe.toml import line_of, toml_key, toml_value

__all__ = ["plain_text", "table_text", "with_table", "with_value"]

_HEADER = re.compile(r"""\s*\[{1,2}\s*([A-Za-z0-9_."'\s-]+?)\s*\]{1,2}\s*(#.*)?""")


def with_value(text: str, keys: Keys, old: str, new: str) -> str:
    """``text`` with another value at a key; as it was, where that is not plain to find."""
    number = line_of([str(key) for key in keys], text)
    if number is None:
        return text
    lines = text.splitlines(keepends=True)
    line = lines[number - 1]
    for written in (toml_value(old), f"'{old}'"):
        if written in line:
            lines[number - 1] = line.replace(written, toml_value(new), 1)
            return "".join(lines)
    return text


def table_text(text: str, name: str) -> str | None:
    """The lines of the table ``[name]`` with the tables in it, and the comment right above it.

    None where it has no header of its own.
    """
    lines = text.splitlines()
    found = _lines_of(lines, name)
    if found is None:
        return None
    first, last = found
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "\n".join(lines[first:last])


def with_table(text: str, name: str, table: Mapping[str, Any]) -> str:
    """``text`` with other keys below the header ``[name]``, or with that table at its end."""
    lines = text.splitlines()
    written = [f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items()]
    found = _lines_of(lines, name)
    if found is None:
        return "\n".join([*lines, "", f"[{name}]", *written, ""])
    first, last = found
    return "\n".join([*lines[: first + 1], *written, *lines[last:], ""])


def plain_text(data: Mapping[str, Any]) -> str:
    """A recipe with these keys, without comments."""
    lines = [f"{key} = {toml_value(one)}" for key, one in data.items() if not _is_table(one)]
    for key, one in data.items():
        if key in ("models", "rewards"):
            for name, inner in one.items():
                lines += _table_lines(f"{key}.{name}", inner)
        elif _is_table(one):
            lines += _table_lines(key, one)
    return "\n".join(lines).strip() + "\n"


def _table_lines(name: str, table: Mapping[str, Any]) -> list[str]:
    keys = (f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items())
    return ["", f"[{name}]", *keys]


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _lines_of(lines: list[str], name: str) -> tuple[int, int] | None:
    """The line of the header ``[name]``, and the line after the last one that belongs to it."""
    headers = [(at, _header(line)) for at, line in enumerate(lines)]
    first = next((at for at, header in headers if header == name), None)
    if first is None:
        return None
    others = (
        at
        for at, header in headers
        if at > first and header is not None and not header.startswith(f"{name}.")
    )
    last = next(others, len(lines))
    # Comments right above the next header are about that.
    while last > first + 1 and lines[last - 1].lstrip().startswith("#"):
        last -= 1
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    return first, last


def _header(line: str) -> str | None:
    found = _HEADER.fullmatch(line)
    return re.sub(r"\s", "", found[1]) if found else None

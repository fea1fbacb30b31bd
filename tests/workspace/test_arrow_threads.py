"""Arrow's own threads read nothing that Python holds: one may let go of it while Python ends."""

from __future__ import annotations

import ast
from pathlib import Path

import synpic

# Ingest reads files of Arrow by the same calls, which have no such option.
_ROOMS = ("workspace", "readers", "release")


def _reads(tree: ast.AST) -> list[ast.Call]:
    """Calls that read rows of a Parquet file."""
    return [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and (
            call.func.attr in ("read_row_group", "read_row_groups", "iter_batches", "read_table")
            or (call.func.attr == "read" and ast.unparse(call.func.value) in ("file", "self._file"))
        )
        and (call.args or call.keywords)
    ]


def test_rows_are_read_on_the_thread_that_asks() -> None:
    found = 0
    for room in _ROOMS:
        for path in (Path(synpic.__file__).parent / room).rglob("*.py"):
            for call in _reads(ast.parse(path.read_text("utf-8"))):
                found += 1
                options = {one.arg: ast.unparse(one.value) for one in call.keywords}
                assert options.get("use_threads") == "False", f"{path}:{call.lineno}"
    assert found >= 9

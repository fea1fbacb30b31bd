"""Faults in tables: CSV, JSONL, Parquet."""

from __future__ import annotations

import csv
import decimal
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.values import TEXTS, Changed, mutate_value, odd_value, write_json

__all__ = ["mutate_csv", "mutate_jsonl", "mutate_parquet"]


def mutate_csv(data: bytes, rng: random.Random) -> Changed:
    """A CSV file with a ragged row, an odd header or an odd cell."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    at = rng.randrange(len(rows))
    column = rng.randrange(len(rows[0]))
    how = rng.choice(
        ["more", "fewer", "header twice", "long", "quote", "odd", "header", "delimiter", "none"]
    )
    if how == "more":
        rows[at].append("more")
    elif how == "fewer":
        del rows[at][column % len(rows[at])]
    elif how == "header twice":
        rows[0][column] = rows[0][column - 1]
    elif how == "long":
        rows[at][column] = "x" * 200_000
    elif how == "odd":
        text = rng.choice(TEXTS).encode("utf-8", errors="replace").decode()
        rows[at][column] = text
    elif how == "header":
        rows[0][column] = rng.choice(
            ["", " ", "a\0b", "é", "x" * 1000, "split", "source", "meta_a"]
        )
    elif how == "none":
        rows = rows[: rng.choice([0, 1])]
    written = io.StringIO()
    delimiter = rng.choice(";\t|") if how == "delimiter" else ","
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(rows)
    text = written.getvalue()
    if how == "quote":
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice(['"', ',"', '",', "'"]) + text[place:]
    return text.encode("utf-8", errors="replace"), f"{how} in row {at}", None


def mutate_jsonl(data: bytes, rng: random.Random) -> Changed:
    """A JSONL file with one odd line."""
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    if rng.random() < 0.3:
        odd = odd_value(rng)
        written, what = write_json(odd).replace(b"\n", b" "), f"line {at + 1} is another value"
    else:
        value, what, _ = mutate_value(json.loads(lines[at]), rng)
        written = write_json(value).replace(b"\n", b" ")
    lines[at] = written
    return b"\n".join(lines) + b"\n", f"line {at + 1}: {what}", None


def _exotic(rows: int) -> dict[str, Callable[[], pa.Array]]:
    """Columns of types that few readers expect."""
    texts = ["x"] * rows
    return {
        "decimal256": lambda: pa.array([decimal.Decimal(1)] * rows, pa.decimal256(60, 2)),
        "decimal128": lambda: pa.array([decimal.Decimal(1)] * rows, pa.decimal128(5, 2)),
        "Mars": lambda: pa.array([0] * rows, pa.timestamp("us", tz="Mars/Olympus")),
        "time": lambda: pa.array([0] * rows, pa.time64("ns")),
        "duration": lambda: pa.array([0] * rows, pa.duration("s")),
        "date": lambda: pa.array([0] * rows, pa.date32()),
        "list": lambda: pa.array([["x"]] * rows),
        "large_list": lambda: pa.array([["x"]] * rows, pa.large_list(pa.string())),
        "fixed_list": lambda: pa.array([[1.0, 2.0]] * rows, pa.list_(pa.float32(), 2)),
        "struct": lambda: pa.array([{"a": 1}] * rows),
        "empty_struct": lambda: pa.array([{}] * rows, pa.struct([])),
        "map": lambda: pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
        "dictionary": lambda: pa.array(texts).dictionary_encode(),
        "string_view": lambda: pa.array(texts, pa.string_view()),
        "binary_view": lambda: pa.array([b"x"] * rows, pa.binary_view()),
        "large_string": lambda: pa.array(texts, pa.large_string()),
        "binary": lambda: pa.array([b"\xff\x00"] * rows),
        "fixed_binary": lambda: pa.array([b"xy"] * rows, pa.binary(2)),
        "null": lambda: pa.nulls(rows),
        "float16": lambda: pa.array([1.0] * rows, pa.float16()),
        "nan": lambda: pa.array([float("nan")] * rows),
        "inf": lambda: pa.array([float("inf")] * rows),
        "uint64": lambda: pa.array([2**64 - 1] * rows, pa.uint64()),
        "bool": lambda: pa.array([True] * rows),
        "odd text": lambda: pa.array(["a\0b"] * rows),
    }


def _columns(table: pa.Table, at: int, rng: random.Random) -> tuple[pa.Table, str]:
    name = table.column_names[at]
    how = rng.choice(["type", "type", "type", "drop", "rename", "twice", "add", "null", "order"])
    exotic = _exotic(table.num_rows)
    kind = rng.choice(list(exotic))
    if how == "type":
        return table.set_column(at, name, exotic[kind]()), f"{name} is {kind}"
    if how == "drop":
        return table.remove_column(at), f"{name} is gone"
    if how == "rename":
        other = rng.choice(["", "x", name.upper(), "a\0b", "é", "meta_x", name + " "])
        names = [other if index == at else one for index, one in enumerate(table.column_names)]
        return table.rename_columns(names), f"{name} is named {other!r}"
    if how == "twice":
        return table.append_column(name, table.column(at)), f"{name} twice"
    if how == "add":
        return table.append_column("another", exotic[kind]()), f"another column, {kind}"
    if how == "null":
        kind_ = table.schema.field(at).type
        return table.set_column(at, name, pa.nulls(table.num_rows, kind_)), f"{name} is null"
    return table.select(table.column_names[::-1]), "columns the other way round"


def _rows(table: pa.Table, rng: random.Random) -> tuple[pa.Table, str]:
    how = rng.choice(["none", "twice", "fewer", "order"])
    if how == "none":
        return table.slice(0, 0), "no rows"
    if how == "twice":
        return pa.concat_tables([table, table]), "every row twice"
    if how == "fewer":
        return table.slice(1), "a row fewer"
    return table.take(list(range(table.num_rows))[::-1]), "rows the other way round"


def _metadata(table: pa.Table, rng: random.Random) -> tuple[pa.Table, str]:
    known: dict[bytes, Any] = dict(table.schema.metadata or {b"x": b"{}"})
    key = rng.choice(sorted(known))
    data = rng.choice(
        [b"", b"{", b"[]", b"null", b"\xff", b'{"schema_version": 99}', b'{"a": 1e999}']
    )
    how = rng.choice(["gone", "odd", "value"])
    if how == "gone":
        del known[key]
    elif how == "odd":
        known[key] = data
    else:
        try:
            known[key] = write_json(mutate_value(json.loads(known[key]), rng)[0])
        except ValueError:
            known[key] = data
    return table.replace_schema_metadata(known), f"metadata {key!r} {how}"


def mutate_parquet(data: bytes, rng: random.Random) -> Changed:
    """A Parquet file with other columns, rows or metadata, or written in another way."""
    table = pq.read_table(io.BytesIO(data))
    how = rng.choice(["column", "column", "column", "rows", "metadata", "layout"])
    options: dict[str, Any] = {}
    key = None
    try:
        if how == "column":
            at = rng.randrange(table.num_columns)
            key = table.column_names[at]
            table, what = _columns(table, at, rng)
        elif how == "rows":
            table, what = _rows(table, rng)
        elif how == "metadata":
            table, what = _metadata(table, rng)
        else:
            what = "another layout"
            options = rng.choice(
                [
                    {"row_group_size": 1},
                    {"compression": "gzip"},
                    {"use_dictionary": False},
                    {"data_page_version": "2.0"},
                    {"write_statistics": False},
                    {"version": "1.0"},
                    {"store_schema": False},
                ]
            )
        written = io.BytesIO()
        pq.write_table(table, written, **options)
    except (pa.ArrowException, ValueError):
        return data, "cannot be written", None
    return written.getvalue(), what, key

"""Ranks and ratings of images that stand in a list: HPDv2 and ImageRewardDB.

A list is a row whose cells are lists, with something for each image, or the rows of one
``prompt_id``. Sources: the cards of ymhao/HPDv2 (``human_preference``: 1 is preferred to 0;
``rank``; ``raw_annotations``, with a ``rank`` by each ``user_hash``) and THUDM/ImageRewardDB
(``rank``, and ratings by question). A lower rank is better, a higher rating is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synpic.errors import IngestError
from synpic.ingest.labels.forms import PERSON, RATED, REWARD, LabelLayout
from synpic.ingest.labels.values import NO_LABELS, names, numbers
from synpic.readers.text import At

__all__ = ["LIST", "lists_in_cells", "ranked_rows"]

_RATERS = "raw_annotations"
_RATER, _RANK = "user_hash", "rank"

_OVERALL: Mapping[str, int] = {"human_preference": 1, _RANK: -1}
"""Columns for the question ``overall``, of which the first counts → 1 where more is better."""

_RATINGS: Mapping[str, str] = {
    "overall_rating": "overall_rating",
    "image_text_alignment_rating": "alignment",
    "fidelity_rating": "fidelity",
}
"""Columns of ratings → their questions. The overall rating is no ranking: many images share one."""

LIST = "prompt_id"
"""The column that says which rows are one list."""

_OURS = {"candidate_id", "preference"}
"""Columns by which the config `images` of this tool is known, whose ranks are of rewards."""


def lists_in_cells(images: Sequence[str], columns: Sequence[str]) -> LabelLayout | None:
    """Lists with something for each image of a list of images; None of others."""
    found = [name for name in (*_OVERALL, *_RATINGS) if name in columns]
    if len(images) != 1 or not found:
        return None
    wanted = [*found, *(name for name in (_RATERS,) if name in columns and _RANK in columns)]

    def read(table: pa.Table, at: At) -> pl.DataFrame:
        by_raters, raters = _by_raters(table, at), pl.DataFrame(schema={"nth": pl.Int64})
        if by_raters is not None:
            raters = by_raters.select("nth").unique()
        pieces = [] if by_raters is None else [by_raters]
        for column, question, better in _questions(found):
            cells = _elements(table.column(column), column, at)
            if question == "overall":
                # What each rater says is there instead of what was made of it.
                cells = cells.join(raters, on="nth", how="anti", maintain_order="left")
            value = pl.col("value") * better
            said = {"column": pl.lit(column), "question": pl.lit(question)}
            pieces.append(_rated(cells.with_columns(**said, value=value)))
        return pl.concat(pieces)

    return LabelLayout("lists of ranks", wanted, read, rated=True)


def ranked_rows(images: Sequence[str], columns: Sequence[str]) -> LabelLayout | None:
    """A rank, and ratings, of one image a row, beside the id of its list; None of others."""
    if len(images) != 1 or not {LIST, _RANK} <= set(columns):
        return None
    found = [_RANK, *(name for name in _RATINGS if name in columns)]
    kind = REWARD if set(columns) >= _OURS else PERSON

    def read(table: pa.Table, at: At) -> pl.DataFrame:
        lists = names(table, LIST, at)
        pieces = []
        for column, question, better in _questions(found):
            values = numbers(table, column, at) * better
            rows = pl.DataFrame({"value": values, "list": lists}).with_row_index("nth")
            said = {"column": pl.lit(column), "question": pl.lit(question)}
            pieces.append(_rated(rows.with_columns(**said, kind=pl.lit(kind))))
        # An image without a list has no other to be compared with.
        return pl.concat(pieces).drop_nulls("list")

    return LabelLayout("ranked rows", [LIST, *found], read, rated=True)


def _questions(columns: Sequence[str]) -> list[tuple[str, str, int]]:
    """Each column with its question, and 1 where more is better."""
    overall = [name for name in _OVERALL if name in columns][:1]
    found = [(name, "overall", _OVERALL[name]) for name in overall]
    return found + [(name, question, 1) for name, question in _RATINGS.items() if name in columns]


def _by_raters(table: pa.Table, at: At) -> pl.DataFrame | None:
    """The ranks that each rater gave; None where there is no such column."""
    if _RATERS not in table.column_names:
        return None
    column = table.column(_RATERS).combine_chunks()
    kind = column.type
    struct = kind.value_type if _is_list(kind) else kind
    fields = {field.name for field in struct} if pa.types.is_struct(struct) else set()
    if pa.types.is_null(kind) or pa.types.is_null(struct):
        return None
    if not {_RATER, _RANK} <= fields or not _is_list(kind):
        raise _not_lists(at, _RATERS, kind, f"a list of {_RANK} and {_RATER}")
    rows = pc.list_parent_indices(column)
    raters = pc.list_flatten(column)

    def of_rater(number: int) -> str:
        return at(rows[number].as_py())

    rater = names(pa.table({_RATER: pc.struct_field(raters, _RATER)}), _RATER, of_rater)
    who = pl.DataFrame({"row": pl.Series(pl.from_arrow(rows)), "rater": rater})
    ranks = _elements(pc.struct_field(raters, _RANK), f"{_RATERS}.{_RANK}", of_rater)
    known = ranks.join(who.with_row_index("nth").cast({"nth": pl.Int64}), on="nth", how="left")
    # Of somebody who ranked a list twice, the first ranking counts.
    once = known.unique(["row", "rater", "which"], keep="first", maintain_order=True)
    return _rated(
        once.select(
            nth="row",
            which="which",
            value=-pl.col("value"),
            column=pl.lit(_RATERS),
            question=pl.lit("overall"),
            rater="rater",
            n=pl.lit(1),
        )
    )


def _elements(column: pa.ChunkedArray | pa.Array, name: str, at: At) -> pl.DataFrame:
    """Cells of lists of numbers → ``nth``, ``which`` and ``value`` of each element."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_null(array.type):
        return pl.DataFrame(schema={"nth": pl.Int64, "which": pl.Int32, "value": pl.Float64})
    if not _is_list(array.type):
        raise _not_lists(at, name, array.type, "a list with a number for each image")
    rows = pl.Series(pl.from_arrow(pc.list_parent_indices(array))).cast(pl.Int64)
    flat = pa.table({name: pc.list_flatten(array)})
    values = numbers(flat, name, lambda number: at(rows[number] if rows.len() else 0))
    which = pl.int_range(pl.len(), dtype=pl.Int32).over("nth")
    return pl.DataFrame({"nth": rows, "value": values}).with_columns(which=which)


def _rated(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with every column of ``RATED``: of people, and the first image, if not said."""
    missing = {name: pl.lit(None) for name in RATED if name not in rows.columns}
    made = rows.with_columns(**missing).select(*RATED).cast(RATED)  # type: ignore[arg-type]
    return made.with_columns(pl.col("which").fill_null(0), pl.col("kind").fill_null(pl.lit(PERSON)))


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _not_lists(at: At, name: str, kind: pa.DataType, expected: str) -> IngestError:
    where = at(0).rpartition(": row")[0] or at(0)
    return IngestError(f"{where}: column {name!r} is {kind}; expected {expected}", hint=NO_LABELS)

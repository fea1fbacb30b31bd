"""``[records] where``: an SQL expression over the columns of prompts, checked before it is used."""

from __future__ import annotations

import polars as pl

from synpic.errors import RecipeError, did_you_mean

__all__ = ["require_condition"]

_FIELD = "records.where"
_EXAMPLE = "one condition alone, such as: meta_category = 'animals' AND LENGTH(prompt) < 200"
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def require_condition(where: str, prompts: pl.DataFrame) -> pl.Series:
    """For which rows of ``prompts`` the condition is true; one that is null is not.

    Args:
        where: an expression in polars' SQL.
        prompts: its columns are those that the condition may name.

    Raises:
        RecipeError: it is no expression or more than one, names a column that is not there or that
            holds lists, or is not boolean.
    """
    columns = f"columns there: {', '.join(prompts.columns)}"
    try:
        condition = pl.sql_expr(where)
        several = condition.meta.has_multiple_outputs()
        named = list(dict.fromkeys(condition.meta.root_names()))
    except _BROKEN as error:
        raise RecipeError(
            f"{_FIELD}: {where!r} is no SQL expression: {_line(error)}",
            hint=f"write {_EXAMPLE}; {columns}",
        ) from error
    # A query inside an expression becomes columns of names of polars' own.
    if several or any(name.startswith("_POLARS") for name in named):
        raise RecipeError(
            f"{_FIELD}: {where!r} is more than one expression",
            hint=f"write {_EXAMPLE}; {columns}",
        )
    for name in named:
        if name not in prompts.columns:
            raise RecipeError(
                f"{_FIELD}: prompts have no column {name!r}.{did_you_mean(name, prompts.columns)}",
                hint=f"{columns}; a text stands in single quotes, a column in double ones or none",
            )
        if prompts.schema[name].is_nested():
            raise RecipeError(
                f"{_FIELD}: column {name!r} holds {prompts.schema[name]}, and a condition reads "
                "one value of a prompt",
                hint=columns,
            )
    try:
        kind = prompts.lazy().select(condition.alias("chosen")).collect_schema()["chosen"]
        if kind != pl.Boolean:
            raise RecipeError(
                f"{_FIELD}: {where!r} is {kind}, and not true or false",
                hint=f"write {_EXAMPLE}; {columns}",
            )
        chosen = prompts.with_columns(condition.alias("chosen"))["chosen"]
    except _BROKEN as error:
        raise RecipeError(
            f"{_FIELD}: {where!r} cannot be computed: {_line(error)}",
            hint=f"compare texts with texts and numbers with numbers; {columns}",
        ) from error
    return chosen.fill_null(False)


def _line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__

"""Prompts in a column of a dataset: on the Hub, or in a folder that ``load_dataset`` opens.

The dataset is streamed, and of Parquet only the columns that are kept are fetched: the images that
most datasets of prompts carry stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from synpic.errors import PromptError, SynpicError
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.local_datasets import loadable
from synpic.prompts.columns import PromptColumns, arrange, choose
from synpic.readers.arrow import Column, column_of
from synpic.readers.display import visible
from synpic.readers.tables import rows_from

__all__ = ["read_dataset"]

_ROWS = 1_000

T = TypeVar("T")


def read_dataset(
    location: str,
    commit: str | None,
    where: str,
    *,
    config: str | None,
    split: str,
    column: str | None,
    keep: Sequence[str] | None,
) -> Iterator[pa.Table]:
    """Tables of a dataset, in its order.

    Args:
        location: a repository, or a folder.
        commit: of the repository.
        where: its name, for messages.

    Raises:
        PromptError: it cannot be read, or lacks the config, split or column.
        CheckpointError, HubUnreachable: the Hub refuses it, or does not answer.
    """
    ask = partial(_told, where, location, commit)
    stream = ask(lambda: _open(location, commit, config, split, None))
    columns = choose(ask(lambda: _columns(stream)), column, keep or [], where, split=None)
    chosen = ask(lambda: _open(location, commit, config, split, columns))
    batches = iter(chosen.with_format("arrow").iter(_ROWS))
    first = 0
    while (batch := ask(lambda: next(batches, None))) is not None:
        yield arrange(batch, columns, where, rows_from(where, first))
        first += batch.num_rows


def _open(
    location: str, commit: str | None, config: str | None, split: str, columns: PromptColumns | None
) -> Any:
    from datasets import load_dataset, load_dataset_builder

    location = loadable(location)
    options: dict[str, Any] = {}
    if columns is not None:
        builder = load_dataset_builder(location, config, revision=commit)
        _require_own_files(builder, location, commit)
        # Only readers of columnar files can be asked for some columns.
        if hasattr(builder.config, "columns"):
            options["columns"] = columns.names
    stream = load_dataset(location, config, split=split, revision=commit, streaming=True, **options)
    return stream.select_columns(columns.names) if columns is not None else stream


def _require_own_files(builder: Any, location: str, commit: str | None) -> None:
    """A card may name any file: one of this machine, or of a private dataset.

    Raises:
        PromptError: a file that would be read is not the dataset's.
    """
    root = (
        Path(location).resolve().as_posix()
        if commit is None
        else f"hf://datasets/{location}@{commit}"
    )
    for files in (builder.config.data_files or {}).values():
        for file in map(str, files):
            # "::" chains file systems: "gzip://a::b" is a, in the archive b.
            name = file.rpartition("::")[2]
            name = name.replace("\\", "/").removeprefix("file://")
            if not name.startswith(f"{root}/") or ".." in name.split("/"):
                raise PromptError(
                    f"{location}: its card takes {visible(file)[:200]} for a file of it, which "
                    "lies elsewhere",
                    hint="do not trust that dataset; [prompts] file takes one of your own",
                )


def _columns(stream: Any) -> dict[str, Column]:
    """Every column of a streamed dataset."""
    features = stream.features
    if features is None:
        # Some formats tell their columns only when they are read.
        first = next(iter(stream.with_format("arrow").iter(1)), None)
        schema = pa.schema([]) if first is None else first.schema
    else:
        schema = features.arrow_schema
    return {field.name: column_of(field) for field in schema}


def _told(where: str, location: str, commit: str | None, action: Callable[[], T]) -> T:
    """``action()``, with whatever ``datasets`` raises turned into one clear error."""
    try:
        with naming_hub_errors(location, commit, "dataset") if commit else nullcontext():
            return action()
    except SynpicError:
        raise
    except Exception as error:
        # Its errors, its readers' and its network clients' share no class but this one.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PromptError(
            f"{where}: the dataset cannot be read: {reason:.400}",
            hint="check dataset, config and split; after a broken connection run it again",
        ) from error

"""``ingest.parquet``: every image that a source has, with its prompt, its id and where it lies.

It lists what is wanted, as the recipe does for images that are drawn. Ids are hashes of prompt and
image, and do not depend on it; the numbers of samples and the names of models are kept from one
index to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import Field

from synpic import ids
from synpic.engine.progress import Listener
from synpic.errors import CheckpointError, SourceMissing, SynpicError
from synpic.ingest.labels.candidates import label_candidates
from synpic.ingest.meta import prompt_columns
from synpic.ingest.names import name_models
from synpic.ingest.opening import open_source, settings_of
from synpic.ingest.source import FOUND, ImageSource
from synpic.prompts import PromptTable, stored_prompts
from synpic.readers.json_models import Record
from synpic.workspace import Snapshot, Workspace, tables
from synpic.workspace.cache import read_cache, write_cache
from synpic.workspace.labels import (
    INGESTED,
    changing_labels,
    label_folder,
    remove_labels,
    write_labels,
)
from synpic.workspace.parts import frame
from synpic.workspace.recorded import folders_of
from synpic.workspace.workspace import INGEST, OLD_INGEST

__all__ = [
    "INDEX",
    "NAME",
    "Index",
    "current_index",
    "ensure_index",
    "ingested_prompts",
    "read_index",
]

INDEX = INGEST

NAME = "ingested"
"""Of all ingested images, in `--only` and progress; which model drew one is in its row."""

OLD_NAME = "given"
"""What an earlier synpic called them, and their folder."""

BATCH = 64
"""Images that are read, and kept, together."""

_BLANK = ""


@dataclass(frozen=True)
class Index:
    """Every image of a source.

    Args:
        rows: in the source's order, one for each image: candidate_id, prompt_id, model, sample,
            ``batch`` (images that are read together), ``share`` (batches that one shard reads) and
            ``copies`` (other places of the same image) and the columns of ``FOUND``; of an image
            without a prompt, that of the empty text.
        source: with what it holds: ``pictures@1a2b3c4d``.
        fingerprint: of all of them.
        fingerprint_inputs: what it is a hash of.
        found: rows of the source, before images that it names twice were folded.
        identity: of the source, when it was read.
        notes: what of the source was not read, and why; a sentence each.
        labelled_by: what decides its labels, which lie in a folder of their own; None without any.
    """

    rows: pl.DataFrame
    source: str
    fingerprint: str
    fingerprint_inputs: Mapping[str, Any]
    found: int
    identity: Mapping[str, Any]
    notes: Sequence[str]
    labelled_by: Mapping[str, Any] | None = None

    @property
    def labels(self) -> dict[str, str | None]:
        """Names of models, in order of appearance → what the source calls them."""
        pairs = self.rows.select("model", "label").unique(
            "model", keep="first", maintain_order=True
        )
        return dict(pairs.iter_rows())

    @property
    def prompts(self) -> pl.DataFrame:
        """``prompt_id`` and ``prompt`` of every prompt, in order of appearance."""
        there = self.rows.filter(pl.col("prompt_id") != ids.prompt_id(_BLANK))
        return there.unique("prompt_id", keep="first", maintain_order=True).select(
            "prompt_id", "prompt"
        )

    @property
    def sharing(self) -> int:
        """How many images have a prompt that another has too."""
        texts = self.rows.filter(pl.col("prompt_id") != ids.prompt_id(_BLANK))["prompt_id"]
        return int(texts.is_duplicated().sum())

    @property
    def prompts_note(self) -> dict[str, Any]:
        """The metadata of ``prompts.parquet``: an image's caption is a row that was read."""
        empty = self.rows.filter(pl.col("prompt_id") == ids.prompt_id(_BLANK)).height
        return {
            "read": self.rows.height,
            "empty": empty,
            "duplicates": self.rows.height - empty - self.prompts.height,
            "identity": {"ingest": ids.fingerprint({"source": self.source, **self.identity})},
        }

    @property
    def note(self) -> dict[str, Any]:
        """The metadata of ``ingest.parquet``."""
        return {
            "source": self.source,
            "decides": dict(self.fingerprint_inputs),
            "found": self.found,
            "identity": dict(self.identity),
            "notes": list(self.notes),
            **({} if self.labelled_by is None else {"labelled_by": dict(self.labelled_by)}),
        }


def ensure_index(snapshot: Snapshot, listener: Listener | None = None) -> Index:
    """The index of the recipe's source; reads it anew only if the source has changed.

    ``prompts.parquet`` and the labels that the source brings are written with it. Either file is
    made again where it cannot be read, and so are labels that are gone.

    Raises:
        IngestError, CheckpointError: the source cannot be read.
        NewerSchema: a later synpic wrote one of the files.
    """
    return _up_to_date(snapshot, _stored(snapshot.workspace), listener)


def _up_to_date(snapshot: Snapshot, stored: Index | None, listener: Listener | None) -> Index:
    source = open_source(snapshot)
    if (
        stored is not None
        and stored.identity == source.identity
        and _has_labels(snapshot.workspace, stored)
    ):
        return stored
    index, labels = _read(source, stored, listener)
    # Prompts and labels first: an index that is there says that they are.
    ingested_prompts(snapshot, index)
    with changing_labels(snapshot.workspace, INGESTED):
        if labels is None or index.labelled_by is None:
            remove_labels(snapshot.workspace, INGESTED)
        else:
            write_labels(snapshot.workspace, INGESTED, index.labelled_by, *labels)
    write_cache(snapshot.workspace.store, INDEX, index.rows.to_arrow(), index.note)
    return index


def _has_labels(workspace: Workspace, index: Index) -> bool:
    """Whether the labels of ``index`` are there; without any, whether there are none."""
    folders = folders_of(workspace, "labels", INGESTED)
    there = [folder for folder in folders if workspace.parts(folder)]
    wanted = index.labelled_by
    return there == ([] if wanted is None else [label_folder(INGESTED, wanted)])


def ingested_prompts(snapshot: Snapshot, index: Index) -> PromptTable:
    """``prompts.parquet`` as ``index`` has its prompts; written unless it is up to date.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    stored = stored_prompts(snapshot.workspace)
    if stored is not None and stored.identity == index.prompts_note["identity"]:
        return stored
    rows = index.prompts.with_columns(
        split=pl.lit(settings_of(snapshot.recipe).split), source=pl.lit(index.source)
    )
    table = rows.to_arrow().cast(tables.PROMPTS)
    for name, values in prompt_columns(index.rows).items():
        column = rows.join(values, on="prompt_id", how="left", maintain_order="left")[name]
        table = table.append_column(name, column.to_arrow())
    made = PromptTable(table, **index.prompts_note)
    snapshot.workspace.write_prompts(made.table, made.note)
    return made


def current_index(
    snapshot: Snapshot, listener: Listener | None = None
) -> tuple[Index, SynpicError | None]:
    """:func:`ensure_index`, or what ``ingest.parquet`` holds where the source is away.

    Returns:
        The index; and what is wrong with its source, where it is not read from it.

    Raises:
        As :func:`ensure_index`: IngestError where the source is there and wrong; the others where
            nothing was ever read, or it can no longer be read.
    """
    stored = _stored(snapshot.workspace)
    try:
        return _up_to_date(snapshot, stored, listener), None
    except (SourceMissing, CheckpointError) as error:
        if stored is None:
            raise
        return stored, error


def read_index(snapshot: Snapshot) -> Index:
    """Read the source; nothing is written but recipe.lock.

    Raises:
        IngestError, CheckpointError: the source cannot be read.
    """
    source = open_source(snapshot)
    stored = _stored(snapshot.workspace)
    if stored is not None and stored.identity == source.identity:
        return stored
    return _read(source, stored, None)[0]


_Labels = tuple[pl.DataFrame, dict[str, int]]
"""Rows of ``tables.LABELS``, and why others are not among them, with how many of each."""


def _read(
    source: ImageSource, stored: Index | None, listener: Listener | None
) -> tuple[Index, _Labels | None]:
    empty = pl.DataFrame(schema=FOUND)
    found = source.find(empty if stored is None else stored.rows, listener)
    fingerprint_inputs = {ids.SOURCE_KEY: source.what}
    fingerprint = ids.fingerprint(fingerprint_inputs)
    named: list[tuple[str, str]] = []
    rows = _number(found.rows, fingerprint, stored, named)
    labelled_by = labels = None
    if found.labels is not None:
        labelled_by = {"source": source.identity, "layout": found.labels.layout}
        labels = label_candidates(found.labels, *zip(*named, strict=True))
    index = Index(
        rows=rows,
        source=found.name,
        fingerprint=fingerprint,
        fingerprint_inputs=fingerprint_inputs,
        found=found.rows.height,
        identity=source.identity,
        notes=found.notes,
        labelled_by=labelled_by,
    )
    return index, labels


def _number(
    found: pl.DataFrame, fingerprint: str, stored: Index | None, named: list[tuple[str, str]]
) -> pl.DataFrame:
    """``found`` with ids, names of models, numbers of samples and batches; each image once.

    Args:
        named: receives the ids of the candidate and of the prompt of every row of ``found``.
    """
    samples: dict[str, int] = {}
    known: dict[str | None, str] = {}
    following: dict[tuple[str, str], int] = {}
    if stored is not None:
        known = {label: name for name, label in stored.labels.items()}
        numbered = stored.rows.select("candidate_id", "prompt_id", "model", "sample")
        for id_, prompt_id, model, sample in numbered.iter_rows():
            samples[id_] = sample
            following[prompt_id, model] = max(following.get((prompt_id, model), 0), sample + 1)
    names = name_models(found["label"].unique(maintain_order=True), known)
    made: list[tuple[str, str, str, int, str]] = []
    kept: list[int] = []
    places: dict[str, dict[str, None]] = {}
    columns = found.select("key", "prompt", "label", "place")
    for row, (key, prompt, label, place) in enumerate(columns.iter_rows()):
        # Without a prompt there is no candidate, but a row to say so.
        text = _BLANK if prompt is None or not prompt.strip() else ids.normalise_prompt(prompt)
        prompt_id = ids.prompt_id(text)
        id_ = ids.ingested_id(prompt_id, fingerprint, key)
        named.append((id_, prompt_id))
        if id_ in places:
            places[id_][place] = None
            continue
        places[id_] = {place: None}
        model = names[label]
        if id_ not in samples:
            samples[id_] = following.get((prompt_id, model), 0)
            following[prompt_id, model] = samples[id_] + 1
        kept.append(row)
        made.append((id_, prompt_id, model, samples[id_], text))
    numbers = pl.DataFrame(made, schema=_NUMBERS, orient="row")
    # The first place is the image's own.
    copies = pl.Series("copies", [[*one][1:] for one in places.values()], pl.List(pl.String))
    return _cut(numbers.hstack(found[kept].drop("prompt")).with_columns(copies))


_NUMBERS = {
    "candidate_id": pl.String,
    "prompt_id": pl.String,
    "model": pl.String,
    "sample": pl.Int32,
    "prompt": pl.String,
}


def _cut(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with ``batch`` and ``share``.

    A batch lies in one row group, and a share of the work is of whole row groups: who reads one
    image of it has fetched them all. Files of a folder are cut anywhere.
    """
    loose = pl.col("group").is_null()
    place = pl.int_range(pl.len())
    in_group = pl.int_range(pl.len()).over("file", "group")
    group = pl.struct("file", "group").rle_id()
    cut = rows.with_columns(
        share=pl.when(loose).then(place // BATCH).otherwise(group.cast(pl.Int64)),
        piece=pl.when(loose).then(0).otherwise(in_group // BATCH),
    )
    batch = pl.struct("share", "piece").rle_id().cast(pl.Int64)
    return cut.with_columns(batch=batch).drop("piece")


_LATER = ("element", "meta")
"""Columns that the index of an earlier synpic has not: all null then."""

_COLUMNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    **_NUMBERS,
    **{name: kind for name, kind in FOUND.items() if name not in _LATER},
    "copies": pl.List(pl.String),
    "batch": pl.Int64,
    "share": pl.Int64,
}


class _Note(Record):
    """The metadata of ``ingest.parquet``; see :class:`Index`."""

    source: str
    fingerprint_inputs: dict[str, Any] = Field(alias="decides")
    found: int = Field(ge=0)
    identity: dict[str, Any]
    notes: list[str]
    labelled_by: dict[str, Any] | None = None


def _stored(workspace: Workspace) -> Index | None:
    """The index as it was written; None before that, or where it cannot be read."""
    # Names and numbers that an earlier synpic chose stay, also where the source is away.
    old = not workspace.store.exists(INDEX) and workspace.store.exists(OLD_INGEST)
    cached = read_cache(workspace.store, OLD_INGEST if old else INDEX, _COLUMNS, _Note)
    if cached is None:
        return None
    table, note = cached
    fingerprint = ids.fingerprint(note.fingerprint_inputs)
    rows = frame(table)
    lacking = [pl.lit(None, FOUND[name]).alias(name) for name in _LATER if name not in rows.columns]
    return Index(
        rows=rows.with_columns(lacking),
        source=note.source,
        fingerprint=fingerprint,
        fingerprint_inputs=note.fingerprint_inputs,
        found=note.found,
        identity=note.identity,
        notes=note.notes,
        labelled_by=note.labelled_by,
    )

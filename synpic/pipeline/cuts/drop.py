"""What ``[ranking] drop`` names: ids of prompts and images that are taken out before ranking."""

from __future__ import annotations

import hashlib
import io
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from synpic.errors import RankingError, RecipeError, did_you_mean
from synpic.readers.display import count
from synpic.readers.tables import ENDINGS, open_table
from synpic.readers.text import lines
from synpic.workspace import Workspace
from synpic.workspace.marks import read_marks

__all__ = ["DropList", "Dropped", "drop_candidates", "read_drop"]

_FIELD = "ranking.drop"
_TEXT = (".txt", ".text")
_COLUMNS = ("candidate_id", "prompt_id")
_HINT = (
    "a row names an image by candidate_id, or a prompt with all its images by prompt_id; a text "
    "file has an id on each line"
)


@dataclass(frozen=True)
class DropList:
    """Ids to take out.

    Args:
        source: "marks", or the name of a file.
        candidates, prompts: ids.
        either: ids of a text file, of a candidate or of a prompt each.
        kept: candidates that stay where their prompt is dropped.
        sha256: of the file.
        marks: of marks, how many there are of each kind.
    """

    source: str
    candidates: frozenset[str] = frozenset()
    prompts: frozenset[str] = frozenset()
    either: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    sha256: str | None = None
    marks: Mapping[str, int] = field(default_factory=dict)

    @property
    def described(self) -> str:
        """How many it names, in words."""
        named = [
            (len(self.candidates), "image"),
            (len(self.prompts), "prompt"),
            (len(self.either), "image or prompt"),
        ]
        counted = [f"{number:,} × {what}" for number, what in named if number]
        return ", ".join(counted) or "nothing"


@dataclass(frozen=True, eq=False)
class Dropped:
    """What was taken out.

    Args:
        named: the list that named it.
        rows: of candidates, with the columns that they had.
        prompts: how many prompts have no candidate left.
        kept: how many candidates stay although their prompt is dropped.
        unknown: how many ids of the list are of no image and no prompt here.
    """

    named: DropList
    rows: pl.DataFrame
    prompts: int
    kept: int
    unknown: int


def read_drop(workspace: Workspace, drop: str) -> DropList:
    """The ids that a recipe's ``drop`` names.

    Args:
        drop: "marks", or a file: CSV, TSV, JSON or Parquet with a column candidate_id or prompt_id,
            or a text with an id on each line. In a row that has both, candidate_id counts.

    Raises:
        RecipeError: there is no such file, or it names no ids.
    """
    if drop == "marks":
        return _of_marks(workspace)
    suffix = posixpath.splitext(drop)[1].lower()
    if suffix not in (*ENDINGS, *_TEXT):
        raise RecipeError(
            f"{_FIELD}: {drop}: cannot tell what kind of file {suffix or 'this'} is."
            f"{did_you_mean(drop, ['marks'])}",
            hint='"marks", or a file in .csv, .tsv, .jsonl, .json, .parquet or .txt',
        )
    store, path = workspace.store, _spelt_out(drop)
    if not store.exists(path) or not store.fs.isfile(store.path(path)):
        raise RecipeError(
            f"{_FIELD}: {drop}: no such file ({store.path(path)})",
            hint="paths are relative to the recipe",
        )
    data = store.read(path)
    found = _of_text(data, drop) if suffix in _TEXT else _of_table(data, drop)
    sha256 = hashlib.sha256(data).hexdigest()
    return DropList(posixpath.basename(path), **found, sha256=sha256)


def drop_candidates(scored: pl.DataFrame, named: DropList) -> tuple[pl.DataFrame, Dropped]:
    """The candidates that stay, and what was taken out.

    Args:
        scored: candidate_id, prompt_id, and any other column.

    Raises:
        RankingError: no candidate is left.
    """
    candidate, prompt = pl.col("candidate_id"), pl.col("prompt_id")
    of_prompt = prompt.is_in(list(named.prompts | named.either))
    kept = candidate.is_in(list(named.kept)) & of_prompt
    out = candidate.is_in(list(named.candidates | named.either)) | (of_prompt & ~kept)
    left, rows = scored.filter(~out), scored.filter(out)
    known = {*scored["candidate_id"], *scored["prompt_id"]}
    every = named.candidates | named.prompts | named.either
    if left.is_empty():
        raise RankingError(
            f"nothing is left to rank: {_FIELD} = {named.source!r} takes out all "
            f"{count(rows.height, 'image')}",
            hint="drop fewer of them, or leave drop out",
        )
    return left, Dropped(
        named=named,
        rows=rows,
        prompts=rows["prompt_id"].n_unique()
        - rows.join(left, on="prompt_id", how="semi")["prompt_id"].n_unique(),
        kept=left.filter(kept).height,
        unknown=len(every - known),
    )


def _of_marks(workspace: Workspace) -> DropList:
    marks = read_marks(workspace.store)
    return DropList(
        source="marks",
        candidates=frozenset(one for one, mark in marks.candidates.items() if mark.drop),
        prompts=frozenset(one for one, mark in marks.prompts.items() if mark.drop),
        kept=frozenset(one for one, mark in marks.candidates.items() if mark.keep),
        marks=marks.counts,
    )


def _of_text(data: bytes, name: str) -> dict[str, Any]:
    found = [line.strip() for line in lines(data, name, error=RecipeError)]
    ids = [line for line in found if line and not line.startswith("#")]
    if ids and ids[0] in _COLUMNS:
        kind = "candidates" if ids[0] == "candidate_id" else "prompts"
        return {kind: frozenset(ids[1:])}
    return {"either": frozenset(ids)}


def _of_table(data: bytes, name: str) -> dict[str, Any]:
    table = open_table(io.BytesIO(data), name, error=RecipeError)
    columns = [column for column in _COLUMNS if column in table.columns]
    if not columns and table.columns:
        raise RecipeError(
            f"{_FIELD}: {name} has neither a column candidate_id nor prompt_id",
            hint=f"it has: {', '.join(table.columns)}; {_HINT}",
        )
    candidates: set[str] = set()
    prompts: set[str] = set()
    for batch in table.batches(columns):
        for number, row in enumerate(batch.rows):
            one, of = row.get("candidate_id"), row.get("prompt_id")
            chosen = one or of
            if not isinstance(chosen, str):
                raise RecipeError(
                    f"{_FIELD}: {batch.at(number)}: {chosen!r:.60} is no id", hint=_HINT
                )
            (candidates if one else prompts).add(chosen.strip())
    return {"candidates": frozenset(candidates), "prompts": frozenset(prompts)}


def _spelt_out(name: str) -> str:
    try:
        return str(Path(name).expanduser())
    except RuntimeError as error:
        raise RecipeError(f"{_FIELD}: {name}: {error}", hint="write the path out") from error

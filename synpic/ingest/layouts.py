"""Lists of preferences that lie beside images as JSON: those of HPDv2 and HPDv3.

Sources: the dataset cards of ymhao/HPDv2 and MizzenAI/HPDv3. Their images lie in folders beside the
list: ``train/`` of ``train.json``, or as the paths say.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from synpic.errors import IngestError
from synpic.ingest.captions import Said, said
from synpic.ingest.labels.json_lists import ListLabels
from synpic.ingest.meta import kept_values
from synpic.readers.tables import open_table
from synpic.readers.text import fault_of, shown
from synpic.recipe import IngestSettings

__all__ = ["HEAD_BYTES", "UNREAD_LAYOUT", "images_in_list", "layout_of", "other_list", "places_of"]

HEAD_BYTES = 1 << 20
"""How much of a file is looked at, which is more than its first row takes."""

UNREAD_LAYOUT = "download the repository, unpack its images, and name the folder with --images"


@dataclass(frozen=True)
class _ListLayout:
    """A layout of such lists.

    Args:
        name: of the dataset.
        keys: by which it is known.
        images: keys of paths: one with a list of them, or one for each image.
        models: keys of names of models, of the same kind.
    """

    name: str
    keys: tuple[str, ...]
    images: tuple[str, ...]
    models: tuple[str, ...] = ()


_LAYOUTS = (
    _ListLayout("HPDv2", ("prompt", "file_path", "human_preference"), ("file_path",)),
    _ListLayout("HPDv2", ("prompt", "image_path", "rank"), ("image_path",)),
    _ListLayout("HPDv3", ("prompt", "path1", "path2"), ("path1", "path2"), ("model1", "model2")),
)


def layout_of(head: bytes) -> str | None:
    """The layout of the first row of a JSON list: ``HPDv3 (prompt, path1, path2)``; None of others.

    Args:
        head: the first ``HEAD_BYTES`` of the file.
    """
    found = _of_row(_first_row(head))
    return None if found is None else f"{found.name} ({', '.join(found.keys)})"


def other_list(name: str, head: bytes) -> str:
    """What is known of a file of JSON that is no list that is read: its keys, or its first fault.

    Args:
        name: of the file.
        head: its first ``HEAD_BYTES``.
    """
    try:
        row = _decoded(head)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        return f"{name}:{line}: not JSON: {getattr(error, 'msg', 'it is too deep')}"
    if not isinstance(row, dict):
        return f"{name}:1: no list of objects"
    keys = ", ".join(map(shown, row)) or "no key"
    return f"{name} has rows with {keys:.200}, which is no layout that is read"


def _first_row(head: bytes) -> Any:
    try:
        return _decoded(head)
    except (ValueError, RecursionError):
        return None


def _decoded(head: bytes) -> Any:
    text = head.decode(errors="replace").lstrip("\ufeff \t\r\n[")
    return json.JSONDecoder().raw_decode(text)[0]


def images_in_list(
    path: str, data: bytes, settings: IngestSettings, labels: ListLabels
) -> Iterator[Said]:
    """Every image that a list names, row by row; one that several rows name comes several times.

    Args:
        path: of the list, below the folder.
        labels: takes those of each row.

    Raises:
        IngestError: it is no such list, or a row names no files; with the line or row.
    """
    where = shown(path)
    table = open_table(io.BytesIO(data), where, error=IngestError)
    names = list(table.columns)
    layout = _of_row(dict.fromkeys(names))
    if layout is None:
        raise IngestError(
            f"{where}: its rows have other keys than its first one",
            hint="each row has those of the first",
        )
    prompt = settings.prompt[0] if settings.prompt else "prompt"
    used = {"prompt", prompt, *layout.images, *layout.models}
    labelled = labels.layout(layout.images, names, cells=len(layout.images) == 1)
    for batch in table.batches(names):
        first = labels.read(batch.rows, labelled, batch.at)
        for number, row in enumerate(batch.rows):
            files = _files(row, layout, batch.at(number))
            meta = kept_values(row, settings.keep, used)
            models = [row.get(key) for key in layout.models] or [None] * len(files)
            for which, (file, model) in enumerate(zip(files, models, strict=True)):
                named = row if settings.model else {"model": model}
                asked = (
                    settings if settings.model else settings.model_copy(update={"model": ["model"]})
                )
                one = said(file, row.get(prompt), named, asked, meta)
                yield replace(one, listed=(first + number, which))


def places_of(path: str, file: str) -> list[str]:
    """Where an image of the list at ``path`` may lie: beside it, or in the folder of its name."""
    folder = PurePosixPath(path).parent
    stem = PurePosixPath(path).stem
    return [(folder / one / file).as_posix() for one in ("", stem, "images")]


def _of_row(row: Any) -> _ListLayout | None:
    if not isinstance(row, dict):
        return None
    return next((one for one in _LAYOUTS if set(one.keys) <= row.keys()), None)


def _files(row: Any, layout: _ListLayout, place: str) -> list[str]:
    found = [row.get(key) for key in layout.images]
    if len(layout.images) == 1:
        found = found[0] if isinstance(found[0], list) else []
    for name in found or [None]:
        if not isinstance(name, str) or not name or fault_of(name) is not None:
            raise IngestError(
                f"{place}: {' and '.join(layout.images)}: {name!r:.60} is not the name of a file",
                hint="a row names its images, relative to the folder of the list",
            )
    return found

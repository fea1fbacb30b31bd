"""Images that exist already, of several models, as a folder that a workspace ingests.

Three layouts are known: GenEval's own (a folder for each item, with ``metadata.jsonl`` and
``samples``); any that ``synpic score --images`` reads: captions beside images, or a file of
metadata; and names: folders or files that are called as an item or a prompt (``17/0.png``,
``17_2.png``, ``a bench_000003.png``). The number at the end says which image of the prompt it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from synpic.errors import EvaluationError, StorageError, SynpicError
from synpic.ids import normalise_prompt
from synpic.ingest.folder import ENDINGS, Folder
from synpic.ingest.listing import plain_name
from synpic.ingest.source import FOUND
from synpic.prompts.suites import SuiteItem
from synpic.readers.display import count
from synpic.recipe import IngestSettings
from synpic.workspace import Workspace
from synpic.workspace.whole_folder import whole_folder

__all__ = ["LINKS", "existing_images", "link_images"]

LINKS = "images"
"""The folder of a workspace that leads to them."""

_METADATA, _SAMPLES = "metadata.jsonl", "samples"
_NUMBER = re.compile(r"(?:^|[_-])(\d+)$")

Found = list[tuple[Path, str, int]]
"""An image, its prompt, and which of the prompt's images it is, from 0."""


def existing_images(folder: Path, items: Sequence[SuiteItem]) -> Found:
    """Every image of ``folder`` whose prompt is one of the suite's, in order.

    Args:
        items: of the suite.

    Raises:
        EvaluationError: the folder is not there, none of its images is of an item, or two have one
            number.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: there is no such folder", hint="--images NAME=FOLDER")
    prompts = {normalise_prompt(item.prompt) for item in items}
    found = list(_of_geneval(folder)) or _captioned(folder) or _named(folder, items)
    kept = [one for one in found if normalise_prompt(one[1]) in prompts]
    if not kept:
        what = (
            f"none of its {count(len(found), 'image')} has a prompt of the suite"
            if found
            else "no image of it says which item it is of"
        )
        raise EvaluationError(
            f"{folder}: {what}",
            hint="images are found by GenEval's folders, by names (item_0.png), by captions beside "
            f"them, or by metadata.jsonl with file_name and prompt; one item is {items[0].item!r}, "
            f"{items[0].prompt[:80]!r}",
        )
    taken: dict[tuple[str, int], Path] = {}
    for path, prompt, number in kept:
        other = taken.setdefault((prompt, number), path)
        if other != path:
            raise EvaluationError(
                f"{folder}: {other.relative_to(folder)} and {path.relative_to(folder)} are both "
                f"image {number} of {prompt[:80]!r}",
                hint="number the images of a prompt: item_0.png, item_1.png",
            )
    return kept


def link_images(workspace: Path, models: Mapping[str, Found]) -> None:
    """Write ``images`` in a workspace: links to the files, and what each is.

    Args:
        models: name → its images.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with whole_folder(workspace / LINKS) as making:
            lines = []
            for model, images in models.items():
                (making / model).mkdir()
                for place, (path, prompt, number) in enumerate(images):
                    name = f"{model}/{place:06}-{number}{path.suffix.lower()}"
                    (making / name).symlink_to(path.resolve())
                    row = {"file_name": name, "prompt": prompt, "model": model}
                    lines.append(json.dumps(row, ensure_ascii=False) + "\n")
            (making / _METADATA).write_text("".join(lines), "utf-8")
    except OSError as error:
        raise StorageError(
            f"{workspace / LINKS}: cannot be written: {error}",
            hint="name a workspace on a disk that takes links: --into FOLDER",
        ) from error


def _of_geneval(folder: Path) -> Iterator[tuple[Path, str, int]]:
    """As ``generation/diffusers_generate.py`` of GenEval leaves them."""
    for one in sorted(folder.iterdir()):
        if not (one / _SAMPLES).is_dir() or not (one / _METADATA).is_file():
            continue
        try:
            prompt = json.loads((one / _METADATA).read_text("utf-8"))["prompt"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EvaluationError(
                f"{one / _METADATA}: it is no item of GenEval: {type(error).__name__}: {error}",
                hint='a line of JSON with "prompt", as GenEval writes it',
            ) from error
        samples = sorted(
            path for path in (one / _SAMPLES).iterdir() if path.suffix.lower() in ENDINGS
        )
        for place, path in enumerate(samples):
            yield path, str(prompt), _number(path.stem, place)


def _number(name: str, place: int) -> int:
    """Which image a file is, by the number at the end of its name; else by its place."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else place


def _named(folder: Path, items: Sequence[SuiteItem]) -> Found:
    """Files in folders, or files, that are called as an item or a prompt; a folder counts first."""
    by_name = {item.prompt: item.prompt for item in items}
    by_name |= {item.item: item.prompt for item in items}
    found: Found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in ENDINGS:
            continue
        inside = path.relative_to(folder).parts[:-1]
        of_folder = next((by_name[one] for one in reversed(inside) if one in by_name), None)
        if of_folder is not None:
            found.append((path, of_folder, _number(path.stem, 0)))
        elif path.stem in by_name:
            found.append((path, by_name[path.stem], 0))
        elif (stem := _NUMBER.sub("", path.stem)) in by_name:
            found.append((path, by_name[stem], _number(path.stem, 0)))
    return found


def _captioned(folder: Path) -> Found:
    """As ``synpic score --images`` finds them; the images of a prompt in order."""
    settings = IngestSettings(images=str(folder.resolve()), labels=False)
    try:
        rows = Folder.open(settings, Workspace(folder)).find(pl.DataFrame(schema=FOUND), None).rows
    except SynpicError:
        return []
    known = rows.filter(pl.col("problem").is_null() & pl.col("prompt").is_not_null())
    known = known.with_columns(nth=pl.int_range(pl.len()).over("prompt"))
    return [
        (folder / plain_name(file), prompt, nth)
        for file, prompt, nth in known.select("file", "prompt", "nth").iter_rows()
    ]

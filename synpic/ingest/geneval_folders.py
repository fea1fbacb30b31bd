"""Folders as GenEval's programs draw them: a prompt's metadata beside its images.

00000/metadata.jsonl   one object, with tag, include and prompt, and no name of a file
00000/samples/*.png    the images
00000/grid.png         all of them in one, which is no image of its own
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from synpic.readers.json_models import parse_text

__all__ = ["by_folder", "drawn_prompt", "grids_of", "samples_of"]

_SAMPLES = "samples"
_GRID = "grid"


def drawn_prompt(data: bytes) -> str | None:
    """The prompt that a file of metadata says all images of its folder have; None of others."""
    try:
        found: Any = parse_text(data.decode())
    except ValueError:
        return None
    if not isinstance(found, dict) or "include" not in found or "file_name" in found:
        return None
    prompt = found.get("prompt")
    return prompt if isinstance(prompt, str) else None


def by_folder(files: Iterable[str]) -> dict[str, list[str]]:
    """Folder → the files that lie in it."""
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(PurePosixPath(file).parent.as_posix(), []).append(file)
    return found


def samples_of(path: str, images: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The images that the metadata in ``path`` are of.

    Args:
        images: as :func:`by_folder` has them.
    """
    return images.get((PurePosixPath(path).parent / _SAMPLES).as_posix(), ())


def grids_of(path: str, images: Mapping[str, Sequence[str]]) -> list[str]:
    """What shows all of them in one."""
    beside = images.get(PurePosixPath(path).parent.as_posix(), ())
    return [file for file in beside if PurePosixPath(file).stem == _GRID]

"""Options whose text lies in a file: a rubric of one's own, beside the recipe.

``rubric = { file = "rubric.txt" }`` stands for the text of that file. The text is part of the
fingerprint, and the file's name is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from synpic.errors import RewardError
from synpic.readers.display import size
from synpic.readers.text import decode
from synpic.recipe import JudgeSettings, RewardSettings

__all__ = ["SomeSettings", "is_file", "with_files"]

_LARGEST = 1 << 20
"""Bytes of a text."""


SomeSettings = TypeVar("SomeSettings", RewardSettings, JudgeSettings)


def is_file(value: Any) -> bool:
    """Whether an option names a file in which its text lies."""
    return isinstance(value, Mapping) and value.keys() == {"file"}


def with_files(name: str, settings: SomeSettings, folder: Path) -> SomeSettings:
    """``settings`` with the texts of files in their place; a line break at the end is left out.

    Args:
        name: the recipe's name of it, for messages.
        folder: where relative paths start.

    Raises:
        RewardError: a file cannot be read, or is no text.
    """
    named = {key: value["file"] for key, value in settings.options.items() if is_file(value)}
    if not named:
        return settings
    texts = {
        key: _read(f"{settings.of_table}.{name}.options.{key}", folder, path)
        for key, path in named.items()
    }
    return settings.model_copy(update={"options": {**settings.options, **texts}})


def _read(where: str, folder: Path, path: Any) -> str:
    hint = "give the path of a text in UTF-8, relative to the recipe"
    if not isinstance(path, str) or not path:
        raise RewardError(f"{where}: file is {path!r}, expected a path", hint=hint)
    try:
        with (folder / path).open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise RewardError(f"{where}: {path}: {reason}", hint=hint) from error
    if len(data) > _LARGEST:
        raise RewardError(f"{where}: {path}: has more than {size(_LARGEST)}", hint=hint)
    text = decode(data, f"{where}: {path}", error=RewardError)
    return text.replace("\r\n", "\n").removesuffix("\n")

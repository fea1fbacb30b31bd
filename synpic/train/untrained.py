"""What training leaves of a pipeline as it was: copied from the checkpoint, byte for byte.

To open a text encoder and save it again changes its files (names of tensors, dtypes, spelling of
configurations) and writes paths of this machine into them, and it takes the memory of all of them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["copy_untrained"]

_INDEX = "model_index.json"

_WEIGHTS = re.compile(
    r"[^.]+(?:\.(?P<inner>[\w-]+?))?(?:-\d{5}-of-\d{5})?\.safetensors"
    r"(?P<index>\.index(?:\.(?P<outer>[\w-]+))?\.json)?"
)
"""Names of weights, whole or in shards, and of the index of shards; with a variant or without."""

_SETTINGS = (".json", ".txt", ".model", ".jinja")
"""Configurations and vocabularies. Other formats of the weights are not copied."""


def copy_untrained(
    source: Path, folder: Path, trained: str, absent: Sequence[str], variant: str | None
) -> None:
    """Copy the pipeline in ``source`` into ``folder``, but for the weights of one part.

    Weights of a variant are copied under the names of weights that are none, so that the pipeline
    opens without one.

    Args:
        trained: the part of which the configuration alone is copied.
        absent: parts that are left out, which the index then says.
        variant: of the weights, as ``from_pretrained`` takes it; parts that do not have it are
            taken without.

    Raises:
        OSError: a file cannot be read or written.
    """
    index: dict[str, Any] = json.loads((source / _INDEX).read_text("utf-8"))
    out = [name for name in absent if index.get(name, [None, None]) != [None, None]]
    if out:
        index |= {name: [None, None] for name in out}
        (folder / _INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")
    else:
        shutil.copyfile(source / _INDEX, folder / _INDEX)
    for name, part in index.items():
        if isinstance(part, list) and part != [None, None] and (source / name).is_dir():
            (folder / name).mkdir(exist_ok=True)
            for file, target in _files(source / name, variant, weights=name != trained):
                _copy(file, folder / name / target, variant)


def _files(part: Path, variant: str | None, weights: bool) -> Iterator[tuple[Path, str]]:
    """The files of a part, and what each is called in a copy."""
    files = {path.name: path for path in sorted(part.iterdir()) if path.is_file()}
    found = {name: match for name in files if (match := _WEIGHTS.fullmatch(name))}
    variants = {name: match["inner"] or match["outer"] for name, match in found.items()}
    wanted = variant if variant in variants.values() else None
    for name, path in files.items():
        if name in variants:
            if weights and variants[name] == wanted:
                yield path, _plain(name, wanted)
        elif name.endswith(_SETTINGS) and not name.endswith(".index.json"):
            yield path, name


def _plain(name: str, variant: str | None) -> str:
    """The name of a file of weights, without its variant."""
    return name.replace(f".{variant}", "", 1) if variant else name


def _copy(file: Path, target: Path, variant: str | None) -> None:
    if target.name.endswith(".index.json") and target.name != file.name:
        index = json.loads(file.read_text("utf-8"))
        shards = index["weight_map"].items()
        index["weight_map"] = {tensor: _plain(shard, variant) for tensor, shard in shards}
        target.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", "utf-8")
        return
    shutil.copyfile(file, target)  # and not its mode, which may be that of somebody's cache

"""Which tensors a checkpoint in transformers' layout holds, read from no weights."""

from __future__ import annotations

import json
from pathlib import Path

from synpic.errors import RewardError
from synpic.hub.client import files_of
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.hub.names import is_inner_path
from synpic.readers.safetensors_header import read_header

__all__ = ["WEIGHTS", "read_index", "tensor_names"]

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What a checkpoint may hold; transformers prefers the first there is, too."""

_HINT = "delete it, so that it is downloaded again, or put a whole copy in its place"


def tensor_names(checkpoint: str, revision: str | None) -> frozenset[str] | None:
    """The tensors that an index of shards or the header of a file lists.

    An index is downloaded where need be. A file of weights is not.

    Args:
        checkpoint: a folder, or a repository on the Hub.
        revision: the commit of the latter.

    Returns:
        None where it cannot be known without the weights.

    Raises:
        RewardError: an index or a header is damaged.
        CheckpointError: the Hub does not answer, or has no such repository.
    """
    folder = Path(checkpoint)
    subject = Subject(checkpoint, revision)
    local = folder.is_dir()
    there = {one.name for one in folder.iterdir()} if local else files_of(subject).keys()
    name = next((name for name in WEIGHTS if name in there), None)
    if name is None or name.endswith(".bin"):
        return None
    is_index = name.endswith(".index.json")
    path = folder / name if local else download(subject, name, cached_only=not is_index)
    if path is None:
        return None
    return frozenset(
        read_index(path) if is_index else read_header(path, error=RewardError, hint=_HINT)
    )


def read_index(path: Path) -> dict[str, str]:
    """What an index of shards says: tensor → file.

    Raises:
        RewardError: it is damaged, or names a file outside of the checkpoint.
    """
    try:
        listed: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        outside = [shard for shard in sorted(set(listed.values())) if not is_inner_path(shard)]
        if outside:
            raise ValueError(f"it names a file elsewhere: {outside[0]!r:.200}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RewardError(
            f"{path} does not say where weights are: {type(error).__name__}: {error}", hint=_HINT
        ) from error
    return listed

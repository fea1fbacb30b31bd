"""Latents and embeddings on disk, made once and known by what they are made of.

A cache is a folder of safetensors parts. A part is there whole or not at all and is never changed,
so that several processes may write at once; what is twice there is the same.
"""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synpic import ids
from synpic.errors import TrainingError
from synpic.train.families.family import Family
from synpic.workspace.storage import Store

__all__ = ["Caches", "TensorCache", "default_folder", "open_caches"]

_VERSION = 2
"""Of how latents and embeddings are made; another one makes everything anew."""

_PART_ENTRIES = 256
_PART_BYTES = 256 << 20
_OPEN_FILES = 64

Entry = Mapping[str, Tensor]


class TensorCache:
    """Key → named tensors, in parts below a folder.

    It may be pickled, and be used by processes that read data: each opens the parts anew.

    Args:
        folder: made when something is written.

    Attributes:
        damaged: parts that cannot be read, which hold nothing; they stay where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[Path] = []
        self._parts: dict[str, str] = {}
        self._known: set[str] = set()
        self._new: dict[str, dict[str, Tensor]] = {}
        self._new_bytes = 0
        self._open: OrderedDict[str, Any] = OrderedDict()
        self.refresh()

    def __len__(self) -> int:
        return len(self._parts) + len(self._new)

    def refresh(self) -> None:
        """Take notice of parts that other processes have written since."""
        from safetensors import SafetensorError

        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("part-*.safetensors")):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            try:
                names = _open(path).keys()
            except (SafetensorError, OSError):
                self.damaged.append(path)
                continue
            for name in names:
                self._parts.setdefault(name.rpartition("/")[0], path.name)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that are not here, each once, in their order."""
        return [
            key for key in dict.fromkeys(keys) if key not in self._parts and key not in self._new
        ]

    def add(self, key: str, tensors: Entry) -> None:
        """Take ``tensors`` (of the CPU) in; they are on disk after a part is full, or ``flush``.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        if not self.missing([key]):
            return
        self._new[key] = {name: tensor.contiguous() for name, tensor in tensors.items()}
        self._new_bytes += sum(one.nbytes for one in tensors.values())
        if len(self._new) >= _PART_ENTRIES or self._new_bytes >= _PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added.

        Raises:
            StorageError: the disk is full, or refuses; what was added is kept in memory.
        """
        if not self._new:
            return
        from safetensors.torch import save

        part = f"part-{uuid.uuid4().hex[:16]}.safetensors"
        named = {f"{key}/{name}": t for key, all_ in self._new.items() for name, t in all_.items()}
        Store(self.folder).write(part, save(named))
        self._known.add(part)
        self._parts |= dict.fromkeys(self._new, part)
        self._new, self._new_bytes = {}, 0

    def get(self, key: str) -> dict[str, Tensor]:
        """The tensors of ``key``, on the CPU; they may be views of the file, so do not write there.

        Raises:
            TrainingError: there are none, or their part is gone or damaged.
        """
        if key in self._new:
            return dict(self._new[key])
        from safetensors import SafetensorError

        part = self._parts.get(key)
        try:
            if part is None:
                raise KeyError(key)
            file, names = self._file(part)
            return {name: file.get_tensor(f"{key}/{name}") for name in names[key]}
        except (KeyError, OSError, SafetensorError) as error:
            raise TrainingError(
                f"{self.folder / part if part else self.folder}: an entry of the cache is gone",
                hint="run the same command again: it makes again what is missing",
            ) from error

    def _file(self, part: str) -> tuple[Any, dict[str, list[str]]]:
        """A part, opened, and the names of the tensors of its keys."""
        if part not in self._open:
            file = _open(self.folder / part)
            names: dict[str, list[str]] = {}
            for name in list(file.keys()):
                key, _, inner = name.rpartition("/")
                names.setdefault(key, []).append(inner)
            self._open[part] = (file, names)
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
        self._open.move_to_end(part)
        return self._open[part]  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}


@dataclass(frozen=True)
class Caches:
    """What is kept of one model.

    Args:
        folder: of all models; it also has the indexes of datasets.
        latents: hash of an image and its size → ``latents``.
        prompts: hash of a prompt → what its family's ``encode_prompts`` gives, a row of it.
        latents_dtype, embeddings_dtype: in which they are kept.
    """

    folder: Path
    latents: TensorCache
    prompts: TensorCache
    latents_dtype: torch.dtype
    embeddings_dtype: torch.dtype


def open_caches(
    folder: Path,
    family: Family,
    identity: Mapping[str, Any],
    *,
    latents_dtype: torch.dtype,
    embeddings_dtype: torch.dtype,
) -> Caches:
    """The caches of a model: another one where anything that decides their content is another.

    Args:
        family: of the model; it encodes, and says what that depends on.
        identity: what of its weights decides a result.
        latents_dtype, embeddings_dtype: in which they are kept.
    """
    shared = {"version": _VERSION, "checkpoint": dict(identity), "family": type(family).__name__}
    of_latents = {"dtype": str(latents_dtype)}
    of_prompts = {"encodes_by": dict(family.encodes_by()), "dtype": str(embeddings_dtype)}
    return Caches(
        folder,
        TensorCache(_folder(folder, "latents", {**shared, **of_latents})),
        TensorCache(_folder(folder, "prompts", {**shared, **of_prompts})),
        latents_dtype,
        embeddings_dtype,
    )


def default_folder() -> Path:
    """``$SYNPIC_CACHE``, else ``synpic/train`` in the user's cache folder."""
    given = os.environ.get("SYNPIC_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "synpic" / "train"


def _folder(folder: Path, what: str, decides: Mapping[str, Any]) -> Path:
    return folder / f"{what}-{ids.short(ids.fingerprint(decides))}"


def _open(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(path, framework="pt")

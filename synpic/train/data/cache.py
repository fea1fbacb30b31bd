"""Latents and embeddings on disk, made once and known by what they are made of.

A cache is a folder of safetensors parts. A part is there whole or not at all and is never changed,
so that several processes may write at once; what is twice there is the same.

Beside its tensors a part has a checksum of each, over name, type, shape and bytes, and the name of
the cache it belongs to. What is read for the first time is checked against them, and is not read as
other values.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from synpic import ids
from synpic.errors import TrainingError
from synpic.hub.user_cache import user_cache
from synpic.train.families.family import TrainableFamily
from synpic.workspace.storage import Store

__all__ = ["Caches", "TensorCache", "default_folder", "open_caches"]

_VERSION = 3
"""Of how latents and embeddings are made; another one makes everything anew."""

_PART_ENTRIES = 256
_PART_BYTES = 256 << 20
_OPEN_FILES = 64

_ASIDE = ".damaged"
"""What is added to the name of a part that is damaged; what is named so is not read."""

_CACHE, _CHECKSUMS = "cache", "crc32"
"""What a part's metadata holds: the name of its cache's folder, and checksums as JSON."""

_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError)

Entry = Mapping[str, Tensor]


class TensorCache:
    """Key → named tensors, in parts below a folder.

    It may be pickled, and be used by processes that read data: each opens the parts anew, and takes
    over what has been checked.

    Args:
        folder: made when something is written.

    Attributes:
        damaged: parts that cannot be opened, and so hold nothing, until :meth:`set_damage_aside`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[Path] = []
        self._parts: dict[str, str] = {}
        self._known: set[str] = set()
        self._new: dict[str, dict[str, Tensor]] = {}
        self._new_bytes = 0
        self._checked: set[str] = set()
        self._open: OrderedDict[str, _Part] = OrderedDict()
        self.refresh()

    def __len__(self) -> int:
        return len(self._parts) + len(self._new)

    def refresh(self) -> None:
        """Take notice of parts that other processes have written since."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("part-*.safetensors")):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            try:
                part = _Part.open(path)
            except _UNREADABLE:
                self.damaged.append(path)
                continue
            for key in part.names:
                self._parts.setdefault(key, path.name)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that are not here, each once, in their order."""
        return [
            key for key in dict.fromkeys(keys) if key not in self._parts and key not in self._new
        ]

    def set_damage_aside(self, keys: Iterable[str]) -> list[Path]:
        """Read what is here of ``keys``, and rename every part that is damaged.

        What such a part held is missing from then on, all of it. Each tensor is read once, about as
        fast as the disk gives it; it is then in memory for what reads it next.

        Returns:
            The parts, as they were named.
        """
        for key in dict.fromkeys(keys):
            part = self._parts.get(key)
            if part is not None and self.folder / part not in self.damaged:
                try:
                    self._read(key, part)
                except _UNREADABLE:
                    self.damaged.append(self.folder / part)
        found, self.damaged = self.damaged, []
        for path in found:
            self._open.pop(path.name, None)
            # Made again, an entry lies in another part, which has not been checked.
            self._checked -= {key for key, name in self._parts.items() if name == path.name}
            self._parts = {key: name for key, name in self._parts.items() if name != path.name}
            with suppress(OSError):  # another process was faster, or the folder is read-only
                path.rename(path.with_name(path.name + _ASIDE))
        return found

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
        checksums = {name: _checksum(name, tensor) for name, tensor in named.items()}
        about = {_CACHE: self.folder.name, _CHECKSUMS: json.dumps(checksums)}
        Store(self.folder).write(part, save(named, about))
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
        part = self._parts.get(key)
        where = self.folder / part if part else self.folder
        try:
            if part is None:
                raise KeyError(key)
            return self._read(key, part)
        except _UNREADABLE as error:
            what = "is damaged" if isinstance(error, ValueError) else "is gone"
            raise TrainingError(
                f"{where}: an entry of the cache {what}",
                hint="run the same command again: it makes again what is missing or damaged",
            ) from error

    def _read(self, key: str, part: str) -> dict[str, Tensor]:
        if part not in self._open:
            self._open[part] = _Part.open(self.folder / part)
            if len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
        self._open.move_to_end(part)
        found = self._open[part].get(key, check=key not in self._checked)
        self._checked.add(key)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}


@dataclass(frozen=True)
class _Part:
    """A part, opened.

    Args:
        names: key → names of its tensors.
        checksums: full name of a tensor → its checksum, as it was written.
    """

    file: Any
    names: Mapping[str, list[str]]
    checksums: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> _Part:
        """Open ``path``.

        Raises:
            OSError, SafetensorError: it cannot be read.
            ValueError: it is a part of another cache, or of none.
        """
        file: Any = safe_open(path, framework="pt")
        about = file.metadata() or {}
        if about.get(_CACHE) != path.parent.name:
            raise ValueError(f"it belongs to {about.get(_CACHE, 'no cache')}")
        checksums = json.loads(about.get(_CHECKSUMS, ""))
        if not isinstance(checksums, dict):
            raise ValueError("it has no checksums")
        written: list[str] = list(file.keys())
        names: dict[str, list[str]] = {}
        for name in written:
            key, _, inner = name.rpartition("/")
            names.setdefault(key, []).append(inner)
        # A tensor whose name is damaged would be lacking from its entry.
        if checksums.keys() != set(written):
            raise ValueError("its tensors are not those that were written")
        return cls(file, names, checksums)

    def get(self, key: str, check: bool) -> dict[str, Tensor]:
        """The tensors of ``key``, compared with their checksums if ``check``.

        Raises:
            KeyError: there are none.
            ValueError: one fails its checksum.
        """
        found = {}
        for name in self.names[key]:
            full = f"{key}/{name}"
            found[name] = self.file.get_tensor(full)
            if check and _checksum(full, found[name]) != self.checksums[full]:
                raise ValueError(f"{full} fails its checksum")
        return found


def _checksum(name: str, tensor: Tensor) -> int:
    """CRC-32 of all that a reader takes from it."""
    about = f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
    numbers = tensor.reshape(-1).view(torch.uint8).numpy().data
    return zlib.crc32(numbers, zlib.crc32(about))


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
    family: TrainableFamily,
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
    if family.code:
        shared["code"] = dict(family.code)
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
    return user_cache("train")


def _folder(folder: Path, what: str, fingerprint_inputs: Mapping[str, Any]) -> Path:
    return folder / f"{what}-{ids.short(ids.fingerprint(fingerprint_inputs))}"

"""Images made ready for rewards ahead of the device: each read and decoded once for all of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from PIL.Image import Image

from synpic.engine.task import Item
from synpic.engine.threads import pool
from synpic.readers.images import ImageError, decode

__all__ = [
    "WHOLE_IMAGE",
    "Broken",
    "Encoded",
    "PrefetchOrder",
    "PrefetchedImages",
    "as_it_is",
    "key_of",
    "made_ready",
]

Key = tuple[str, str]
"""candidate_id, sha256."""

Make = Callable[[Image], Any]

WHOLE_IMAGE = "whole image"
"""The kind of what takes images as they are."""

KEEP = 4
"""Times the largest batch: the current batch, the next, and rewards that are a batch apart."""


def as_it_is(image: Image) -> Image:
    """How :data:`WHOLE_IMAGE` is made."""
    return image


def key_of(item: Item) -> Key:
    """What tells one image from another."""
    return item.candidate_id, item.sha256


@dataclass(frozen=True)
class Broken:
    """No image, or none that can be made ready; the reason is fit for a failure row."""

    reason: str


Promise = Future[dict[Hashable, Any]]
"""By kind, what an image was made into."""


@dataclass(frozen=True)
class PrefetchOrder:
    """Images that are being made ready."""

    keys: tuple[Key, ...]
    kind: Hashable
    promises: Sequence[Promise]

    def wait(self) -> list[Any]:
        """What was made of each, or :class:`Broken`.

        Raises:
            WorkspaceError: pixels that should be there are gone.
        """
        return [promise.result()[self.kind] for promise in self.promises]

    def wait_and_part(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Candidate id → what was made of its image; and candidate id → why nothing was.

        Raises:
            WorkspaceError: pixels that should be there are gone.
        """
        made = {key[0]: one for key, one in zip(self.keys, self.wait(), strict=True)}
        broken = {name: one.reason for name, one in made.items() if isinstance(one, Broken)}
        return {name: one for name, one in made.items() if name not in broken}, broken


@dataclass(frozen=True)
class _Entry:
    made: Promise
    kinds: frozenset[Hashable]


class Encoded(Protocol):
    """Where encoded images are."""

    def read(self, wanted: Sequence[Key]) -> list[bytes]:
        """Those images, in that order.

        Raises:
            WorkspaceError: one of them is gone.
        """
        ...


class PrefetchedImages:
    """What rewards are given of images, made in threads, once for each distinct preprocessing.

    Args:
        images: where encoded images are.
        threads: that decode; one for each core, and at most sixteen, if None.
    """

    def __init__(self, images: Encoded, threads: int | None = None) -> None:
        self._images = images
        self._threads = threads or pool(16)
        self._kinds: dict[Hashable, list[Make]] = {}
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._largest = 1
        self._reader: ThreadPoolExecutor | None = None
        self._makers: ThreadPoolExecutor | None = None

    def want(self, kind: Hashable, make: Make) -> None:
        """From now on, make images ready by ``make`` too, under the name ``kind``."""
        self._kinds.setdefault(kind, []).append(make)
        if self._reader is None:
            # One reads, for a reader of parts is not to be shared; many decode.
            self._reader = ThreadPoolExecutor(1, "read")
            self._makers = ThreadPoolExecutor(self._threads, "ready")

    def release(self, kind: Hashable, make: Make) -> None:
        """Undo a :meth:`want`: whose ``make`` it is may hold a model."""
        self._kinds[kind].remove(make)
        if not self._kinds[kind]:
            del self._kinds[kind]
        if not self._kinds:
            for pool in (self._reader, self._makers):
                if pool is not None:
                    pool.shutdown(cancel_futures=True)
            self._entries.clear()
            self._reader = self._makers = None

    def order(self, items: Sequence[Item], kind: Hashable) -> PrefetchOrder:
        """Have ``items`` made ready under the name ``kind``, in threads."""
        self._largest = max(self._largest, len(items))
        keys = [key_of(item) for item in items]
        new = [
            key for key in keys if key not in self._entries or kind not in self._entries[key].kinds
        ]
        if new:
            self._begin(new)
        promises: list[Promise] = []
        for key in keys:
            self._entries.move_to_end(key)
            promises.append(self._entries[key].made)
        while len(self._entries) > KEEP * self._largest:
            self._entries.popitem(last=False)
        return PrefetchOrder(tuple(keys), kind, promises)

    def _begin(self, keys: Sequence[Key]) -> None:
        assert self._reader is not None
        promises = [Promise() for _ in keys]
        makes = {kind: makes[0] for kind, makes in self._kinds.items()}
        for key, promise in zip(keys, promises, strict=True):
            self._entries[key] = _Entry(promise, frozenset(makes))
        self._reader.submit(self._read, keys, promises, makes)

    def _read(
        self,
        keys: Sequence[Key],
        promises: Sequence[Promise],
        makes: Mapping[Hashable, Make],
    ) -> None:
        assert self._makers is not None
        try:
            encoded = self._images.read(keys)
        except BaseException as error:
            # Whatever it is, the promises' readers wait for it.
            for promise in promises:
                promise.set_exception(error)
            return
        for data, promise in zip(encoded, promises, strict=True):
            try:
                self._makers.submit(_make, data, promise, makes)
            except RuntimeError as error:  # no thread can be started any more
                promise.set_exception(error)


def _make(data: bytes, promise: Promise, makes: Mapping[Hashable, Make]) -> None:
    try:
        promise.set_result(_made(data, makes))
    except BaseException as error:
        # Whatever it is, somebody waits for it.
        promise.set_exception(error)


def _made(data: bytes, makes: Mapping[Hashable, Make]) -> dict[Hashable, Any]:
    try:
        image = decode(data)
    except ImageError as error:
        return dict.fromkeys(makes, Broken(str(error)))
    except MemoryError:
        return dict.fromkeys(makes, Broken("no memory to decode it"))
    return made_ready(image, makes)


def made_ready(image: Image, makes: Mapping[Hashable, Make]) -> dict[Hashable, Any]:
    """By kind, what ``makes`` make of an image, or :class:`Broken`."""
    # Each has an image of its own: a reward may be anyone's code, and draw on it.
    copies = [image, *(image.copy() for _ in range(len(makes) - 1))]
    return {
        kind: _try(make, copy) for (kind, make), copy in zip(makes.items(), copies, strict=True)
    }


def _try(make: Make, image: Image) -> Any:
    try:
        return make(image)
    except BaseException as error:
        # What a reward cannot make ready is a failure of this image.
        return Broken(f"{type(error).__name__}: {error}"[:500])

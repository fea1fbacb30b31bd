"""Images that several questions are about, made ready once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PIL.Image import Image

__all__ = ["SharedImages"]

_REMEMBERED = 2
"""Questions about one image follow each other: the last image of a pass may begin the next one."""


class SharedImages:
    """What stands in the place of an image processor of transformers.

    Each image is made ready alone, and what several have is put together. Whether an architecture
    allows that is tried: the first images, and the first ones of different sizes, are made ready
    together as well. Where the two differ, or cannot be put together (tiles that are padded), the
    processor is asked as it would be without this.

    Args:
        processor: of any architecture. Called from one thread at a time.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._ready: OrderedDict[int, tuple[Image, dict[str, Any]]] = OrderedDict()
        self._tried: set[bool] = set()
        self._works = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, images: Any, **options: Any) -> Any:
        """What the processor returns for ``images``.

        Args:
            images: of each question one, in a list; others are left to the processor.
            options: the same in each call.
        """
        alone = _one_each(images) if self._works else None
        if alone is None:
            return self._processor(images, **options)
        joined = _joined([self._one(image, options) for image in alone])
        sizes = len({image.size for image in alone}) > 1
        if joined is not None and (len(alone) == 1 or sizes in self._tried):
            return self._like(joined, options)
        together = self._processor(images, **options)
        self._works = joined is not None and _equal(joined, together)
        self._tried.add(sizes)
        return together

    def _one(self, image: Image, options: dict[str, Any]) -> dict[str, Any]:
        if id(image) not in self._ready:
            # The image is kept beside, so that no other takes its number.
            self._ready[id(image)] = image, dict(self._processor([[image]], **options))
        self._ready.move_to_end(id(image))
        while len(self._ready) > _REMEMBERED:
            self._ready.popitem(last=False)
        return self._ready[id(image)][1]

    @staticmethod
    def _like(joined: dict[str, Any], options: dict[str, Any]) -> Any:
        from transformers import BatchFeature

        return BatchFeature(joined, tensor_type=options.get("return_tensors"))


def _one_each(images: Any) -> list[Image] | None:
    """The image of each question; None where they are given in another form."""
    if not isinstance(images, list):
        return None
    alone = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in images]
    return alone if alone and all(isinstance(one, Image) for one in alone) else None


def _joined(each: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The tensors of several images in one, along the first axis; None where they do not fit."""
    import torch

    found: dict[str, Any] = {}
    for name in each[0]:
        values = [one[name] for one in each if torch.is_tensor(one.get(name))]
        if len(values) < len(each) or len({value.shape[1:] for value in values}) > 1:
            return None
        found[name] = torch.cat(values)
    return found


def _equal(joined: dict[str, Any], together: Any) -> bool:
    """Whether both hold the same, bit by bit."""
    import torch

    return joined.keys() == dict(together).keys() and all(
        torch.is_tensor(together[name]) and torch.equal(value, together[name])
        for name, value in joined.items()
    )

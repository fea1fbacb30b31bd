"""Features of prompts, computed once for each distinct prompt and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TextFeatures"]


class TextFeatures:
    """Features of prompts, each distinct one encoded once while it is remembered.

    Args:
        encode: n texts → ``Float[Tensor, "n …"]``; one text's features do not depend on the others.
        keep: how many to remember, those used last; on the device they were computed on.
    """

    def __init__(self, encode: Callable[[list[str]], Tensor], keep: int = 16_384) -> None:
        self._encode, self._keep = encode, keep
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """``Float[Tensor, "prompt …"]``, in the order of ``prompts``."""
        import torch

        new = [text for text in dict.fromkeys(prompts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encode(new), strict=True))
        found = torch.stack([self._known[text] for text in prompts])
        for text in prompts:
            self._known.move_to_end(text)
        while len(self._known) > self._keep:
            self._known.popitem(last=False)
        return found

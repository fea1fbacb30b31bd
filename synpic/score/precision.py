"""float32 that is float32: without the shorter mantissa that GPUs may multiply it with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["full_float32"]

_lock = threading.RLock()  # a reward may be made of another


@contextmanager
def full_float32() -> Iterator[None]:
    """No TF32 inside, whatever was chosen outside; torch's default has it on for convolutions.

    With TF32 a product has 10 bits of mantissa in place of 23: enough to train, and not for a score
    that is compared with another's at 1e-5.
    """
    import torch

    places: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    with _lock:
        before = [place.allow_tf32 for place in places]
        for place in places:
            place.allow_tf32 = False
        try:
            yield
        finally:
            for place, allowed in zip(places, before, strict=True):
                place.allow_tf32 = allowed

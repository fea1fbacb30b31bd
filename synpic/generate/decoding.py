"""Latents become pixels, and where half precision overflows on the way, once more in float32.

Some VAEs do that in float16 (SDXL's is known for it): of an image they make NaN, or black.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from synpic.generate.placement import vae_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["heal_decoding"]


def heal_decoding(pipeline: Any) -> None:
    """From now on, decode in float32 again what ``pipeline`` decodes into NaN or black.

    The rest of a batch is left as it is. What is as bad in float32 stays so, and the caller, who
    looks at the pixels, sees it. Where every layer waits in the host's memory (``offload =
    "sequential"``), weights cannot be turned into others, and nothing is decoded again.
    """
    name, vae = vae_of(pipeline)
    if vae is None or not hasattr(vae, "decode"):
        return
    # Stable Cascade's gives [0, 1], and every other [-1, 1].
    vae.decode = _Healing(vae, vae.decode, signed=name != "vqgan")


class _Healing:
    """In the place of a VAE's ``decode``."""

    def __init__(self, vae: Any, decode: Callable[..., Any], signed: bool) -> None:
        self._vae, self._decode, self._signed = vae, decode, signed

    def __call__(self, latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        import torch

        try:
            return self._healed(latents, *args, **kwargs)
        except torch.OutOfMemoryError as error:
            starved = str(error)
        # Some pipelines (Sana's) catch torch's exception, warn, and go on without an image. This
        # one passes. Raised out here, it holds on to nothing that took the room.
        raise MemoryError(starved)

    def _healed(self, latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        import torch

        result = self._decode(latents, *args, **kwargs)
        pixels = result[0]
        if not isinstance(pixels, torch.Tensor) or len(pixels) != len(latents):
            return result  # nothing that we know
        # Whoever called fetches the pixels next, so to wait for the device here costs nothing.
        bad = self._bad(pixels)
        if bad and self._can_be_healed():
            with _in_float32(self._vae):
                for place in bad:
                    one = latents[place : place + 1].float()
                    # A denoiser that overflowed is past healing here.
                    if torch.isfinite(one).all():
                        pixels[place : place + 1] = self._decode(one, *args, **kwargs)[0]
        return result

    def _bad(self, pixels: Tensor) -> list[int]:
        """Which images of a batch are not finite, or of the colour 0 everywhere."""
        import torch

        least, most = pixels.flatten(1).aminmax(dim=1)  # NaN, where there is one
        finite = torch.isfinite(least) & torch.isfinite(most)
        brightest = (most * 0.5 + 0.5 if self._signed else most).clamp(0, 1)
        black = (brightest.float() * 255).round() == 0
        found: list[int] = (~finite | black).nonzero().flatten().tolist()
        return found

    def _can_be_healed(self) -> bool:
        import torch

        kinds = {(tensor.dtype, tensor.device.type) for tensor in _floats(self._vae)}
        return all(place != "meta" for _, place in kinds) and any(
            dtype != torch.float32 for dtype, _ in kinds
        )


@contextmanager
def _in_float32(module: Any) -> Iterator[None]:
    """Its weights in float32 while it lasts; the way there and back loses no bit of a half."""
    import torch

    before = [(tensor, tensor.data) for tensor in _floats(module)]
    with torch.inference_mode(False):
        for tensor, data in before:
            tensor.data = data.float()
    try:
        yield
    finally:
        with torch.inference_mode(False):
            for tensor, data in before:
                tensor.data = data


def _floats(module: Any) -> list[Tensor]:
    tensors = itertools.chain(module.parameters(), module.buffers())
    return [tensor for tensor in tensors if tensor.is_floating_point()]

"""How much of a server one caller, and all callers together, may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RequestLimits"]


@dataclass(frozen=True)
class RequestLimits:
    """What is refused before any work is done on it.

    Args:
        body: bytes of one request. All requests that are being read or answered may hold 16 times
            as many.
        pixels: of one image; its header is read first.
        queue: images that are accepted and not answered yet, of all callers.
        prompt: characters of one prompt.
        body_seconds: within which a body has to arrive.
    """

    body: int = 64_000_000
    pixels: int = 1 << 24
    queue: int = 512
    prompt: int = 20_000
    body_seconds: float = 60.0

    @property
    def bodies(self) -> int:
        """Bytes of all requests together."""
        return 16 * self.body

    @property
    def all_pixels(self) -> int:
        """Pixels of all images together that are decoded and not answered: 2 Mi for each place in
        the queue, which are 6 MiB.
        """
        return max(self.pixels, self.queue << 21)

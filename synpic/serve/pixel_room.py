"""How many pixels may be decoded and wait for the device at once."""

from __future__ import annotations

import threading

from synpic.readers.display import count
from synpic.serve.asking import Refused

__all__ = ["PixelRoom", "PixelShare"]


class PixelRoom:
    """Room for the pixels of all callers: a file of some kilobytes may hold many millions.

    Args:
        most: pixels at once.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self.lock = threading.Lock()

    def share(self) -> PixelShare:
        """Room for one request, to be closed with it."""
        return PixelShare(self)


class PixelShare:
    """The pixels of one request. Used by several threads at once."""

    def __init__(self, room: PixelRoom) -> None:
        self._room, self._held, self._closed = room, 0, False

    def take(self, number: int, pixels: int) -> None:
        """Make room for an image that is about to be decoded.

        Args:
            number: of the image, for messages.

        Raises:
            Refused: 413, the request alone is larger than the room; 503, it is full, or the request
                has ended.
        """
        room = self._room
        with room.lock:
            if self._held + pixels > room.most:
                raise Refused(
                    413,
                    f"the images up to image {number} have {count(self._held + pixels, 'pixel')}, "
                    f"and at most {room.most:,} are decoded at once",
                    hint="send fewer at a time; --queue of `synpic serve` allows more",
                )
            if self._closed or room.held + pixels > room.most:
                raise Refused(
                    503,
                    f"the images that wait have {count(room.held, 'pixel')}, and there is no room "
                    f"for image {number}",
                    hint="try again",
                    retry_after=1,
                )
            self._held += pixels
            room.held += pixels

    def close(self) -> None:
        """Give the room back; a thread that is late takes none."""
        with self._room.lock:
            self._room.held -= self._held
            self._held, self._closed = 0, True

"""The rewards of one process, for any number of callers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from synpic.engine.threads import pool
from synpic.errors import DeviceLost, did_you_mean
from synpic.readers.display import count
from synpic.readers.images import ImageError, decode, describe
from synpic.score.judged import AskedPrompt
from synpic.score.prefetch import made_ready
from synpic.score.wires.synpic import RewardDescription
from synpic.serve.asking import Ask, Refused, Scored, Unscored, too_many
from synpic.serve.batching import Batcher, PendingRequest
from synpic.serve.limits import RequestLimits
from synpic.serve.metrics import ServerMetrics
from synpic.serve.pixel_room import PixelRoom, PixelShare
from synpic.serve.served import BatchImage, ServedReward, makes_of

__all__ = ["RewardService"]


class RewardService:
    """Scores what callers ask; see :class:`synpic.serve.asking.Scorer`.

    Images are checked and decoded in threads as they arrive, once for all rewards that take the
    same of them, and wait for the device ready-made.

    Args:
        rewards: by name.
        deadline: seconds for which a batch that is not full waits for more.
        on_failure: called, in another thread, when nothing can be scored any more.
    """

    def __init__(
        self,
        rewards: Mapping[str, ServedReward],
        limits: RequestLimits,
        *,
        deadline: float,
        on_failure: Callable[[], object] = lambda: None,
    ) -> None:
        self._rewards, self._limits, self._on_failure = rewards, limits, on_failure
        self.metrics = ServerMetrics(lambda: self.held)
        self.held = 0
        """Images that are accepted and not answered."""
        self.stopping = False
        self.failure: BaseException | None = None
        """What ended the work on the device."""
        self._waiting: set[PendingRequest] = set()
        self._given_up = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = PixelRoom(limits.all_pixels)
        self._threads = ThreadPoolExecutor(pool(16), "ready")
        self._batcher = Batcher(rewards, deadline, self.metrics, self._failed)
        self._batcher.start()

    @property
    def names(self) -> tuple[str, ...]:
        """What the rewards are called, in the order in which they were named."""
        return tuple(self._rewards)

    @property
    def described(self) -> Mapping[str, RewardDescription]:
        """What callers are shown of each reward."""
        return {name: one.description for name, one in self._rewards.items()}

    async def score(
        self, asks: Sequence[Ask], rewards: Sequence[str]
    ) -> dict[str, list[Scored | Unscored]]:
        """Each reward's answer for each ask, in their order.

        Raises:
            Refused: as :class:`synpic.serve.asking.Scorer` says.
        """
        names = list(dict.fromkeys(rewards))
        self._check(asks, names)
        if not asks or not names:
            return {name: [] for name in names}
        self._admit(len(asks))
        self.held += len(asks)
        self._idle.clear()
        share = self._room.share()
        try:
            return await self._scored(asks, names, share)
        finally:
            share.close()
            self.held -= len(asks)
            if not self.held:
                self._idle.set()

    @property
    def state(self) -> str:
        """ "ok", "stopping", or "failed" once the device is lost."""
        return "failed" if self.failure else "stopping" if self.stopping else "ok"

    async def drain(self, seconds: float) -> bool:
        """Accept nothing more, and wait until all that was accepted is answered; whether it is.

        What still waits after ``seconds`` is answered with an error.
        """
        self.stopping = True
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            self._given_up = True
            for request in tuple(self._waiting):
                request.fail(TimeoutError())
            return False
        return True

    def close(self) -> None:
        """End the threads, and close the rewards."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._batcher.end(timeout=5.0)
        if self.failure is None:
            for reward in self._rewards.values():
                reward.close()

    def _check(self, asks: Sequence[Ask], names: Sequence[str]) -> None:
        for name in names:
            if name not in self._rewards:
                raise Refused(
                    404,
                    f"no reward {name[:100]!r} is served.{did_you_mean(name, self._rewards)}",
                    hint=f"served: {', '.join(self._rewards)}",
                )
        for number, ask in _numbered(asks):
            if len(ask.prompt) > self._limits.prompt:
                raise Refused(
                    422,
                    f"prompt {number} has {count(len(ask.prompt), 'character')}, and at most "
                    f"{self._limits.prompt:,} are read",
                )
            if any("\ud800" <= sign <= "\udfff" for sign in ask.prompt):
                raise Refused(
                    422,
                    f"prompt {number} is no text: it holds half of a character",
                    hint="it was cut or read wrongly; read it as UTF-8 again",
                )

    def _admit(self, images: int) -> None:
        most = self._limits.queue
        if self.failure is not None:
            raise self._lost()
        if self.stopping:
            raise Refused(503, "the server is stopping", retry_after=10)
        if images > most:
            raise too_many(images, most)
        if self.held + images > most:
            raise Refused(
                503,
                f"the queue is full, with {count(self.held, 'image')}",
                hint="try again",
                retry_after=1,
            )

    async def _scored(
        self, asks: Sequence[Ask], names: Sequence[str], share: PixelShare
    ) -> dict[str, list[Scored | Unscored]]:
        self._batcher.expect()
        try:
            made = await self._ready(asks, makes_of(self._rewards, names), share)
        except BaseException:
            self._batcher.forget()
            raise
        request = PendingRequest(
            {
                name: [
                    BatchImage(number, _prompt(ask), image[self._rewards[name].kind])
                    for (number, ask), image in zip(_numbered(asks), made, strict=True)
                ]
                for name in names
            }
        )
        del made, asks
        self._waiting.add(request)
        self._batcher.add(request)
        if self._given_up:
            request.fail(TimeoutError())
        try:
            return await asyncio.wrap_future(request.answer)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Whatever ended the device's thread, or the wait for it.
            raise self._lost() from error
        finally:
            self._waiting.discard(request)
            self._batcher.drop(request)

    async def _ready(
        self, asks: Sequence[Ask], makes: Mapping[Any, Any], share: PixelShare
    ) -> list[dict[Any, Any]]:
        loop = asyncio.get_running_loop()
        making = [
            loop.run_in_executor(self._threads, self._make, number, ask.image, makes, share)
            for number, ask in _numbered(asks)
        ]
        try:
            return await asyncio.gather(*making)
        except BaseException:
            for one in making:
                one.cancel()
            raise

    def _make(
        self, number: int, data: bytes, makes: Mapping[Any, Any], share: PixelShare
    ) -> dict[Any, Any]:
        most = self._limits.pixels
        try:
            header = describe(data)
            if header.width * header.height > most:
                raise Refused(
                    413,
                    f"image {number} has {header.width} × {header.height} pixels, and at most "
                    f"{most:,} are decoded",
                    hint="send it smaller; --max-pixels of `synpic serve` allows more",
                )
            share.take(number, header.width * header.height)
            image = decode(data)
        except ImageError as error:
            raise Refused(
                422,
                f"image {number}: {error}",
                hint="send the bytes of an image file: PNG keeps pixels exact",
            ) from error
        except MemoryError as error:
            raise Refused(503, f"image {number}: no memory to decode it", retry_after=1) from error
        return made_ready(image, makes)

    def _failed(self, error: BaseException) -> None:
        self.failure = error
        self._on_failure()

    def _lost(self) -> Refused:
        why = self.failure
        if why is None:
            return Refused(503, "the server stopped before it had scored this", retry_after=10)
        text = why.message if isinstance(why, DeviceLost) else "the server cannot score any more"
        return Refused(503, f"{text}; it ends", retry_after=10)


def _numbered(asks: Sequence[Ask]) -> list[tuple[int, Ask]]:
    """Each with its place in its request."""
    return [(n if ask.number is None else ask.number, ask) for n, ask in enumerate(asks)]


def _prompt(ask: Ask) -> str:
    """The prompt, with what it asks for where the caller sends that."""
    return AskedPrompt(ask.prompt, ask.metadata) if ask.metadata else ask.prompt

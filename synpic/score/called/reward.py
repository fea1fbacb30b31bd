"""The reward ``called``: what a server of rewards says of an image."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from PIL.Image import Image

from synpic import ids
from synpic.errors import RewardError, did_you_mean
from synpic.hub.lock import Lock, LockEntry
from synpic.readers.images import as_png
from synpic.recipe.rewards import Wire
from synpic.score.reward import RewardInfo
from synpic.score.two_stage import TwoStageReward
from synpic.score.wires.synpic import TOKEN

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for its client
    from synpic.score.called.wires import AskedImage, NoScore, Served

__all__ = ["Called"]

_PER_REQUEST = 8
"""Images of one request, at most: 8 of 1024² are about 20 MB of JSON."""

_FAILURES = 3
"""How often a request is sent that is answered with status 500: as often as others do."""

_ENOUGH = 16
"""Images without a score, one alone in each request, after which a server that has given none is
taken for broken."""

_AHEAD = 256
"""Requests that are under way or answered before they are asked for, at most."""

_KEY = f"${TOKEN}"
"""Where the key of a server of rewards is, if a recipe does not say."""

_AWAY = (
    "scores so far are kept, and the same command goes on from there; "
    "`patience` of `endpoint` says for how long a request is repeated"
)


class Called(TwoStageReward):
    """A score that a server gives, with the pixels sent exactly, as PNG.

    A recipe writes it by keys of its own table: ``endpoint``, ``wire``, ``version`` and ``reward``,
    the server's name for it.

    Args:
        wire: "flow-factory", "unirl" or "synpic": in what messages it is asked.
        reward: the server's name of it; with "unirl" ``reward/part`` where it has several
            parts. A server of Flow-Factory has one reward, whatever its name here.
        version: of what the server computes.
        endpoint: its address, or a table of url, key, concurrency, timeout and patience. It decides
            no score, and is no part of the fingerprint.

    Raises:
        RewardError: an option is none.
    """

    asks_endpoint: ClassVar[str] = "reward server"

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a reward that a server gives: synpic serve, Flow-Factory's, UniRL's",
        score_range="the server's",
        text_limit="the server's",
        verified="against servers that score with a reward of synpic (tests/score/test_called.py)",
    )

    def __init__(
        self,
        *,
        wire: str = "",
        reward: str = "",
        version: str = "",
        endpoint: str | Mapping[str, Any] = "$SYNPIC_ENDPOINT",
    ) -> None:
        from synpic.score.called.wires import WIRES
        from synpic.score.servers.address import Address
        from synpic.score.servers.server import Server, ServerWords

        if wire not in WIRES:
            raise RewardError(
                f"called: wire is {wire!r}.{did_you_mean(wire, WIRES)}",
                hint=f"one of: {', '.join(get_args(Wire))}",
            )
        if not reward or not version:
            raise RewardError(
                "called: reward or version is empty",
                hint="say what the server calls the reward, and which version of it that is",
            )
        self._wire, self._name, self._version = WIRES[wire](), reward, version
        address = Address.of("called", endpoint, _KEY).without(self._wire.path)
        hints = {
            404: f"give the address of the server without {self._wire.path}, and the wire that it "
            "speaks"
        }
        self._server = Server(address, ServerWords(reward, _AWAY, hints), _FAILURES)
        self._pool = ThreadPoolExecutor(address.concurrency, "call")
        self._lock: Lock | None = None
        self._proving = threading.Lock()
        self._proven = False
        self._scored = False
        self._unscored = 0
        self._coming: dict[tuple[AskedImage, ...], Future[list[float | NoScore]]] = {}
        self._kept: dict[AskedImage, float | NoScore] = {}
        self.preprocessing: Hashable = "png, exact"

    def hold_to(self, lock: Lock) -> None:
        """Remember what a server of synpic says of the reward, and refuse another."""
        self._lock = lock

    def pixels(self, image: Image) -> bytes:
        """The image as it is sent."""
        return as_png(image)

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any sizes."""
        return list(pixels)

    def ahead(self, prompts: Sequence[str], pixels: Any) -> None:
        """Ask about the next images, while those before them are waited for."""
        for piece in _pieces(_asked(prompts, pixels)) if self._proven else ():
            if len(self._coming) < _AHEAD:
                self._coming[piece] = self._pool.submit(self._ask, piece)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Scores of n prompts and n images.

        Raises:
            ValueError: one of them has none. What the others have is kept for when they are asked
                about next.
            RewardError: the server gives none.
        """
        self._prove()
        asked = _asked(prompts, pixels)
        found = {one: self._kept.pop(one) for one in asked if one in self._kept}
        futures = [
            (piece, self._begun(piece))
            for piece in _pieces([one for one in asked if one not in found])
        ]
        refused: ValueError | None = None
        for piece, future in futures:
            try:
                found |= zip(piece, future.result(), strict=True)
            except ValueError as error:
                refused = error
        scores = [one for each in asked if isinstance(one := found.get(each), float | int)]
        if len(scores) == len(asked):
            return scores
        if len(asked) > 1:
            self._kept = found
        reasons = [one.reason for one in found.values() if not isinstance(one, float | int)]
        raise refused or ValueError(reasons[0])

    def close(self) -> None:
        """Ask nothing that is not under way."""
        self._server.close()
        self._pool.shutdown(cancel_futures=True)

    def _begun(self, piece: tuple[AskedImage, ...]) -> Future[list[float | NoScore]]:
        begun = self._coming.pop(piece) if piece in self._coming else None
        return begun or self._pool.submit(self._ask, piece)

    def _ask(self, piece: Sequence[AskedImage]) -> list[float | NoScore]:
        call = self._wire.scores(self._name, piece)
        self._server.first(call)
        try:
            found = self._server.ask(call)
        except ValueError as error:
            self._count([str(error)] if len(piece) == 1 else [])
            raise
        self._scored |= any(isinstance(one, float | int) for one in found)
        self._count([one.reason for one in found if not isinstance(one, float | int)])
        return found

    def _count(self, reasons: Sequence[str]) -> None:
        self._unscored += len(reasons)
        if reasons and not self._scored and self._unscored >= _ENOUGH:
            raise RewardError(
                f"the server of {self._name} gave none of {self._unscored} images a score: "
                f"{reasons[-1]}",
                hint="see why in the server's own log",
            )

    def _prove(self) -> None:
        """See once that the server has the reward, and the one that it had before."""
        with self._proving:
            if self._proven:
                return
            call = self._wire.served(self._name)
            if call is not None:
                self._check(self._server.ask(call))
            self._proven = True

    def _check(self, served: Served) -> None:
        known = served.names
        if self._name not in known and self._name.partition("/")[0] not in known:
            raise RewardError(
                f"the server has no reward {self._name!r}.{did_you_mean(self._name, known)}",
                hint=f"it has: {', '.join(known) or 'none'}",
            )
        if served.described is None or self._lock is None:
            return
        one = served.described
        decides = {
            "reward": one.reward,
            "version": one.version,
            "fingerprint": one.fingerprint,
            "scale": one.scale,
        }
        if one.fingerprint is None:  # which has the checkpoint, where it is known
            decides["checkpoint"] = one.checkpoint
        entry = LockEntry(
            kind="server",
            source=self._name,
            revision=self._version,
            identity=ids.fingerprint(decides),
        )
        if self._lock.remember(entry).identity != entry.identity:
            raise RewardError(
                f"the server gives another {self._name} than it did: it is now {one.reward}, "
                f"version {one.version}, fingerprint {ids.short(one.fingerprint or 'unknown')}",
                hint=f"have it serve what it did before; or give {self._name} another `version` in "
                "the recipe, and all images are scored anew",
            )


def _asked(prompts: Sequence[str], pixels: Any) -> list[AskedImage]:
    from synpic.score.called.wires import AskedImage

    return [AskedImage(*one) for one in zip(prompts, pixels, strict=True)]


def _pieces(asked: Sequence[AskedImage]) -> list[tuple[AskedImage, ...]]:
    return [tuple(asked[at : at + _PER_REQUEST]) for at in range(0, len(asked), _PER_REQUEST)]

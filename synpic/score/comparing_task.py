"""`synpic score`, of comparers: every pair that is not compared yet, in batches, in both orders."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from PIL.Image import Image

from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.shard import Shard
from synpic.engine.task import Item, Made, Opener, Output, Task
from synpic.engine.writing import PartWatcher
from synpic.errors import RewardError
from synpic.score.comparer import Comparer, PreparedComparer, WantedComparer, open_comparer
from synpic.score.missing_results import missing_results
from synpic.score.precision import full_float32
from synpic.score.prefetch import WHOLE_IMAGE, PrefetchedImages, PrefetchOrder, as_it_is
from synpic.score.scoring_task import PART_SCORES
from synpic.workspace import Workspace, tables

__all__ = ["PAIR_KEY", "comparing_task"]

PAIR_KEY = ("left", "right", "sha256_left", "sha256_right")
"""What tells one pair from another."""


@dataclass(frozen=True, slots=True)
class _Pair(Item):
    """Two images to compare; ``candidate_id`` is both ids, as failures have it."""

    left: str = ""
    right: str = ""
    sha256_left: str = ""
    sha256_right: str = ""

    @property
    def images(self) -> tuple[Item, Item]:
        """Either of them."""
        return (
            Item(self.left, position=self.position, sha256=self.sha256_left),
            Item(self.right, position=self.position, sha256=self.sha256_right),
        )


def comparing_task(
    workspace: Workspace,
    comparer: WantedComparer,
    pairs: pl.DataFrame,
    images: PrefetchedImages,
    shard: Shard,
    retry_failed: bool,
) -> Task:
    """What ``comparer`` has not compared of ``pairs``.

    Args:
        pairs: prompt_id, prompt, left, right, sha256_left and sha256_right of all that are wanted,
            those of a prompt together.
        images: made ready from where those are; one for all comparers that run together.
        shard: the share of the prompts that is ours: an image is decoded by one machine for all of
            its pairs.
        retry_failed: try again what has a failure row.
    """
    found = missing_results(
        "compare",
        comparer,
        Output(
            workspace=workspace,
            folder=comparer.folder,
            schema=tables.COMPARISONS,
            key=PAIR_KEY,
            part_rows=PART_SCORES,
            note={"comparer": comparer.name, "decides": comparer.fingerprint_inputs},
            watcher=PartWatcher(workspace, comparer.folder, tables.COMPARISONS),
            named_by=2,
        ),
        pairs,
        _pair,
        retry_failed,
    )
    opener = Opener(
        partial(_open, workspace, comparer, images), RewardError, proven=bool(found.before)
    )
    return found.task(lambda pair: shard.holds(int(pair.prompt_id[:8], 16)), opener)


def _pair(position: int, row: dict[str, Any]) -> Item:
    return _Pair(candidate_id=f"{row['left']}+{row['right']}", position=position, **row)


def _open(
    workspace: Workspace,
    comparer: WantedComparer,
    images: PrefetchedImages,
    device: str,
    environment: str,
) -> _Comparing:
    return _Comparing(comparer, open_comparer(comparer, workspace, device), images)


class _Comparing:
    """An opened comparer: batches of pairs → rows of the table of comparisons."""

    def __init__(
        self, wanted: WantedComparer, comparer: Comparer, images: PrefetchedImages
    ) -> None:
        self._wanted, self._images = wanted, images
        self._attempts = Attempts(self._ask)
        self._kind: Hashable = WHOLE_IMAGE
        self._make: Callable[[Image], Any] = as_it_is
        self._compare: Callable[..., Sequence[float]] = comparer.compare
        if isinstance(comparer, PreparedComparer):
            self._kind, self._make = comparer.preprocessing, comparer.pixels
            self._compare = comparer.judge
        images.want(self._kind, self._make)
        self._comparer = comparer
        self._ready: Mapping[str, Any] = {}
        self._looking_ahead = ThreadPoolExecutor(1, "ahead")

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        pairs = _pairs(missing)
        order = self._images.order(_images_of(pairs), self._kind)
        if following:
            coming = _pairs(following)
            ordered = self._images.order(_images_of(coming), self._kind)
            self._looking_ahead.submit(self._tell_ahead, ordered, coming)
        self._ready, broken = order.wait_and_part()
        failed = {
            pair.candidate_id: f"candidate {side}: {broken[side]}"
            for pair in pairs
            for side in (pair.right, pair.left)
            if side in broken
        }
        whole = [pair for pair in pairs if pair.candidate_id not in failed]
        # Of an image and itself, nothing can be said but one half.
        equal = [pair for pair in whole if pair.sha256_left == pair.sha256_right]
        ended = self._attempts.run([one for one in whole if one.sha256_left != one.sha256_right])
        self._ready = {}
        unsaid = [end for end in ended if isinstance(end, Failed)]
        failed |= {end.item.candidate_id: end.reason for end in unsaid}
        rows = [self._row(pair, 0.5, 0.5) for pair in equal]
        rows += [self._row(end.item, *end.result) for end in ended if isinstance(end, Done)]
        return Made(rows, failed, len(rows), any(end.starved for end in unsaid))

    def finish(self) -> Made:
        return Made([], {}, 0)

    def close(self) -> None:
        # In this order: what is under way still needs the images.
        self._looking_ahead.shutdown(cancel_futures=True)
        self._images.release(self._kind, self._make)
        if isinstance(self._comparer, PreparedComparer):
            self._comparer.close()

    def _tell_ahead(self, order: PrefetchOrder, pairs: Sequence[_Pair]) -> None:
        if not isinstance(self._comparer, PreparedComparer):
            return
        ready, _ = order.wait_and_part()
        asked = [
            one
            for one in pairs
            if {one.left, one.right} <= ready.keys() and one.sha256_left != one.sha256_right
        ]
        if asked:
            orders, prompts = _questions(asked)
            self._comparer.ahead(
                prompts, *([ready[order[at]] for order in orders] for at in range(2))
            )

    def _ask(self, pairs: Sequence[_Pair]) -> list[tuple[float, float]]:
        """The probability that the left is better: asked with the left first, and with it second.

        Both questions of a pair stand side by side, so that they are asked in one batch.
        """
        orders, prompts = _questions(pairs)
        first, second = ([self._image(order[at]) for order in orders] for at in range(2))
        with full_float32():
            given = _checked(self._wanted.name, orders, self._compare(prompts, first, second))
        return [(given[at], 1 - given[at + 1]) for at in range(0, len(given), 2)]

    def _image(self, candidate: str) -> Any:
        ready = self._ready[candidate]
        # One each: a function that draws on an image does not change what the next one sees.
        return ready.copy() if self._kind is WHOLE_IMAGE else ready

    def _row(self, pair: _Pair, forward: float, backward: float) -> dict[str, Any]:
        return {
            "prompt_id": pair.prompt_id,
            **{column: getattr(pair, column) for column in PAIR_KEY},
            "name": self._wanted.name,
            "fingerprint": self._wanted.fingerprint,
            "p_forward": forward,
            "p_backward": backward,
            "probability": (forward + backward) / 2,
        }


def _pairs(items: Sequence[Item]) -> list[_Pair]:
    return [item for item in items if isinstance(item, _Pair)]


def _images_of(pairs: Sequence[_Pair]) -> list[Item]:
    """Each image once, in the order in which the pairs name them."""
    return list({image.candidate_id: image for pair in pairs for image in pair.images}.values())


def _questions(pairs: Sequence[_Pair]) -> tuple[list[tuple[str, str]], list[str]]:
    """Two a pair: the candidates in the order in which they are shown, and the prompts."""
    orders = [sides for one in pairs for sides in ((one.left, one.right), (one.right, one.left))]
    return orders, [one.prompt for one in pairs for _ in range(2)]


def _checked(name: str, orders: Sequence[tuple[str, ...]], given: Sequence[float]) -> list[float]:
    """Probabilities, as they will be stored, in float32.

    Raises:
        RewardError: there are not as many as questions, or they are no numbers.
        ValueError: one is not within 0 … 1; it is the failure of this pair.
    """
    try:
        with np.errstate(over="ignore"):
            values: list[float] = np.asarray(given, dtype=np.float32).reshape(-1).tolist()
    except (TypeError, ValueError) as error:
        raise RewardError(
            f"comparer {name!r} gave something that is no number: {error}",
            hint="a comparer gives one probability for each prompt, in their order",
        ) from error
    if len(values) != len(orders):
        raise RewardError(
            f"comparer {name!r} gave {len(values)} probabilities for {len(orders)} questions",
            hint="a comparer gives one probability for each prompt, in their order",
        )
    # The row of the failure names the images: equal reasons are counted together.
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"the probability is {value}, expected 0 … 1")
    return values

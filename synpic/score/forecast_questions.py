"""What scoring would ask of endpoints: questions, and roughly what they weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from synpic.engine.task import Item, Task
from synpic.recipe.settings import BYTES_PER_PIXEL
from synpic.score.comparer import COMPARER
from synpic.score.option_files import with_files
from synpic.score.reward import REWARD, construct_reward, registered_reward
from synpic.score.vlm.endpoint_reward import EndpointReward
from synpic.score.vlm.questions import SentImage
from synpic.score.vlm_compare_endpoint import VlmCompareEndpoint
from synpic.workspace import Snapshot

__all__ = ["QuestionForecast", "questions_to_ask"]

_PIXELS_PER_TOKEN = 32 * 32
"""Of Qwen3-VL; Qwen2.5-VL has 28², and other families less."""
_LETTERS_PER_TOKEN = 4
_BASE64 = 4 / 3


@dataclass(frozen=True)
class QuestionForecast:
    """What a reward would ask of its endpoint.

    Args:
        reward: the recipe's name of it.
        model: as the server names it.
        questions: at most: those that were answered before a command was killed are among them.
        bytes: sent in all, roughly: what images have as PNG is not known before.
        tokens: read and written by the model in all, roughly: families differ.
    """

    reward: str
    model: str
    questions: int
    bytes: int
    tokens: int


def questions_to_ask(
    snapshot: Snapshot, tasks: Sequence[Task], candidates: Callable[[], pl.DataFrame]
) -> list[QuestionForecast]:
    """What each of ``tasks`` that asks an endpoint would ask. Nothing is sent.

    Args:
        candidates: gives candidate_id, width and height of what is there.

    Raises:
        RewardError, UnknownName: a reward cannot be opened with its options.
    """
    asked = []
    for task in tasks:
        settings = snapshot.recipe.rewards.get(task.name)
        if settings is None:
            continue
        kind = REWARD if settings.comparer is None else COMPARER
        settings = with_files(task.name, settings, snapshot.workspace.folder)
        thing = registered_reward(task.name, settings, snapshot.workspace.folder, kind)
        if not getattr(thing, "asks_endpoint", False):
            continue
        reward = construct_reward(task.name, thing, dict(settings.options), kind)
        if isinstance(reward, EndpointReward | VlmCompareEndpoint):
            items = [item for batch in task.batches for item in task.missing(batch)]
            if items:
                asked.append(_asked(task.name, reward, items, candidates()))
            reward.close()
    return asked


def _asked(
    name: str,
    reward: EndpointReward | VlmCompareEndpoint,
    items: Sequence[Item],
    candidates: pl.DataFrame,
) -> QuestionForecast:
    there = candidates.select(
        "candidate_id",
        pixels=(pl.col("width").cast(pl.Int64) * pl.col("height")).clip(None, reward.max_pixels),
    )
    pixels = dict(there.iter_rows())
    nothing = SentImage(b"", "")
    # A pair, whose name is both ids, is asked about in both orders.
    times = 2 if isinstance(reward, VlmCompareEndpoint) else 1
    pictures = letters = answered = 0
    for item in items:
        if isinstance(reward, VlmCompareEndpoint):
            question = reward.question(item.prompt, nothing, nothing)
        else:
            question = reward.question(item.prompt, nothing)
        texts = [part for part in question.parts if isinstance(part, str)]
        images = item.candidate_id.split("+")
        shown = sum(pixels.get(one, 0) for one in images) // len(images)
        pictures += times * shown * (len(question.parts) - len(texts))
        letters += times * sum(map(len, texts))
        answered += times * question.tokens
    return QuestionForecast(
        reward=name,
        model=reward.model,
        questions=times * len(items),
        bytes=round(pictures * BYTES_PER_PIXEL["png"] * _BASE64 + letters),
        tokens=round(pictures / _PIXELS_PER_TOKEN + letters / _LETTERS_PER_TOKEN) + answered,
    )

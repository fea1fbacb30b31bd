"""What scoring would ask of endpoints: questions, and roughly what they weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from synpic.engine.task import Item, Task
from synpic.recipe import CodeSettings
from synpic.recipe.settings import BYTES_PER_PIXEL
from synpic.score.comparer import COMPARER
from synpic.score.judged import JudgedReward
from synpic.score.judges.vlm_questions_endpoint import VlmQuestionsEndpoint
from synpic.score.judges.wanted import JUDGE
from synpic.score.kinds import Kind
from synpic.score.option_files import with_files
from synpic.score.reward import REWARD, construct_reward, registered_reward
from synpic.score.spelling import spelled_out
from synpic.score.vlm.endpoint_reward import EndpointReward
from synpic.score.vlm.questions import SentImage, VlmQuestion
from synpic.score.vlm_compare_endpoint import VlmCompareEndpoint
from synpic.workspace import Snapshot

__all__ = ["QuestionForecast", "questions_to_ask"]

_PIXELS_PER_TOKEN = 32 * 32
"""Of Qwen3-VL; Qwen2.5-VL has 28², and other families less."""
_LETTERS_PER_TOKEN = 4
_BASE64 = 4 / 3

Asker = EndpointReward | VlmCompareEndpoint | VlmQuestionsEndpoint
"""What asks an endpoint questions that can be counted."""


@dataclass(frozen=True)
class QuestionForecast:
    """What a reward, comparer or judge would ask of its endpoint.

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
        found = _settings(snapshot, task)
        if found is None:
            continue
        settings, kind = found
        thing = registered_reward(task.name, settings, snapshot.workspace.folder, kind)
        if not getattr(thing, "asks_endpoint", False):
            continue
        opened = construct_reward(task.name, thing, dict(settings.options), kind)
        asker = opened.opened_judge if isinstance(opened, JudgedReward) else opened
        if isinstance(asker, Asker):
            items = [item for batch in task.batches for item in task.missing(batch)]
            if items:
                asked.append(_asked(task.name, asker, items, candidates()))
            asker.close()
    return asked


def _settings(snapshot: Snapshot, task: Task) -> tuple[CodeSettings, Kind] | None:
    """The table of a recipe that a task is of, with the texts of files, and what it stands for."""
    folder = snapshot.workspace.folder
    if task.stage == "judge":
        judge = snapshot.recipe.judges.get(task.name)
        return None if judge is None else (with_files(task.name, judge, folder), JUDGE)
    reward = snapshot.recipe.rewards.get(task.name)
    if reward is None:
        return None
    kind = REWARD if reward.comparer is None else COMPARER
    return spelled_out(task.name, with_files(task.name, reward, folder)), kind


def _asked(
    name: str, reward: Asker, items: Sequence[Item], candidates: pl.DataFrame
) -> QuestionForecast:
    there = candidates.select(
        "candidate_id",
        pixels=(pl.col("width").cast(pl.Int64) * pl.col("height")).clip(None, reward.max_pixels),
    )
    pixels = dict(there.iter_rows())
    asked = pictures = letters = answered = 0
    for item in items:
        images = item.candidate_id.split("+")
        shown = sum(pixels.get(one, 0) for one in images) // len(images)
        for question in _questions(reward, item):
            texts = [part for part in question.parts if isinstance(part, str)]
            asked += 1
            pictures += shown * (len(question.parts) - len(texts))
            letters += sum(map(len, texts))
            answered += question.tokens
    return QuestionForecast(
        reward=name,
        model=reward.model,
        questions=asked,
        bytes=round(pictures * BYTES_PER_PIXEL["png"] * _BASE64 + letters),
        tokens=round(pictures / _PIXELS_PER_TOKEN + letters / _LETTERS_PER_TOKEN) + answered,
    )


def _questions(reward: Asker, item: Item) -> list[VlmQuestion]:
    """What is asked about an image, or a pair, with nothing in the place of pictures."""
    nothing = SentImage(b"", "")
    if isinstance(reward, VlmQuestionsEndpoint):
        return reward.questions(cast(Any, item).requirement, nothing)
    if isinstance(reward, VlmCompareEndpoint):
        # A pair, whose name is both ids, is asked about in both orders.
        return [reward.question(item.prompt, nothing, nothing)] * 2
    return [reward.question(item.prompt, nothing)]

"""What an ablation measures: pictures judged one by one, and how far two models are apart.

``study`` trains the models and ``tables`` shows the figures. All models
draw the same prompts from the same seeds, so that differences are taken picture by picture. An
interval has two sources of chance in it: the prompts that were asked, and the seeds that training
was begun from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL.Image import Image

from synpic.recipe.settings import ModelSettings
from synpic.score.api import reward
from synpic.shapes.judge import lenient, read, strict
from synpic.shapes.meaning import parse
from synpic.shapes.measure import draw_all

__all__ = [
    "REWARDS",
    "UNTRAINED",
    "Bootstrap",
    "Estimate",
    "Results",
    "examine",
    "figures",
    "interval",
    "outcomes",
]

REWARDS = ("shapes_alignment", "shapes_clip", "shapes_quality", "shapes_biased")
"""What scores the pictures; the last one took no part in any training."""

RESAMPLES = 10_000

UNTRAINED = -1
"""The seed of a model that was not trained."""

Results = Mapping[str, Mapping[int, pl.DataFrame]]
"""Arm → seed of training → outcomes. All have the same pictures in the same order."""

_DIGITS = 5


def examine(
    folder: Path, settings: ModelSettings, asked: Sequence[tuple[str, str]], seed: int
) -> tuple[pl.DataFrame, list[Image]]:
    """Have the pipeline in ``folder`` draw ``asked``, pairs of task and prompt, and judge it.

    Returns:
        Outcomes as of :func:`outcomes`, and the pictures.
    """
    images = draw_all(folder, [text for _, text in asked], seed, settings)
    return outcomes(asked, images), images


def outcomes(asked: Sequence[tuple[str, str]], images: Sequence[Image]) -> pl.DataFrame:
    """The results of all pictures, a row for each.

    Returns:
        ``task``, ``text``, ``strict``, ``lenient``, ``blank`` (Boolean), ``things`` and
        ``things_asked`` (how many are in the picture, and were asked for), ``purity`` (the mean of
        its things, null without one), ``score_<reward>`` for each of :data:`REWARDS`.
    """
    texts = [text for _, text in asked]
    readings = [read(image) for image in images]
    judged = list(zip(texts, readings, strict=True))
    return pl.DataFrame(
        {
            "task": [task for task, _ in asked],
            "text": texts,
            "strict": [strict(text, reading) for text, reading in judged],
            "lenient": [lenient(text, reading) for text, reading in judged],
            "blank": [reading.blank for reading in readings],
            "things": [len(reading.found) for reading in readings],
            "things_asked": [len(parse(text).wanted) for text in texts],
            "purity": [
                sum(thing.purity for thing in reading.found) / len(reading.found)
                if reading.found
                else None
                for reading in readings
            ],
            **{f"score_{name}": reward(name).score(texts, images) for name in REWARDS},
        }
    )


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Intervals of what was measured on the same pictures, by the same random draws.

    Pictures of one prompt are resampled together, within their task: the tasks are what they are
    and have a fixed weight each. Seeds of training are resampled too. With S of them the bootstrap
    finds only (S − 1) / S of the variance between them: with few seeds intervals are too narrow.

    Args:
        tasks, texts: of the pictures.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 13: the middle 95 % of
    the resampled means.
    """

    def __init__(
        self, tasks: Sequence[str], texts: Sequence[str], resamples: int = RESAMPLES
    ) -> None:
        self.resamples, self.pictures = resamples, len(texts)
        rng = np.random.default_rng(0)
        self._tasks = []
        for task in dict.fromkeys(tasks):
            mine = np.flatnonzero(np.asarray(tasks) == task)
            _, group = np.unique(np.asarray(texts)[mine], return_inverse=True)
            count = group.max() + 1
            drawn = rng.multinomial(count, np.full(count, 1 / count), resamples).astype(np.float64)
            self._tasks.append((task, mine, group, drawn))

    def estimate(self, values: NDArray[np.float64]) -> Estimate:
        """The mean over seeds and pictures of ``values``, ``float64[seeds, pictures]``."""
        resampled = np.zeros(self.resamples)
        for _, mine, group, drawn in self._tasks:
            means = self._means(values[:, mine], group, drawn)
            resampled += means * len(mine) / self.pictures
        return _middle(values, resampled)

    def by_task(self, values: NDArray[np.float64]) -> dict[str, Estimate]:
        """The same of each task alone."""
        return {
            task: _middle(values[:, mine], self._means(values[:, mine], group, drawn))
            for task, mine, group, drawn in self._tasks
        }

    def _means(
        self, values: NDArray[np.float64], group: NDArray[np.intp], drawn: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """A task's resampled means, ``float64[resamples]``."""
        seeds, count = len(values), drawn.shape[1]
        # The same seeds for every task: a run of training is one thing.
        by_seed = np.random.default_rng(1).multinomial(
            seeds, np.full(seeds, 1 / seeds), self.resamples
        )
        sums = np.stack([np.bincount(group, row, count) for row in values])
        sizes = np.bincount(group, minlength=count)
        means = (drawn @ sums.T) / (drawn @ sizes)[:, None]
        found: NDArray[np.float64] = (means * by_seed).sum(1) / seeds
        return found


def _middle(values: NDArray[np.float64], resampled: NDArray[np.float64]) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def interval(
    values: NDArray[np.float64],
    tasks: Sequence[str],
    texts: Sequence[str],
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean of ``values`` with its interval, see :class:`Bootstrap`.

    Args:
        values: ``float64[seeds, pictures]``.
        tasks, texts: of the pictures.
    """
    return Bootstrap(tasks, texts, resamples).estimate(values)


def figures(results: Results, base: str = "base", best: str = "rankdpo") -> dict[str, Any]:
    """What each arm comes to, as JSON takes it; an estimate is ``mean``, ``low``, ``high``.

    Returns:
        ``pictures`` and ``prompts``, how many, and ``arms``, a row for each:

        - ``arm``, ``strict`` (estimate), ``by_task`` (of each, an estimate), ``by_seed`` (shares);
        - ``lenient``, ``blank``, ``things``, ``things_asked``, ``purity``: means over pictures;
        - ``scores``: the mean of each of :data:`REWARDS`;
        - ``to_base``: by how much ``strict``, ``lenient``, ``things`` and each reward are above
          those of ``base`` (estimates); None of ``base``;
        - ``behind``: by how much ``best`` is above this arm in ``strict`` (estimate); None of
          ``best``, and where the two share no seed.
    """
    first = next(iter(results[base].values()))
    bootstrap = Bootstrap(first["task"].to_list(), first["text"].to_list())
    scores = {name: f"score_{name}" for name in REWARDS}
    rows = []
    for arm, runs in results.items():
        pooled = pl.concat(runs.values())
        means = {name: _mean(pooled, name) for name in _MEANS}
        to_base = {
            name: _plain(bootstrap.estimate(_differences(runs, results[base], column)))
            for name, column in {**{name: name for name in _TO_BASE}, **scores}.items()
            if arm != base
        }
        ahead = None
        if best in results and arm != best:
            ahead = _differences(results[best], runs, "strict")
        passed = _values(runs, "strict", sorted(runs))
        rows.append(
            {
                "arm": arm,
                "strict": _plain(bootstrap.estimate(passed)),
                "by_task": {
                    task: _plain(found) for task, found in bootstrap.by_task(passed).items()
                },
                "by_seed": {str(seed): _mean(runs[seed], "strict") for seed in sorted(runs)},
                **means,
                "scores": {name: _mean(pooled, column) for name, column in scores.items()},
                "to_base": to_base or None,
                "behind": None
                if ahead is None or not len(ahead)
                else _plain(bootstrap.estimate(ahead)),
            }
        )
    return {"pictures": len(first), "prompts": first["text"].n_unique(), "arms": rows}


_MEANS = ("lenient", "blank", "things", "things_asked", "purity")
_TO_BASE = ("strict", "lenient", "things")


def _values(
    runs: Mapping[int, pl.DataFrame], column: str, seeds: Sequence[int]
) -> NDArray[np.float64]:
    """A column of an arm's outcomes, ``float64[seeds, pictures]``."""
    return np.array([runs[seed][column].cast(pl.Float64).to_numpy() for seed in seeds])


def _differences(
    runs: Mapping[int, pl.DataFrame], others: Mapping[int, pl.DataFrame], column: str
) -> NDArray[np.float64]:
    """One arm less another, picture by picture, ``float64[seeds, pictures]``.

    Of the seeds both were trained from: where labels are the same too, so are prompts and noise and
    their order. A model that was not trained is set against all seeds of the other.
    """
    if set(others) == {UNTRAINED} or set(runs) == {UNTRAINED}:
        mine, its = sorted(runs), sorted(others)
    else:
        mine = its = sorted(set(runs) & set(others))
    return _values(runs, column, mine) - _values(others, column, its)


def _mean(frame: pl.DataFrame, column: str) -> float:
    found: Any = frame[column].cast(pl.Float64).mean()
    return round(float(found), _DIGITS)


def _plain(of: Estimate) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in asdict(of).items()}

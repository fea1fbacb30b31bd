"""Which images are compared: pure functions of a table of candidates.

A table of candidates has prompt_id, prompt, candidate_id, model, sample, seed and sha256. A table
of pairs has prompt_id, and candidate_id, model and sha256 of both images as ``first_…`` and
``second_…``.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace

import polars as pl

from synpic.rank.pairs import pairs as ranked_pairs

__all__ = ["MODELS", "choose_checks", "choose_pairs", "pairs_from_ranking", "pairs_of_models"]

_SIDES = ("candidate_id", "model", "sha256")

COLUMNS = ["prompt_id", *(f"{side}_{name}" for side in ("first", "second") for name in _SIDES)]
"""Of a table of pairs."""

MODELS = ("first_model", "second_model")

_Row = dict[str, str]

_TRIES = 8
"""Images of other prompts that are looked at for a check: the one whose prompt is least like it."""


def pairs_of_models(candidates: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """Every pair of images of one prompt by two of ``models``, drawn from one seed.

    Where two models have no common seed for a prompt, their nth images of it are compared; so are
    ingested images, whose seed is not known (0). Images with equal pixels make no pair.

    Returns:
        A table of pairs with ``basis``, "seed" or "prompt"; ``first`` is of the model whose name
        comes first.
    """
    rows = candidates.filter(pl.col("model").is_in(list(models))).sort(
        "prompt_id", "model", "sample", "candidate_id"
    )
    rows = rows.with_columns(nth=pl.int_range(pl.len()).over("prompt_id", "model"))
    seeded = rows.filter(pl.col("seed") > 0)
    by_seed = _joined(seeded, seeded, ["prompt_id", "seed"]).with_columns(basis=pl.lit("seed"))
    by_number = _joined(rows, rows, ["prompt_id", "nth"]).with_columns(basis=pl.lit("prompt"))
    compared = ["prompt_id", "first_model", "second_model"]
    rest = by_number.join(by_seed, on=compared, how="anti")
    return _sorted(pl.concat([by_seed, rest]))


def pairs_from_ranking(ranking: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """Pairs where a ranking is tested most: the best and the worst of each prompt, and of
    neighbours the two whose φ are nearest.

    Args:
        ranking: prompt_id, candidate_id and preference.

    Returns:
        A table of pairs with ``basis``, "best-worst" or "near".
    """
    near = (
        ranked_pairs(ranking, "adjacent")
        .sort("prompt_id", "margin", "chosen_id")
        .unique("prompt_id", keep="first", maintain_order=True)
    )
    found = []
    for basis, table in (("best-worst", ranked_pairs(ranking, "best-worst")), ("near", near)):
        chosen = table.select("chosen_id", "rejected_id", basis=pl.lit(basis))
        sides = candidates.select("prompt_id", *_SIDES)
        both = chosen.join(
            sides.rename({name: f"first_{name}" for name in _SIDES}),
            left_on="chosen_id",
            right_on="first_candidate_id",
        ).join(
            sides.drop("prompt_id").rename({name: f"second_{name}" for name in _SIDES}),
            left_on="rejected_id",
            right_on="second_candidate_id",
        )
        renamed = both.rename({"chosen_id": "first_candidate_id"}).rename(
            {"rejected_id": "second_candidate_id"}
        )
        found.append(renamed.select(*COLUMNS, "basis"))
    rows = pl.concat(found).unique(COLUMNS, keep="first", maintain_order=True)
    return _sorted(_in_order_of_names(rows).filter(~_equal_pixels()))


def choose_pairs(
    pairs: pl.DataFrame, count: int, seed: int, groups: Sequence[str] = MODELS
) -> pl.DataFrame:
    """``count`` of ``pairs``, at random: from each group in turn one whose prompt was taken least.

    The same for the same pairs and seed, in whatever order they come; fewer where there are fewer.

    Args:
        groups: columns; rows in which they are equal are a group: a pair of models, say.
    """
    lots = list(range(pairs.height))
    random.Random(f"pairs/{seed}").shuffle(lots)
    rows = _sorted(pairs).with_columns(lot=pl.Series(lots, dtype=pl.Int64))
    # Of each group no more than is needed, of as many prompts as there are.
    turn = pl.col("lot").rank("ordinal").over(*groups, "prompt_id")
    rows = rows.with_columns(turn=turn).sort(*groups, "turn", "lot")
    rows = rows.group_by(*groups, maintain_order=True).head(count)
    waiting = [
        _Group(part.select("prompt_id", "lot").rows())
        for _, part in rows.group_by(*groups, maintain_order=True)
    ]
    taken: Counter[str] = Counter()
    chosen: list[int] = []
    while len(chosen) < count and waiting:
        chosen += [group.take(taken) for group in waiting]
        waiting = [group for group in waiting if group.is_left]
    order = pl.DataFrame({"lot": chosen[:count]}, schema={"lot": pl.Int64})
    found = order.join(rows, on="lot", how="left", maintain_order="left")
    return found.select(pairs.columns)


def choose_checks(candidates: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """``count`` pairs in which ``second`` is an image of another prompt, by the same model.

    Of some images of other prompts, the one is taken whose prompt has the fewest words in common
    with that of ``first``. Fewer where there are fewer prompts.
    """
    rows = candidates.sort("prompt_id", "candidate_id")
    lots = random.Random(f"checks/{seed}")
    prompts = rows.unique("prompt_id", maintain_order=True)["prompt_id"].to_list()
    lots.shuffle(prompts)
    of_prompt = _rows_by(rows, "prompt_id")
    of_model = {model: _Others(found) for model, found in _rows_by(rows, "model").items()}
    found: list[dict[str, str]] = []
    for prompt in prompts:
        if len(found) == count:
            break
        own = lots.choice(of_prompt[prompt])
        tried = of_model[own["model"]].some(own, lots)
        if not tried:
            continue
        foreign = min(tried, key=lambda row: _likeness(own["prompt"], row["prompt"]))
        sides = (("first", own), ("second", foreign))
        both = {f"{side}_{name}": row[name] for side, row in sides for name in _SIDES}
        found.append({"prompt_id": prompt, **both})
    return pl.DataFrame(found, schema=dict.fromkeys(COLUMNS, pl.String))


class _Group:
    """Pairs of one group, of which one after the other is taken.

    Args:
        rows: prompt_id and lot of each.
    """

    def __init__(self, rows: Sequence[tuple[str, int]]) -> None:
        self._lots: dict[str, deque[int]] = defaultdict(deque)
        for prompt, lot in sorted(rows, key=lambda row: row[1]):
            self._lots[prompt].append(lot)
        # How often a prompt was taken when it was looked at last: it may be more by now.
        self._next = [(0, lots[0], prompt) for prompt, lots in self._lots.items()]
        heapify(self._next)

    @property
    def is_left(self) -> bool:
        return bool(self._next)

    def take(self, taken: Counter[str]) -> int:
        """The lot of the pair whose prompt was ``taken`` least; it is counted there."""
        while True:
            times, lot, prompt = self._next[0]
            if times == taken[prompt]:
                break
            heapreplace(self._next, (taken[prompt], lot, prompt))
        taken[prompt] += 1
        self._lots[prompt].popleft()
        if self._lots[prompt]:
            heapreplace(self._next, (taken[prompt], self._lots[prompt][0], prompt))
        else:
            heappop(self._next)
        return lot


class _Others:
    """Candidates of one model, ordered by prompt: those of other prompts than one."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        self._rows = rows
        self._prompts = [row["prompt_id"] for row in rows]

    def some(self, own: _Row, lots: random.Random) -> Sequence[_Row]:
        """``_TRIES`` of them, some perhaps more than once; none with the pixels of ``own``."""
        first = bisect_left(self._prompts, own["prompt_id"])
        after = bisect_right(self._prompts, own["prompt_id"])
        there = len(self._rows) - (after - first)
        drawn = [lots.randrange(there) for _ in range(_TRIES)] if there else []
        found = [self._rows[at if at < first else at + after - first] for at in drawn]
        apart = [row for row in found if row["sha256"] != own["sha256"]]
        if apart or not found:
            return apart
        rest = [*self._rows[:first], *self._rows[after:]]
        return [row for row in rest if row["sha256"] != own["sha256"]]


def _rows_by(rows: pl.DataFrame, column: str) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in rows.select("prompt_id", "prompt", *_SIDES).iter_rows(named=True):
        found[row[column]].append(row)
    return found


def _joined(first: pl.DataFrame, second: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    left = first.select(*on, *(pl.col(name).alias(f"first_{name}") for name in _SIDES))
    right = second.select(*on, *(pl.col(name).alias(f"second_{name}") for name in _SIDES))
    both = left.join(right, on=on, how="inner")
    kept = both.filter((pl.col("first_model") < pl.col("second_model")) & ~_equal_pixels())
    return kept.select(COLUMNS)


def _equal_pixels() -> pl.Expr:
    return pl.col("first_sha256") == pl.col("second_sha256")


def _in_order_of_names(rows: pl.DataFrame) -> pl.DataFrame:
    """``first`` is of the model whose name comes first; so it says nothing of the ranking."""
    names = ("model", "candidate_id")
    pick = [pl.concat_str(*(f"{s}_{n}" for n in names), separator=" ") for s in ("first", "second")]
    turned = pick[0] > pick[1]
    swapped = [
        pl.when(turned).then(f"{there}_{name}").otherwise(f"{here}_{name}").alias(f"{here}_{name}")
        for here, there in (("first", "second"), ("second", "first"))
        for name in _SIDES
    ]
    return rows.with_columns(swapped)


def _sorted(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("prompt_id", "first_candidate_id", "second_candidate_id", "basis")


def _likeness(one: str, other: str) -> float:
    """The share of words that two prompts have in common, 0 … 1 (Jaccard)."""
    words = [set(text.lower().split()) for text in (one, other)]
    return len(words[0] & words[1]) / max(1, len(words[0] | words[1]))

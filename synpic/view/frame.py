"""A row for each prompt, with what a page sorts and filters by. Made once, without a loop."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.rank.by_prompt import against_the_rest, agreement_of_pairs
from synpic.view.against import HeldPairs, hold_to_people
from synpic.view.beside import beside_base
from synpic.view.memory import give_back
from synpic.view.source import Shown

__all__ = ["Frame", "make_frame"]


@dataclass(frozen=True, eq=False)
class Frame:
    """What is shown, ready to be searched.

    Args:
        shown: prompts and candidates, as they were read.
        prompts: a row for each, in order of prompt_id:

            - ``prompt_id``, ``prompt``, ``split``, ``meta_<name>``
            - ``length`` (characters), ``images`` (that are there), ``failed`` (that are not),
              ``flagged`` (of those that are there)
            - ``agreement`` (mean of ``tau.<a>.<b>``, −1 … 1), ``rest.<reward>`` (τ-b with φ of
              the other rewards), ``margin`` (φ of the first less that of the last), ``spread``
              (standard deviation of φ), ``tied`` (images that share their rank)
            - ``winner`` (the model of the first image, by candidate_id where two are first),
              ``winner_rate`` (share of all prompts in which that model is first)
            - ``against.<key>``, ``judged.<key>`` and ``accuracy.<key>`` of each question that
              people answered, as :func:`synpic.view.against.hold_to_people` gives them
            - what judges say, and models held to their base, as
              :func:`synpic.view.beside.beside_base` gives it

            All but the first two lines are null where the prompt is not ranked.
        starts: prompt_id, ``first`` and ``count``: where its rows lie in ``shown.candidates``.
        prompt_of: of each row of ``shown.candidates`` the row of ``prompts`` that it is of, from 0.
        models: model and ``first`` (share of the ranked prompts in which it has an image of rank
            1), the highest first.
        votes: pairs of images that people compared.
    """

    shown: Shown
    prompts: pl.DataFrame
    starts: pl.DataFrame
    prompt_of: pl.Series
    models: pl.DataFrame
    votes: HeldPairs

    def candidates(self, prompt_ids: list[str]) -> pl.DataFrame:
        """The candidates of some prompts, in the order of ``prompt_ids``."""
        there = pl.DataFrame({"prompt_id": prompt_ids}, schema={"prompt_id": pl.String()})
        spans = there.join(self.starts, on="prompt_id", how="inner", maintain_order="left")
        slices = [
            self.shown.candidates.slice(first, count)
            for first, count in spans.select("first", "count").iter_rows()
        ]
        return pl.concat(slices) if slices else self.shown.candidates.clear()


def make_frame(shown: Shown) -> Frame:
    """All that a page needs of ``shown``; of 58,000 prompts in a second or two.

    Raises:
        RankingError, RewardError: the scores are not what ranking takes.
    """
    candidates = shown.candidates
    there = pl.col("sha256").is_not_null()
    by_prompt = candidates.group_by("prompt_id").agg(
        images=there.sum(),
        failed=(~there & (pl.col("failure") != "not made yet")).sum(),
        flagged=(there & pl.col("flagged").fill_null(False)).sum(),
        unscored=(there & pl.col("failure").is_not_null()).sum(),
    )
    prompts = (
        _finite(shown.prompts)
        .with_columns(length=pl.col("prompt").str.len_chars())
        .join(by_prompt, on="prompt_id", how="left", maintain_order="left")
    )
    counts = ("images", "failed", "flagged", "unscored")
    prompts = prompts.with_columns(pl.col(counts).fill_null(0).cast(pl.Int32))
    ranked = candidates.filter(pl.col("rank").is_not_null())
    models = _models(ranked)
    for columns in (_of_ranks(ranked, models), _of_rewards(shown, ranked), beside_base(shown)):
        prompts = prompts.join(columns, on="prompt_id", how="left", maintain_order="left")
    starts = (
        candidates.select("prompt_id")
        .with_row_index("first")
        .group_by("prompt_id", maintain_order=True)
        .agg(pl.col("first").first(), count=pl.len())
    )
    numbers = prompts.select("prompt_id").with_row_index("prompt")
    of = candidates.select("prompt_id").join(
        numbers, on="prompt_id", how="left", maintain_order="left"
    )
    votes, of_people = hold_to_people(shown.people, candidates, of["prompt"], prompts.height)
    made = Frame(shown, prompts.hstack(of_people), starts, of["prompt"], models, votes)
    give_back()
    return made


def _finite(prompts: pl.DataFrame) -> pl.DataFrame:
    """``prompts`` with null for what is no number: JSON has neither NaN nor infinity.

    So a page that is served and one that is a folder sort and filter alike.
    """
    floats = [name for name, kind in prompts.schema.items() if kind.is_float()]
    return prompts.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in floats
    )


def _models(ranked: pl.DataFrame) -> pl.DataFrame:
    prompts = max(1, ranked["prompt_id"].n_unique())
    firsts = pl.col("prompt_id").filter(pl.col("rank") == 1).n_unique()
    return (
        ranked.group_by("model")
        .agg(first=firsts / prompts, preference=pl.col("preference").mean())
        .sort("first", "model", descending=[True, False])
    )


def _of_ranks(ranked: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """prompt_id, margin, spread, tied, winner and winner_rate."""
    preference = pl.col("preference")
    found = ranked.group_by("prompt_id").agg(
        margin=preference.max() - preference.min(),
        spread=preference.std(ddof=0),
        # Of every group of equals but the singles.
        tied=pl.col("rank").is_duplicated().sum().cast(pl.Int32),
        winner=pl.col("model").sort_by("rank", "candidate_id").first(),
    )
    rates = models.select(winner="model", winner_rate="first")
    return found.join(rates, on="winner", how="left")


def _of_rewards(shown: Shown, ranked: pl.DataFrame) -> pl.DataFrame:
    """prompt_id, agreement, ``tau.<a>.<b>`` and ``rest.<reward>``."""
    # Of a release without `scores` it is not known what people compared.
    names = [one for one in shown.weights if one in shown.rewards or one in shown.comparisons]
    weights = {name: shown.weights[name] for name in names}
    if ranked.is_empty() or len(weights) < 2:
        return pl.DataFrame(schema={"prompt_id": pl.String(), "agreement": pl.Float64()})
    pairs = agreement_of_pairs(ranked, names, shown.comparisons)
    rest = against_the_rest(ranked, weights, shown.comparisons)
    named = {f"rest_{reward}": f"rest.{reward}" for reward in weights}
    mean = pl.mean_horizontal(pl.col("^tau\\..*$"))
    return pairs.with_columns(agreement=mean).join(rest.rename(named), on="prompt_id", how="left")

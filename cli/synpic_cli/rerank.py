"""``synpic re-rank``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count
from synpic_cli.options import READING, AsJson, Overwrite, WaitToRead

if TYPE_CHECKING:
    from synpic.release.rerank import Reranked


def rerank(
    where: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A folder, or user/name@v1.2.0 on the Hub."),
    ],
    aggregation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Rank by this one; `synpic list aggregations` shows what there is.",
        ),
    ] = None,
    ties: Annotated[str | None, typer.Option(help="competition or ordinal.")] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="REWARD=W", help="A reward's weight; may be given several times."),
    ] = None,
    without_reward: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave a reward out; may be given several times."),
    ] = None,
    without_model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave a model's images out; several times too."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", help="Write the new `scores`: .csv, .jsonl or .parquet."
        ),
    ] = None,
    overwrite: Overwrite = False,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Rank a release in another way, from its scores. No image is downloaded."""
    from synpic.hub.retry import waiting
    from synpic.release import open_release
    from synpic.release.rerank import rerank as rank_again
    from synpic_cli.output import print_json, require_table_file, say, write_table
    from synpic_cli.summary import comparisons_as_dict
    from synpic_cli.watching import note

    if to is not None:
        require_table_file(to, overwrite=overwrite)
    with waiting(wait, note):
        found = rank_again(
            open_release(where),
            aggregation=aggregation,
            ties=ties,
            weights=_weights(weight or ()),
            without_rewards=without_reward or (),
            without_models=without_model or (),
        )
    if to is not None:
        write_table(found.scores, to, overwrite=overwrite)
    if as_json:
        print_json({**found.as_dict(), "comparisons": comparisons_as_dict(found.ranking)})
        return
    _show(found)
    if to is not None:
        say(f"Wrote {to}.")


def _show(found: Reranked) -> None:
    from synpic.rank import win_rate_by_model
    from synpic_cli.output import print_table, say
    from synpic_cli.summary import say_comparisons

    ranking, published = found.ranking, found.release.manifest.ranking
    # A manifest has lost the order of its rewards; the columns of scores have it.
    names = [name.removeprefix("score_") for name in found.scores.columns]
    order = [*names, *published.comparisons]
    now, before = (
        ", ".join(f"{name} = {weights[name]:g}" for name in sorted(weights, key=order.index))
        for weights in (ranking.weights, published.weights)
    )
    say(
        f"{count(ranking.counts.kept_prompts, 'prompt')} and "
        f"{count(ranking.counts.kept_candidates, 'image')} ranked by {ranking.aggregation}, {now}"
    )
    say(f"published: {published.aggregation}, {before}")
    say_comparisons(ranking)
    if (cuts := found.release.manifest.cuts) is not None:
        left = sum(cuts.prompts.values())
        say(f"of what was published; {count(left, 'ranked prompt')} had been cut before")
    say()
    beats = {row.model: row.beats for row in found.release.manifest.win_rates}
    print_table(
        ["model", "images", "mean φ", "first places", "beats others", "published: beats others"],
        [
            [
                *(row[name] for name in ("model", "candidates", "mean_preference", "first")),
                row["beats"],
                beats.get(row["model"]),
            ]
            for row in win_rate_by_model(ranking).iter_rows(named=True)
        ],
    )
    say()
    tau = "not defined" if found.tau is None else f"{found.tau:.3f}"
    say(f"Kendall's τ-b with the published ranking, a mean over prompts: {tau}")
    say(
        f"another best image: {found.best_changed:,} of {count(found.prompts, 'prompt')} "
        f"({found.best_changed / max(1, found.prompts):.1%})"
    )


def _weights(written: Sequence[str]) -> dict[str, float]:
    from synpic.errors import SynpicError

    found: dict[str, float] = {}
    for one in written:
        name, weight = _weight(one)
        if name in found:
            raise SynpicError(
                f"--weight {one}: {name!r} has a weight already, {found[name]:g}",
                hint="give each reward one --weight",
            )
        found[name] = weight
    return found


def _weight(written: str) -> tuple[str, float]:
    from synpic.errors import SynpicError

    name, _, number = written.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as error:
        raise SynpicError(
            f"--weight {written}: {number!r} is no number",
            hint="write it as --weight pickscore=2",
        ) from error

"""``synpic diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, visible
from synpic_cli.options import READING, AsJson, WaitToRead

if TYPE_CHECKING:
    from synpic.release.diff import Difference


def diff(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="A folder, or user/name@v1.0.0; or a dataset, and then two tags. Or an "
            "evaluation: a report, or a workspace that `synpic eval` read.",
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same; or the older tag.")],
    newer: Annotated[
        str | None, typer.Argument(metavar="TAG", help="The newer tag, where OLD is a dataset.")
    ] = None,
    prompts: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of releases: name N prompts of each kind.")
    ] = 0,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two releases or evaluations. No image is downloaded."""
    from synpic.errors import EvaluationError
    from synpic.hub.retry import waiting
    from synpic.release import open_release
    from synpic.release.diff import diff_releases
    from synpic_cli.evaluation_diff import are_evaluations, diff_two_evaluations
    from synpic_cli.output import print_json
    from synpic_cli.watching import note

    if newer is not None:
        _require_dataset(old)
    elif are_evaluations(old, new):
        if prompts:
            raise EvaluationError(
                "--prompts is for releases, and these are evaluations", hint="leave it out"
            )
        diff_two_evaluations(old, new, as_json=as_json)
        return
    # user/name v1.0.0 v1.1.0 is short for user/name@v1.0.0 user/name@v1.1.0.
    names = (old, new) if newer is None else (f"{old}@{new}", f"{old}@{newer}")
    with waiting(wait, note):
        before, after = map(open_release, names)
        found = diff_releases(before, after)
    if as_json:
        print_json({"old": str(before), "new": str(after), **found.as_dict(prompts)})
    else:
        _show(found, prompts)


def _require_dataset(name: str) -> None:
    """Refuse a folder where two tags of a dataset are named."""
    from pathlib import Path

    from synpic.errors import SynpicError

    if Path(name).is_dir():
        raise SynpicError(
            f"{name} is a folder, which is one release and has no tags",
            hint="name two folders; or, of a dataset on the Hub, user/name@v1.0.0 user/name@v1.1.0",
        )


def _show(found: Difference, prompts: int) -> None:
    from synpic_cli.output import print_table, say

    if not found.any:
        kept = f"{count(found.prompts.kept, 'prompt')}, {count(found.images.kept, 'image')}"
        say(f"No difference: {kept}.")
        return
    say(
        f"prompts: {len(found.prompts.added):,} added, {len(found.prompts.removed):,} removed, "
        f"{len(found.prompts.moved):,} in another split, {found.prompts.kept:,} kept"
    )
    say(
        f"images:  {len(found.images.added):,} added, {len(found.images.removed):,} removed, "
        f"{len(found.images.redrawn):,} redrawn, {found.images.kept:,} the same"
    )
    for what, changed in (("models", found.models), ("rewards", found.rewards)):
        for how, names in vars(changed).items():
            if names:
                say(f"{what} {how}: {', '.join(names)}")
    for compared in found.labels:
        say(f"pairs:   {visible(str(compared))}")
    ranks = found.ranks
    say(
        f"ranks:   of {count(ranks.prompts, 'prompt')}, {ranks.best_changed.height:,} have another "
        f"best image, {len(ranks.order_changed):,} another order"
    )
    if found.scores:
        say()
        print_table(
            ["reward", "scores changed", "largest change", "appeared", "gone"],
            [[name, *vars(score).values()] for name, score in found.scores.items()],
        )
    if prompts:
        _name_prompts(found, prompts)


def _name_prompts(found: Difference, prompts: int) -> None:
    from synpic_cli.output import say

    kinds = {
        "added": found.prompts.added,
        "removed": found.prompts.removed,
        "in another split": found.prompts.moved,
        "in another order": found.ranks.order_changed,
    }
    for kind, ids in kinds.items():
        for prompt_id in ids[:prompts]:
            say(f"{kind}: {prompt_id}")
    for row in found.ranks.best_changed.head(prompts).iter_rows(named=True):
        before, after = (", ".join(row[side]) for side in ("before", "after"))
        say(f"another best image: {row['prompt_id']}: {before} → {after}")

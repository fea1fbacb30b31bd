"""``synpic export``."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synpic.readers.display import count, size
from synpic_cli.options import Directory, Drop, MinAgreement, MinMargin, Pairs, Top, WherePrompts

if TYPE_CHECKING:
    from synpic.engine.progress import Listener


def export(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="KIND",
            help="pickapic, pairwise, folders, webdataset, flow-factory or verl-omni.",
        ),
    ],
    into: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    where: Annotated[
        str,
        typer.Argument(
            metavar="[WHERE]",
            help="A workspace, a release's folder, or user/name@v1.2.0; the workspace here if not "
            "given.",
        ),
    ] = ".",
    directory: Directory = None,
    pairs: Pairs = None,
    drop: Drop = None,
    where_prompts: WherePrompts = None,
    min_margin: MinMargin = None,
    min_agreement: MinAgreement = None,
    top: Top = None,
    split: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="For verl-omni: the Stable Diffusion 3 that will be trained, registered, on the "
            "Hub or in a folder. It encodes prompts and images.",
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WIDTHxHEIGHT",
            help="For verl-omni: the size of all images, which are resized and cut; the one that "
            "they have if not given.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much it would be, and write nothing.")
    ] = False,
) -> None:
    """Write pairs as trainers open them: Parquet, folders, tars, JSON."""
    from synpic.engine.progress import Event
    from synpic.errors import PublishError
    from synpic.pipeline.cuts import Cuts
    from synpic.publish.export import export as write
    from synpic.publish.export import plan_export
    from synpic.publish.table.resolve_source import without_writing
    from synpic_cli.output import print_table, say
    from synpic_cli.watching import counted_work, watched_work

    cuts = Cuts(drop, where_prompts, min_margin, min_agreement, top)
    if image_size is not None and model is None:
        raise PublishError(
            "--size is for what --model encodes",
            hint="images are exported as they are; leave it out",
        )

    def tensors(listener: Listener | None = None, stop: threading.Event | None = None) -> Any:
        if model is None:
            return None
        from synpic.train.data.pair_tensors import open_pair_tensors

        return open_pair_tensors(model, size=image_size, listener=listener, stop=stop)

    if dry_run:
        planned = plan_export(
            without_writing(where), to, strategy=pairs, cuts=cuts, split=split, tensors=tensors()
        )
        print_table(["split", "pairs"], planned.rows.items())
        say(f"About {size(planned.bytes)}, pairs picked by {planned.strategy}.")
        return
    if model is None:
        with counted_work("export") as on_progress:
            made = write(
                where, to, into, strategy=pairs, cuts=cuts, split=split, on_progress=on_progress
            )
    else:
        with watched_work() as (listener, stop):
            made = write(
                where,
                to,
                into,
                strategy=pairs,
                cuts=cuts,
                split=split,
                tensors=tensors(listener, stop),
                on_progress=lambda done, total: listener(
                    Event("export", "pairs", "working", done, total)
                ),
            )
    print_table(["split", "pairs"], made.rows.items())
    say(f"Wrote {count(made.files, 'file')}, {size(made.bytes)}, in {made.directory}")
    for note in made.notes:
        say(note)

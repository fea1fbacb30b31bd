"""``synpic generate``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import (
    READING,
    Devices,
    Directory,
    EngineOption,
    EventsAsJson,
    GpusPerWorker,
    Only,
    RetryFailed,
    ShardOption,
    WaitToRead,
    Workers,
)


def generate(
    directory: Directory = None,
    only: Only = None,
    device: Devices = None,
    engine: EngineOption = "local",
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = None,
    shard: ShardOption = None,
    retry_failed: RetryFailed = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is missing; draw and write nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: EventsAsJson = False,
) -> None:
    """Draw the images that the recipe wants and the workspace lacks. Run it again to go on.

    Images that exist already ([ingest] in the recipe) are ingested, and nothing is drawn.
    """
    from synpic.engine.shard import WHOLE, Shard
    from synpic.engine.workers.engines import Engine
    from synpic.hub.retry import waiting
    from synpic.pipeline.steps import generate_candidates
    from synpic.pipeline.tasks import drawing_tasks
    from synpic.workspace import Workspace
    from synpic_cli.reporting import show_report, show_tasks
    from synpic_cli.watching import note, prints_aside, watched_work

    workspace = Workspace.open()
    share = Shard.parse(shard) if shard else WHOLE
    where = Engine(engine, workers, gpus_per_worker)
    if dry_run:
        snapshot = workspace.without_writing().snapshot()
        with waiting(wait, note):
            tasks = drawing_tasks(snapshot, only=only, shard=share, retry_failed=retry_failed)
        ingests = snapshot.recipe.ingest is not None
        show_tasks(*tasks, "images to ingest" if ingests else "images to draw", as_json)
        return
    with waiting(wait, note), watched_work(as_json=as_json) as (listener, stop), prints_aside():
        report = generate_candidates(
            workspace,
            only=only,
            shard=share,
            device=device,
            engine=where,
            retry_failed=retry_failed,
            listener=listener,
            stop=stop,
        )
    show_report(report, as_json)

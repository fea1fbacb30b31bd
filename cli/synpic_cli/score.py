"""``synpic score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, size
from synpic_cli.options import (
    READING,
    ConfigOption,
    Count,
    DatasetOption,
    Devices,
    Directory,
    EngineOption,
    EventsAsJson,
    FollowLinks,
    GpusPerWorker,
    ImageColumns,
    ImagesOption,
    LabelOf,
    ModelColumns,
    NoLabels,
    Only,
    PromptColumns,
    RetryFailed,
    RevisionOption,
    RewardNames,
    ShardOption,
    SplitOption,
    WaitToRead,
    Workers,
)

if TYPE_CHECKING:
    from synpic.engine.progress import Listener
    from synpic.engine.shard import Shard
    from synpic.workspace import Snapshot, Workspace


def score(
    directory: Directory = None,
    images: ImagesOption = None,
    dataset: DatasetOption = None,
    reward: RewardNames = None,
    config: ConfigOption = None,
    revision: RevisionOption = None,
    split: SplitOption = None,
    image_column: ImageColumns = None,
    prompt_column: PromptColumns = None,
    model_column: ModelColumns = None,
    count: Count = None,
    follow_links: FollowLinks = False,
    no_labels: NoLabels = False,
    label_0: LabelOf = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a row for each image, with its scores: .csv, .jsonl or .parquet.",
        ),
    ] = None,
    only: Only = None,
    device: Devices = None,
    engine: EngineOption = "local",
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = None,
    shard: ShardOption = None,
    retry_failed: RetryFailed = False,
    together: Annotated[
        bool | None,
        typer.Option(
            "--together/--one-by-one",
            help="All rewards in turns, each image decoded once; or one reward after another. "
            "Together on an accelerator if not given.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is missing; score and write nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: EventsAsJson = False,
) -> None:
    """Score images that have no score, compare pairs, then judge. Run it again to go on.

    With --images or --dataset: images that exist already. The first time, this writes the recipe.
    """
    from synpic.engine.shard import WHOLE, Shard
    from synpic.engine.workers.engines import Engine
    from synpic.errors import SynpicError
    from synpic.hub.retry import waiting
    from synpic.pipeline.steps import image_scores, score_candidates
    from synpic.workspace import Workspace
    from synpic_cli.looking import say_look
    from synpic_cli.output import require_table_file, say, write_table
    from synpic_cli.reporting import show_report
    from synpic_cli.watching import note, prints_aside, watched_work

    ingest: dict[str, object] = {
        "images": images,
        "dataset": dataset,
        "config": config,
        "revision": revision,
        "split": split,
        "image": image_column or None,
        "prompt": prompt_column or None,
        "model": model_column or None,
        "count": count,
        "follow_links": follow_links or None,
        "labels": False if no_labels else None,
        "label_0": label_0,
    }
    asked = reward or any(value is not None for value in ingest.values())
    if asked and images is None and dataset is None:
        raise SynpicError(
            "these options are for images that exist already, and neither --images nor --dataset "
            "names any",
            hint="name the images; or put it into recipe.toml, and run `synpic score` alone",
        )
    if table is not None:
        require_table_file(table, "--table")
    share = Shard.parse(shard) if shard else WHOLE
    where = Engine(engine, workers, gpus_per_worker)
    with waiting(wait, note), watched_work(as_json=as_json) as (listener, stop):
        workspace = Workspace() if asked else Workspace.open()
        if dry_run:
            workspace = workspace.without_writing()
        if asked:
            snapshot = _begin(workspace, reward or [], ingest, listener, as_json or dry_run)
        else:
            snapshot = workspace.snapshot()
        if dry_run:
            _show_work(snapshot, only, share, retry_failed, as_json)
            if not as_json:
                say("Nothing was written.")
            return
        with prints_aside():
            report = score_candidates(
                snapshot,
                only=only,
                shard=share,
                device=device,
                engine=where,
                retry_failed=retry_failed,
                together=together,
                listener=listener,
                stop=stop,
            )
    if table is not None:
        write_table(image_scores(snapshot), table, "--table")
        if not as_json:
            say(f"Wrote {table}.")
    show_report(report, as_json)
    if not as_json:
        say_look()


def _begin(
    workspace: Workspace,
    rewards: list[str],
    ingest: dict[str, object],
    listener: Listener,
    quiet: bool,
) -> Snapshot:
    """What ``workspace`` is to do; it is begun where it has no recipe."""
    from synpic.pipeline.ingesting import ingest_snapshot
    from synpic.workspace import RECIPE
    from synpic_cli.output import say

    new = not workspace.store.exists(RECIPE)
    snapshot = ingest_snapshot(workspace, rewards, listener, **ingest)
    if new and not quiet:
        say(f"Wrote {RECIPE}: edit it to grow this set, and run `synpic score` again.")
    return snapshot


def _show_work(
    snapshot: Snapshot,
    only: list[str] | None,
    shard: Shard,
    retry_failed: bool,
    as_json: bool,
) -> None:
    from synpic.pipeline.inventory import take_inventory
    from synpic.pipeline.tasks import (
        comparing_tasks,
        drawing_tasks,
        judging_tasks,
        scoring_tasks,
    )
    from synpic.pipeline.validation import validate
    from synpic.score.forecast import weights_to_fetch
    from synpic.score.forecast_questions import questions_to_ask
    from synpic_cli.output import say
    from synpic_cli.reporting import show_fetches, show_questions, show_tasks

    if snapshot.recipe.ingest is not None:
        tasks, broken = drawing_tasks(snapshot, shard=shard, retry_failed=retry_failed)
        show_tasks(tasks, broken, "images to ingest", as_json)
        if not as_json:
            whole = validate(snapshot)
            say(
                f"{count(whole.prompts, 'prompt')}, {count(whole.images, 'image')} of about "
                f"{size(whole.bytes)}, {count(whole.scores, 'score')} in all."
            )
        if not any(task.opener.proven for task in tasks):
            recipe = snapshot.recipe
            named = [*recipe.scoring, *recipe.comparers, *recipe.judges]
            show_fetches(weights_to_fetch(snapshot, named), as_json)
            return
    tasks, broken = scoring_tasks(snapshot, only=only, shard=shard, retry_failed=retry_failed)
    if tasks or broken or not snapshot.recipe.judges:
        show_tasks(tasks, broken, "scores to give", as_json)
    if snapshot.recipe.comparers:
        asking, broken, remarks = comparing_tasks(
            snapshot, only=only, shard=shard, retry_failed=retry_failed
        )
        pairs = sum(len(task.todo) for task in asking)
        what = f"pairs to compare: {count(2 * pairs, 'question')}. `synpic plan` times them"
        show_tasks(asking, broken, what, as_json)
        for remark in [] if as_json else remarks:
            say(remark)
        tasks += asking
    judging, broken = judging_tasks(snapshot, only=only, shard=shard, retry_failed=retry_failed)
    if judging or broken:
        show_tasks(judging, broken, "verdicts to give", as_json)
    tasks += judging
    asked = questions_to_ask(snapshot, tasks, lambda: take_inventory(snapshot).candidates())
    show_questions(asked, as_json)
    show_fetches(weights_to_fetch(snapshot, [task.name for task in tasks]), as_json)

"""``synpic score``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import Device, Directory, Only, RetryFailed, ShardOption


def score(
    directory: Directory = None,
    only: Only = None,
    device: Device = None,
    shard: ShardOption = None,
    retry_failed: RetryFailed = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is missing; score nothing.")
    ] = False,
) -> None:
    """Score the images that have no score yet, reward by reward. Run it again to go on."""
    from synpic.engine.shard import WHOLE, Shard
    from synpic.steps import score_candidates, scoring_tasks
    from synpic.workspace import Workspace
    from synpic_cli.reporting import show_report, show_tasks
    from synpic_cli.watching import watched_work

    workspace = Workspace.open()
    share = Shard.parse(shard) if shard else WHOLE
    if dry_run:
        tasks = scoring_tasks(workspace, only=only, shard=share, retry_failed=retry_failed)
        show_tasks(*tasks, "scores to give")
        return
    with watched_work() as (listener, stop):
        report = score_candidates(
            workspace,
            only=only,
            shard=share,
            device=device,
            retry_failed=retry_failed,
            listener=listener,
            stop=stop,
        )
    show_report(report)

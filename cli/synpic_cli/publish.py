"""``synpic publish``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synpic_cli.options import (
    PUBLISHING,
    AsJson,
    Directory,
    Drop,
    LeaveOutFlagged,
    MinAgreement,
    MinMargin,
    Pairs,
    Top,
    WaitToPublish,
    WherePrompts,
)

if TYPE_CHECKING:
    from synpic.hub.retry import Patience
    from synpic.publish import PublishOptions
    from synpic.publish.hub.model_release import ModelForecast, ModelRelease
    from synpic.workspace import Snapshot


@dataclass(frozen=True)
class ResultsToPublish:
    """What ``--evaluation`` and ``--benchmark`` name."""

    evaluations: Sequence[Path]
    benchmarks: Sequence[str]


def publish(
    repository: Annotated[
        str | None,
        typer.Argument(help="A dataset (or a model) on the Hub, owner/name; made if not there."),
    ] = None,
    directory: Directory = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Publish into a folder instead.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="DIR", help="Publish the model that `synpic train` wrote there."
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            "--evaluation",
            metavar="PLACE",
            help="Of a model: put the results of this report of `synpic eval`, or of a workspace "
            "that it read, into the card; may be given several times.",
        ),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            "--benchmark",
            metavar="[SUITE=]DATASET:TASK",
            help="Of an evaluation: the benchmark on the Hub that reads its number.",
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="As 1.2.0; if not given, the one that follows from what changed."),
    ] = None,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Let --version be lower than the last one.")
    ] = False,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", help="A table to publish; may be given several times."),
    ] = None,
    pairs: Pairs = None,
    drop: Drop = None,
    where: WherePrompts = None,
    min_margin: MinMargin = None,
    min_agreement: MinAgreement = None,
    top: Top = None,
    leave_out_flagged: LeaveOutFlagged = False,
    branch: Annotated[str, typer.Option(help="The branch to publish to.")] = "main",
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is made now, make it private.")
    ] = False,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="pickapic", help="Publish the pairs as NAME-pickapic, for DPO scripts."
        ),
    ] = None,
    wait: WaitToPublish = PUBLISHING,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check, and say what would be sent; change and send nothing."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank, and release: tables, card, manifest; in a folder or the Hub.

    On the Hub the release is committed to a branch of its own, loaded from there in a clean
    process, and only then committed to --branch and tagged.
    """
    from synpic.errors import PublishError
    from synpic.pipeline.cuts import Cuts, with_cuts
    from synpic.publish import PublishOptions
    from synpic.workspace import Workspace

    if model is not None:
        _publish_model(
            model,
            repository,
            version=version,
            allow_older=allow_older,
            private=private or None,
            results=ResultsToPublish(evaluation or (), benchmark or ()),
            wait=wait,
            dry_run=dry_run,
            as_json=as_json,
            others={
                "--to": to,
                "--config": config,
                "--as": as_,
                "--branch": branch != "main",
                "--leave-out-flagged": leave_out_flagged,
                "--pairs": pairs,
                "--drop": drop,
                "--where": where,
                "--min-margin": min_margin is not None,
                "--min-agreement": min_agreement is not None,
                "--top": top,
            },
        )
        return
    for option, given in (("--evaluation", evaluation), ("--benchmark", benchmark)):
        if given:
            raise PublishError(
                f"{option} is for models, and this is a dataset",
                hint="name the model's folder with --model DIR",
            )
    if (repository is None) == (to is None):
        raise PublishError(
            "say where to publish", hint="name a dataset as owner/name, or a folder with --to DIR"
        )
    if as_ not in (None, "pickapic"):
        raise PublishError(f"--as {as_}: no such layout", hint="the one there is: pickapic")
    for_the_hub = {
        "--version": version,
        "--allow-older": allow_older,
        "--private": private,
        "--as": as_,
        "--dry-run": dry_run,
    }
    for option, value in for_the_hub.items():
        if to is not None and value:
            raise PublishError(
                f"{option} is for the Hub, and --to is a folder",
                hint="leave one of them out; `synpic export` writes other layouts to folders",
            )
    cuts = Cuts(drop, where, min_margin, min_agreement, top)
    workspace = Workspace.open()
    snapshot = with_cuts(workspace.without_writing() if dry_run else workspace, cuts, pairs=pairs)
    options = PublishOptions(
        version=version,
        allow_older=allow_older,
        configs=config,
        flagged="leave-out" if leave_out_flagged else None,
        branch=branch,
        private=private or None,
        as_pickapic=as_ is not None,
        patience=_patience(wait),
    )
    if to is not None:
        _publish_to_folder(snapshot, to, options, as_json=as_json)
    elif repository is not None:
        _publish_to_hub(snapshot, repository, options, dry_run=dry_run, as_json=as_json)


def _publish_to_folder(
    snapshot: Snapshot, to: Path, options: PublishOptions, *, as_json: bool
) -> None:
    from synpic.publish import publish_to
    from synpic.release.cards.words import card_notes
    from synpic_cli.looking import from_the_user, say_look
    from synpic_cli.output import print_json, say
    from synpic_cli.release import release_as_dict, say_notes, show_release
    from synpic_cli.watching import counted_work

    with counted_work("publish") as on_progress:
        folder = publish_to(
            snapshot,
            to,
            configs=options.configs,
            flagged=options.flagged,
            on_progress=on_progress,
        )
    notes = card_notes(snapshot.recipe.publish)
    if as_json:
        print_json({**release_as_dict(folder), "notes": notes})
        return
    seen = replace(folder, directory=from_the_user(folder.directory))
    show_release(seen)
    say_notes(notes)
    say(f"Load it with:  {seen.load_line}")
    say_look(folder.directory)


def _publish_to_hub(
    snapshot: Snapshot,
    repository: str,
    options: PublishOptions,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from synpic.hub.progress import show_bars
    from synpic.publish import forecast, publish_to_hub
    from synpic.release.cards.words import card_notes
    from synpic_cli.looking import say_look
    from synpic_cli.output import print_json, say
    from synpic_cli.release import (
        forecast_as_dict,
        release_as_dict,
        say_notes,
        show_forecast,
        show_release,
    )
    from synpic_cli.watching import counted_work

    show_bars(False)  # lines say which file is being sent
    notes = card_notes(snapshot.recipe.publish)
    if dry_run:
        with counted_work("pack") as on_progress:
            planned = forecast(snapshot, repository, options, on_progress=on_progress)
        if as_json:
            print_json({**forecast_as_dict(planned), "notes": notes})
            return
        show_forecast(planned)
        say_notes(notes)
        return
    with counted_work("publish") as on_progress:
        release = publish_to_hub(snapshot, repository, options, on_progress=on_progress)
    if as_json:
        print_json({**release_as_dict(release), "notes": notes})
        return
    show_release(release)
    say_notes(notes)
    say(f"Load it with:  {release.load_line}")
    say_look(f"{release.repository}@{release.version.tag}")


def _publish_model(
    folder: Path,
    repository: str | None,
    *,
    version: str | None,
    allow_older: bool,
    private: bool | None,
    results: ResultsToPublish,
    wait: float,
    dry_run: bool,
    as_json: bool,
    others: dict[str, Any],
) -> None:
    from synpic.errors import PublishError
    from synpic.hub.progress import show_bars
    from synpic.publish.hub.model_release import forecast_model, publish_model
    from synpic_cli.output import print_json
    from synpic_cli.release import (
        model_as_dict,
        model_forecast_as_dict,
        show_model,
        show_model_forecast,
    )

    if repository is None:
        raise PublishError(
            "say where to publish the model", hint=f"synpic publish --model {folder} owner/name"
        )
    for option, given in others.items():
        if given:
            raise PublishError(
                f"{option} is for datasets, and --model is a model", hint="leave one of them out"
            )
    show_bars(False)
    patience = _patience(wait)
    if dry_run:
        planned: ModelForecast = forecast_model(
            folder,
            repository,
            evaluations=results.evaluations,
            benchmarks=results.benchmarks,
            patience=patience,
        )
        print_json(model_forecast_as_dict(planned)) if as_json else show_model_forecast(planned)
        return
    release: ModelRelease = publish_model(
        folder,
        repository,
        version=version,
        allow_older=allow_older,
        private=private,
        evaluations=results.evaluations,
        benchmarks=results.benchmarks,
        patience=patience,
    )
    print_json(model_as_dict(release)) if as_json else show_model(release)


def _patience(wait: float) -> Patience:
    from synpic.hub.retry import Patience
    from synpic_cli.watching import note

    return Patience(limit=wait, tell=note)

"""``synpic eval``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from synpic.readers.display import count
from synpic_cli.options import (
    READING,
    AsJson,
    Devices,
    Directory,
    EngineOption,
    GpusPerWorker,
    RetryFailed,
    WaitToRead,
    Workers,
)

if TYPE_CHECKING:
    from synpic.engine.report import Report
    from synpic.evaluate.evaluation import Evaluation
    from synpic.evaluate.report import Appendix
    from synpic.evaluate.request import EvaluationRequest
    from synpic.workspace import Snapshot

__all__ = ["evaluate"]

Quirks = Literal["official"]


def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Begin an evaluation of these: registered models, repositories, folders, or runs "
            "of `synpic train`; NAME=MODEL names one. Without, compare those of the workspace.",
        ),
    ] = None,
    directory: Directory = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images",
            metavar="NAME=FOLDER",
            help="Begin an evaluation of images that exist already, in place of MODEL; once for "
            "each model, the base first.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Compare with this model. If not given: what the first MODEL was trained from, or "
            "the base or first model of the recipe.",
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a new evaluation: a suite of `synpic list suites`, or a file of one's own.",
        ),
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(
            "--reward",
            metavar="NAME",
            help="Only by this reward; may be given several times. All that scored, if not given. "
            "Of a new evaluation: the rewards to score with.",
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            metavar="NAME",
            help="Of a new evaluation: the judge, in place of the suite's own; may be given "
            "several times.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Of a new evaluation: N prompts of the suite; partial."
        ),
    ] = None,
    quirks: Annotated[
        Quirks | None,
        typer.Option(
            help="Of a new evaluation: count as the program of the suite's makers does, faults "
            "included; the report names them.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="FOLDER",
            help="Of a new evaluation: its workspace; eval-SUITE if not given.",
        ),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Apart by this column of the prompts, without its meta_."
        ),
    ] = None,
    fid: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCES",
            help="Also the Fréchet distance of each model's images from a folder of images, a "
            "workspace, or world:shapes.",
        ),
    ] = None,
    fid_features: Annotated[
        str,
        typer.Option(
            "--fid-features", metavar="NAME", help="inception, or a reward that is a CLIP."
        ),
    ] = "inception",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Write report.md and report.json there."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the report that --to names, if it is there."),
    ] = False,
    device: Devices = None,
    engine: EngineOption = "local",
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = None,
    retry_failed: RetryFailed = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is missing; draw and write nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same prompts and seeds, with intervals.

    With MODEL and --suite: an evaluation from nothing. In a workspace with [suite]: what is missing
    is drawn, scored and judged first. In any other: by what is there.
    """
    from synpic.engine.workers.engines import Engine
    from synpic.errors import EvaluationError
    from synpic.evaluate.asked_suite import AskedSuite
    from synpic.evaluate.evaluation import evaluate_models
    from synpic.evaluate.report import write_report
    from synpic.evaluate.request import EvaluationRequest
    from synpic.evaluate.running import HowToRun, make_what_is_missing
    from synpic.hub.retry import waiting
    from synpic.workspace import Workspace
    from synpic_cli.beginning import begun, begun_with_images, refuse_options_of_new
    from synpic_cli.watching import note, prints_aside, watched_work

    request = EvaluationRequest(base, reward, tag, fid, fid_features, to, overwrite)
    request.require_options()
    begins = bool(models or images)
    options: dict[str, Any] = {"--suite": suite, "--judge": judge, "--limit": limit}
    options |= {"--quirks": quirks, "--into": into}
    refuse_options_of_new(begins, options)
    if models and images:
        raise EvaluationError(
            "images are either drawn by MODEL or named by --images", hint="leave one of them out"
        )
    how = HowToRun(device, Engine(engine, workers, gpus_per_worker), retry_failed)
    reports: list[Report] = []
    with waiting(wait, note), watched_work() as (listener, stop):
        if begins:
            asked = AskedSuite.of(str(suite), judge, reward, limit, quirks)
            folder = into or Path(f"eval-{asked.label}")
            begin = begun_with_images if images else begun
            workspace, there = begin(images or models or [], base, asked, folder, dry_run)
            request = replace(request, base=None, metrics=None)  # the new recipe has them
        else:
            workspace, there = Workspace.open(), {}
            workspace = workspace.without_writing() if dry_run else workspace
        snapshot = workspace.snapshot()
        if dry_run:
            _show_dry_run(snapshot, there, retry_failed, as_json)
            return
        makes_images = begins or snapshot.recipe.suite is not None
        request.require_answer(snapshot, makes_images=makes_images)
        if makes_images:
            with prints_aside():
                reports = make_what_is_missing(snapshot, how, listener=listener, stop=stop)
    try:
        found = evaluate_models(
            snapshot, base=request.base, rewards=request.metrics, tag=request.tag
        )
    except EvaluationError:
        for report in reports:  # why nothing was seen comes first
            report.raise_if_unfinished()
        raise
    appendices = _recorded_with_appendices(found, snapshot, request, device)
    if to is not None:
        write_report(found, to, appendices)
    _show(found, appendices, reports, to, as_json)
    for report in reports:
        report.raise_if_unfinished()
    _require_whole(reports)


def _require_whole(reports: Sequence[Report]) -> None:
    """End as the run did in which images failed, where they were not tried again."""
    from synpic.engine.report import unfinished

    hint = "`synpic status` tells why; --retry-failed tries them again"
    failed = dict.fromkeys(
        (one.label, f"{count(one.failed_before, 'image')} failed before", hint)
        for report in reports
        for one in report.outcomes
        if one.failed_before
    )
    if failed:
        raise unfinished(list(failed))


def _show_dry_run(
    snapshot: Snapshot, there: Mapping[str, int], retry_failed: bool, as_json: bool
) -> None:
    """What a run would do; of images that exist already (``there``), how many each model has."""
    from synpic_cli.output import print_json, say

    if not there:
        _show_work(snapshot, retry_failed, as_json)
    elif as_json:
        print_json({"images": there})
    if not as_json:
        say("Nothing was written.")


def _show_work(snapshot: Snapshot, retry_failed: bool, as_json: bool) -> None:
    """What a run would do, and what it would fetch first."""
    from synpic.pipeline.tasks import drawing_tasks
    from synpic.score.forecast import weights_to_fetch
    from synpic_cli.output import say
    from synpic_cli.reporting import show_fetches, show_tasks

    recipe = snapshot.recipe
    tasks, broken = drawing_tasks(snapshot, retry_failed=retry_failed)
    show_tasks(tasks, broken, "images to draw", as_json)
    show_fetches(weights_to_fetch(snapshot, [*recipe.scoring, *recipe.judges]), as_json)
    if not as_json:
        images = sum(task.counts.wanted for task in tasks)
        say(
            f"Of {count(images, 'image')}: {count(images * len(recipe.judges), 'verdict')} and "
            f"{count(images * len(recipe.scoring), 'score')} in all. `synpic plan` times them."
        )


def _recorded_with_appendices(
    found: Evaluation, snapshot: Snapshot, request: EvaluationRequest, device: str | None
) -> list[Appendix]:
    """What stands beside the comparison; a whole evaluation is left in the workspace with it."""
    appendices = _flagged(snapshot, found)
    if request.is_whole:  # also before distances: they take long, and may be stopped
        _record(found, snapshot, appendices)
    if request.references is not None:
        distances = _distances(
            snapshot, [*found.models], request.references, request.features, device
        )
        appendices.append(distances)
        if request.is_whole:
            _record(found, snapshot, appendices)
    return appendices


def _record(found: Evaluation, snapshot: Snapshot, appendices: list[Appendix]) -> None:
    from synpic.errors import StorageError
    from synpic.evaluate.report import record_evaluation

    with suppress(StorageError):  # a workspace of others may be read alone
        record_evaluation(found, snapshot.workspace, appendices)


def _flagged(snapshot: Snapshot, found: Evaluation) -> list[Appendix]:
    """Of a recipe whose images are checked, the share that is flagged."""
    from synpic.evaluate.flagged import flagged_notes, flagged_shares, flagged_table
    from synpic.evaluate.report import Appendix

    if snapshot.recipe.safety is None:
        return []
    shares = flagged_shares(snapshot, base=found.base, models=[*found.models])
    rows = [one.as_dict() for one in shares]
    return [Appendix("flagged", "Flagged", flagged_table(shares), flagged_notes(shares), rows)]


def _distances(
    snapshot: Snapshot, models: list[str], references: str, features: str, device: str | None
) -> Appendix:
    from synpic.evaluate.fid.distance_tables import distance_notes, distance_table
    from synpic.evaluate.fid.distances import frechet_distances
    from synpic.evaluate.report import Appendix

    one_device = device.partition(",")[0] if device else None
    found = frechet_distances(
        snapshot, references, models=models, features=features, device=one_device
    )
    rows = [one.as_dict() for one in found]
    return Appendix("fid", "FID", distance_table(found), distance_notes(found), rows)


def _show(
    found: Evaluation,
    appendices: Sequence[Appendix],
    reports: Sequence[Report],
    to: Path | None,
    as_json: bool,
) -> None:
    from synpic.evaluate.report import whole_dict
    from synpic_cli.looking import from_the_user
    from synpic_cli.output import print_json, print_table, say

    if as_json:
        print_json(whole_dict(found, appendices))
        return
    for report in reports:
        for remark in report.remarks:
            say(remark)
    _show_comparison(found)
    for one in appendices:
        say()
        print_table(one.table.columns, one.table.rows)
        for line in one.notes:
            say(line)
    if to is not None:
        say()
        say(f"Wrote {from_the_user(to) / 'report.md'} and report.json.")


def _show_comparison(found: Evaluation) -> None:
    from synpic.evaluate.tables import (
        categories,
        conclusion,
        differences,
        footnotes,
        means,
        opening,
    )
    from synpic_cli.output import print_wide_table, say

    say(opening(found))
    for model in found.models:
        if model != found.base:
            say(conclusion(found, model))
    compared = differences(found)
    apart = ["metric", "trail", "difference"]
    say()
    whole = print_wide_table(
        compared.columns, compared.rows, apart, left_out=[compared.columns.index("win rate") + 1]
    )
    if not whole:
        say("Intervals of win rates: in a wider terminal, and in the report that --to writes.")
    for table in (means(found), categories(found)):
        if table is not None:
            say()
            print_wide_table(table.columns, table.rows, ["metric"], table.of_models)
    say()
    for line in footnotes(found):
        say(line)

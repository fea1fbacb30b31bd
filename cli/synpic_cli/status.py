"""``synpic status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, size
from synpic_cli.options import AsJson, Directory

if TYPE_CHECKING:
    from synpic.pipeline.status import Status
    from synpic.workspace import Workspace
    from synpic.workspace.verification import Verification

DAMAGED = 4
"""The exit code when a file is damaged."""


def status(
    directory: Directory = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read everything first, and list what is damaged. Exits with 4 if anything is.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count what is wanted, done, failed, doubled and unused."""
    from synpic.pipeline import status as counting
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json, say

    workspace = Workspace.open()
    read = _verify(workspace) if verify else None
    if read is not None and read.damaged:
        # Counting would end at the first of them.
        _show_damage(read, as_json)
        raise typer.Exit(DAMAGED)
    found = counting.status(workspace)
    if as_json:
        print_json(found.as_dict() | ({} if read is None else {"verification": read.as_dict()}))
        return
    _show(found)
    if read is not None:
        _say_remarks(read)
        say(f"Every file is whole: {count(read.files, 'file')}, {size(read.bytes)} read.")
    say(_next_step(found))


def _verify(workspace: Workspace) -> Verification:
    from synpic.study.verification import verify_with_studies
    from synpic_cli.watching import counted_work

    with counted_work("verify, files") as show:
        return verify_with_studies(workspace, show)


def _show_damage(read: Verification, as_json: bool) -> None:
    from synpic_cli.output import print_json, say

    if as_json:
        print_json({"verification": read.as_dict()})
        return
    for one in read.damaged:
        say(f"damaged: {one.reason}")
    _say_remarks(read)
    only_by_hand = all(one.irreplaceable for one in read.damaged)
    next_step = "restore what nothing makes again" if only_by_hand else "synpic repair"
    say(f"damaged: {len(read.damaged):,} of {count(read.files, 'file')}. Next: {next_step}")


def _say_remarks(read: Verification) -> None:
    from synpic_cli.output import say

    for remark in read.remarks:
        say(f"warning: {remark}")


def _show(found: Status) -> None:
    from synpic.pipeline.status import ComparedCount, JudgedCount
    from synpic_cli.output import print_table, say
    from synpic_cli.reporting import prompts_line

    source = found.source
    say(prompts_line(found.prompts, source.empty, source.duplicate, source.sharing))
    columns = "stage name fingerprint wanted done failed missing doubled unused bytes"
    rows = [
        [*(getattr(c, column) for column in columns.split()[:-1]), size(c.bytes)]
        for c in found.counts
    ]
    print_table(columns.split(), rows)
    for c in found.counts:
        if c.flagged or (found.checks and c.unchecked):
            seen = f"{c.name}: {c.flagged:,} of {count(c.done, 'image')}"
            say(f"flagged: {seen}; {c.unchecked:,} were not checked")
    for c in found.counts:
        for remark in c.remarks if isinstance(c, ComparedCount | JudgedCount) else ():
            say(remark if remark.startswith("warning: ") else f"{c.name}: {remark}")
    for brought in found.labels.sources:
        named = "" if brought.source == "ingested" else f" {brought.source}"
        say(f"labels{named}: {brought.described}")
    for one in found.labels.rewards:
        if one.problem is not None:
            say(f"labels: {one.problem.message}")
            continue
        there = one.prompts
        say(
            f"labels: {one.name}: {count(one.pairs, 'pair')}; every pair of "
            f"{count(there.every, 'prompt')}, some of {there.some:,}, none of {there.none:,}"
        )
    for stage, name, reason, number in found.failures:
        say(f"failed: {stage} {name}: {number:,} × {reason}")
    for name, what in found.changed:
        say(f"changed: models.{name} {what}")
    for name, why in found.unresolved:
        say(f"not found: {name}: {why}")
    for folder, rows_there, bytes_there in found.unused:
        say(
            f"unused: {folder}: {count(rows_there, 'row')}, {size(bytes_there)}; "
            "no longer in the recipe"
        )
    for folder, rows_there, bytes_there in found.undecided:
        say(
            f"undecided: {folder}: {count(rows_there, 'row')}, {size(bytes_there)}; what made it "
            "is not found, so keep it"
        )
    if found.set_aside:
        say(f"set aside: {found.set_aside} damaged parts")


def _next_step(found: Status) -> str:
    if found.complete:
        ranks = any(c.stage in ("score", "compare") for c in found.counts) or found.labels.rewards
        judges = any(c.stage == "judge" for c in found.counts)
        return f"Complete. Next: synpic {'eval' if judges and not ranks else 'publish --to …'}"
    scored = ((stage, "score") for stage in ("score", "compare", "judge"))
    for stage, command in (("generate", "generate"), *scored):
        missing = sum(c.missing for c in found.counts if c.stage == stage)
        if missing:
            return f"{missing:,} missing. Next: synpic {command}"
    if found.unresolved:
        kinds = {place.partition(".")[0] for place, _ in found.unresolved} & {
            "models",
            "rewards",
            "judges",
        }
        lists = " and ".join(f"`synpic list {kind}`" for kind in sorted(kinds))
        known = f"; {lists} shows what there is" if lists else ""
        return f"Put back what is not found, or take it out of the recipe{known}."
    return "Some failed. `synpic generate --retry-failed` and `synpic score --retry-failed` retry."

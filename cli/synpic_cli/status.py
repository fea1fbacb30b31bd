"""``synpic status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synpic_cli.options import AsJson, Directory

if TYPE_CHECKING:
    from synpic.counting import Status


def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """Count what is wanted, done, failed, doubled and unused."""
    from synpic.counting import status as count
    from synpic.workspace import Workspace
    from synpic_cli.output import human_bytes, print_json, print_table, say

    found = count(Workspace.open())
    if as_json:
        print_json(found.as_dict())
        return
    dropped = f"{found.prompts_duplicate:,} duplicates, {found.prompts_empty:,} empty left out"
    say(f"{found.prompts:,} prompts of {found.prompts_read:,} ({dropped})")
    columns = "stage name fingerprint wanted done failed missing doubled unused bytes"
    rows = [
        [*(getattr(c, column) for column in columns.split()[:-1]), human_bytes(c.bytes)]
        for c in found.counts
    ]
    print_table(columns.split(), rows)
    for c in found.counts:
        if c.flagged or (found.checks and c.unchecked):
            seen = f"{c.name}: {c.flagged:,} of {c.done:,} images"
            say(f"flagged: {seen}; {c.unchecked:,} were not checked")
    for stage, name, reason, number in found.failures:
        say(f"failed: {stage} {name}: {number:,} × {reason}")
    for name, why in found.unresolved:
        say(f"not to be had: {name}: {why}")
    for folder, number, size in found.unused:
        say(f"unused: {folder}: {number:,} rows, {human_bytes(size)}; the recipe names it no more")
    if found.set_aside:
        say(f"set aside: {found.set_aside} damaged parts")
    say(_next_step(found))


def _next_step(found: Status) -> str:
    if found.complete:
        return "Complete. Next: synpic publish --to …"
    for stage in ("generate", "score"):
        missing = sum(c.missing for c in found.counts if c.stage == stage)
        if missing:
            return f"{missing:,} missing. Next: synpic {stage}"
    if found.unresolved:
        return "Leave out of the recipe what is not to be had, or see `synpic list rewards`."
    return "Some failed. `synpic generate --retry-failed` and `synpic score --retry-failed` retry."

"""``synpic remake``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synpic.errors import SynpicError
from synpic.readers.display import count, size
from synpic_cli.options import READING, AsJson, Devices, WaitToRead

if TYPE_CHECKING:
    from synpic.pipeline.remake import Remade, RemakePlan
    from synpic.pipeline.remake.result import Changed, ComparedPart, NotRemade, SampleSize
    from synpic.release.source import Published

OTHER, NOTHING = 4, 3
"""The exit codes where something is not what was published, and where nothing could be made."""

_EXAMPLES = 3


def remake(
    where: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A folder, or user/name@v1.2.0 on the Hub."),
    ],
    sample: Annotated[
        str,
        typer.Option(
            "--sample",
            metavar="SHARE",
            help="Which part: 1%, 12.5%, or all; at least one chunk of prompts.",
        ),
    ] = "1%",
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="DIR", help="The folder to work in; remake-NAME if not given."
        ),
    ] = None,
    device: Devices = None,
    images: Annotated[
        bool | None,
        typer.Option(
            "--images/--no-images",
            help="Read published images and compare pixels, or compare hashes of their files. If "
            "not given, images are read from a folder, and from the Hub up to 1 GiB.",
        ),
    ] = None,
    trust_code: Annotated[
        bool,
        typer.Option(
            "--trust-code",
            help="Run code that the recipe of the release names, and ask its addresses.",
        ),
    ] = False,
    requirements: Annotated[
        Path | None,
        typer.Option(
            "--requirements",
            metavar="FILE",
            help="Write the versions that drew most of its images to FILE, and make nothing.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made; draw and keep nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Draw and score a part of a release again, and compare. Run it again to go on.

    Exits with 0 if all that was made again is equal, with 4 if anything is not, with 3 if nothing
    could be made, with 5 if the Hub did not answer.
    """
    from synpic.hub.retry import waiting
    from synpic.pipeline.remake import plan_remake
    from synpic.pipeline.remake import remake as make_again
    from synpic.release import open_release
    from synpic_cli.output import print_json
    from synpic_cli.watching import note, prints_aside, watched_work

    share = _share(sample)
    with waiting(wait, note):
        release = open_release(where)
        if requirements is not None:
            _write_requirements(release, requirements, sample)
            return
        if dry_run:
            plan = plan_remake(release, share=share, images=images, trust_code=trust_code)
            if as_json:
                print_json(plan.as_dict())
            else:
                _show_plan(plan)
            return
        folder = into or Path(f"remake-{_name(where)}")
        with watched_work() as (listener, stop), prints_aside():
            found = make_again(
                release,
                folder,
                share=share,
                images=images,
                device=device,
                trust_code=trust_code,
                listener=listener,
                stop=stop,
            )
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found)
    if not found.ok:
        nothing = not found.changed and not found.parts["images"].compared
        raise typer.Exit(NOTHING if nothing else OTHER)


def _share(text: str) -> float:
    if text == "all":
        return 1.0
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)%", text, re.ASCII)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise SynpicError(
            f"--sample {text}: not a share of a release",
            hint="write 1%, 12.5% or all: more than 0% and at most 100%",
        )
    return share


def _name(where: str) -> str:
    """ "name-v1.2.0" of user/name@v1.2.0; the last name of a folder."""
    last = Path(where).absolute().name if Path(where).exists() else where.rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "-", last) or "release"


def _write_requirements(release: Published, to: Path, sample: str) -> None:
    from synpic.pipeline.remake.surroundings import requirements_of
    from synpic_cli.output import say, write_whole

    text = requirements_of(release, release.table("scores", ["environment"]))
    if to.exists():
        raise SynpicError(f"--requirements {to}: it is there already", hint="name another file")
    write_whole(to, lambda stream: stream.write(text.encode()), "--requirements")
    python = re.search(r"Python (\d+\.\d+)", text)
    version = f" --python {python[1]}" if python else ""
    say(f"Wrote {to}. In these versions:")
    say(
        f"  uv run --no-project{version} --with-requirements {to} synpic remake {release.name} "
        f"--sample {sample}"
    )


def _show_plan(plan: RemakePlan) -> None:
    from synpic_cli.output import print_table, say

    say(f"{plan.release}: {_sampled(plan.sample)}.")
    rows: list[list[object]] = [["draw", name, number] for name, number in plan.models.items()]
    rows += [["score", name, number] for name, number in plan.rewards.items()]
    print_table(["what", "name", "images"], rows)
    if plan.download is not None:
        say(f"{size(plan.download)} of published images to read.")
    _show_rest(plan.changed, plan.not_remade, plan.notes)
    say("Nothing was made. `synpic plan -C DIR` times the rest of a remake that was begun.")


def _show(found: Remade) -> None:
    from synpic.pipeline.remake.result import in_words
    from synpic_cli.output import print_table, say

    say(f"{found.release}: {_sampled(found.sample)}, made again in {found.workspace}.")
    print_table(
        ["", "compared", "equal", "differ", "missing"],
        [
            [in_words(name), one.compared, one.equal, one.differ, one.missing]
            for name, one in found.parts.items()
        ],
    )
    if not found.by_pixels and found.parts["images"].compared:
        say("Of images, the hashes of their files were compared.")
    for name, one in found.parts.items():
        _show_differences(in_words(name), one)
    _show_rest(found.changed, found.not_remade, found.notes)
    if found.ok:
        say("Everything that was made again is equal.")
    elif not found.parts["images"].compared:
        say("Nothing of it was made again.")


def _show_differences(name: str, one: ComparedPart) -> None:
    from synpic_cli.output import say

    if one.differ:
        by = "" if one.largest is None else f", by at most {_largest(name, one.largest)}"
        say(f"{name}: {one.differ:,} of {one.compared:,} differ{by}:")
        for reason in one.reasons:
            say(f"  {reason.number:,}: {reason.text}")
        more = "" if len(one.examples) <= _EXAMPLES else ", …"
        say(f"  of {', '.join(one.examples[:_EXAMPLES])}{more}")
    if one.missing:
        say(f"{name}: {one.missing:,} of {one.compared:,} could not be made here.")


def _largest(name: str, value: float) -> str:
    return f"{value:.0f} of 255" if name == "images" else f"{value:.3g}"


def _show_rest(
    changed: Sequence[Changed], not_remade: Sequence[NotRemade], notes: Sequence[str]
) -> None:
    from synpic_cli.output import say

    for one in changed:
        say(str(one))
    for what, number in {one.what: one.number for one in changed}.items():
        say(f"not made again: {what} ({_held(what, number)}): it has changed")
    for other in not_remade:
        say(f"not made again: {other.what} ({_held(other.what, other.number)}): {other.why}")
    for note in notes:
        say(f"note: {note}")


def _held(what: str, number: int) -> str:
    return count(number, "image" if what.startswith("models.") else "score")


def _sampled(sample: SampleSize) -> str:
    chunks = f"{count(sample.chunks, 'chunk')} of {sample.of_chunks:,}"
    return f"{chunks}, {count(sample.prompts, 'prompt')} of {sample.of_prompts:,}"

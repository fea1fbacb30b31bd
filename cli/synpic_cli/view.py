"""``synpic view``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synpic_cli.options import Directory

if TYPE_CHECKING:
    from synpic.view.frame import Frame

LOOPBACK = "127.0.0.1"


def view(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A workspace, the folder of a release or of a training run, or user/name@v1.2.0; "
            "here if not given."
        ),
    ] = None,
    directory: Directory = None,
    host: Annotated[
        str, typer.Option(help="Listen here; on another than loopback, the address gets a token.")
    ] = LOOPBACK,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Listen here; any free port if 0.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open no browser.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Serve nothing: write a page that opens by double click into a folder.",
        ),
    ] = None,
    thumbnails_only: Annotated[
        bool, typer.Option("--thumbnails-only", help="With --to: without the images themselves.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --to: say how large it is; write nothing.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print address and counts as JSON, and open no browser."),
    ] = False,
) -> None:
    """Show prompts with images, scores and ranks; mark what to drop."""
    # Read when polars and pyarrow are loaded: what they free goes back to the system at once.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from synpic.errors import SynpicError

    if to is not None:
        if host != LOOPBACK or port or no_browser:
            raise SynpicError(
                "--host, --port and --no-browser are for a page that is served, and --to writes "
                "one",
                hint="leave one of them out",
            )
        _write(target or ".", to, thumbnails_only, dry_run, as_json)
        return
    for option, given in (("--thumbnails-only", thumbnails_only), ("--dry-run", dry_run)):
        if given:
            raise SynpicError(
                f"{option} is for --to DIR", hint="name a folder, or leave the option out"
            )
    _serve(target or ".", host, port, not (no_browser or as_json), as_json)


def _serve(target: str, host: str, port: int, browser: bool, as_json: bool) -> None:
    from synpic.web import require_extra

    require_extra("view")
    from synpic.view.frame import make_frame
    from synpic.view.serving import serve
    from synpic.view.source import open_source
    from synpic_cli.output import print_line, say
    from synpic_cli.stopping import remember

    frame = make_frame(open_source(target))

    def ready(address: str) -> None:
        if as_json:
            print_line({"address": address, **counts_of(frame)})
            return
        say(f"Look at it: {address}")
        say("Ctrl-C ends it.")
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(frame, host=host, port=port, on_ready=ready, on_signal=remember)


def _write(target: str, to: Path, thumbnails_only: bool, dry_run: bool, as_json: bool) -> None:
    from synpic.publish.table.resolve_source import without_writing
    from synpic.readers.display import count, size
    from synpic.view.frame import make_frame
    from synpic.view.source import open_source
    from synpic.view.static import plan_page, require_ours, write_page
    from synpic_cli.looking import from_the_user
    from synpic_cli.output import print_json, say
    from synpic_cli.watching import watched_work

    require_ours(to)
    frame = make_frame(open_source(without_writing(target) if dry_run else target))
    if dry_run:
        made = plan_page(frame, thumbnails_only=thumbnails_only)
    else:
        with watched_work(quiet=as_json) as (listener, stop):
            made = write_page(
                frame, to, thumbnails_only=thumbnails_only, listener=listener, stop=stop
            )
    if as_json:
        print_json(
            {"folder": str(to), **counts_of(frame), **made.as_dict(), "written": not dry_run}
        )
        return
    parts = [f"thumbnails {size(made.thumbnail_bytes)}", f"data {size(made.data_bytes)}"]
    parts += [f"images {size(made.image_bytes)}"] * (not thumbnails_only)
    about = "about " if dry_run else ""
    say(
        f"{count(made.prompts, 'prompt')}, {count(made.images, 'image')}: {about}"
        f"{size(made.bytes)} ({', '.join(parts)})"
    )
    if dry_run:
        say(
            "Nothing was written."
            + ("" if thumbnails_only else " --thumbnails-only leaves the images out.")
        )
    else:
        say(f"Look at it: open {from_the_user(to) / 'index.html'}")


def counts_of(frame: Frame) -> dict[str, Any]:
    """What is shown, in numbers, for JSON."""
    shown = frame.shown
    return {
        "name": shown.name,
        "kind": shown.kind,
        "prompts": frame.prompts.height,
        "images": int(shown.candidates["sha256"].count()),
        "ranked": int(
            shown.candidates.filter(shown.candidates["rank"].is_not_null())["prompt_id"].n_unique()
        ),
        "models": sorted(shown.candidates["model"].drop_nulls().unique()),
        "rewards": list(shown.rewards),
        "remark": shown.remark,
    }

"""``synpic view``."""

from __future__ import annotations

from typing import Annotated

import typer

from synpic_cli.options import Directory


def view(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A workspace, the folder of a release, or user/name@v1.2.0; here if not given."
        ),
    ] = None,
    directory: Directory = None,
    host: Annotated[
        str, typer.Option(help="Listen here; on another than loopback, the address gets a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Listen here; any free port if 0.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open no browser.")
    ] = False,
) -> None:
    """Look at prompts and their images: what ranks them, where rewards disagree, what to drop."""
    from synpic.view import require_extra

    require_extra()
    from synpic.view.frame import make_frame
    from synpic.view.serving import serve
    from synpic.view.source import open_source
    from synpic_cli.output import say

    frame = make_frame(open_source(target or "."))

    def ready(address: str) -> None:
        say(f"Look at it: {address}")
        say("Ctrl-C ends it.")
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    serve(frame, host=host, port=port, on_ready=ready)

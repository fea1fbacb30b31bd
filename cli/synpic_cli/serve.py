"""``synpic serve``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from synpic_cli.options import READING, Device, Directory, WaitToRead

if TYPE_CHECKING:
    from synpic.score.wires.synpic import RewardDescription
    from synpic.serve.opening import WantedService
    from synpic.serve.running import ServerOptions
    from synpic.workspace import Workspace


def serve(
    directory: Directory = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(
            "--reward",
            metavar="NAME",
            help="A registered reward, or package.module:callable; may be given several times. All "
            "rewards of the workspace's recipe if not given.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Listen here; on another than loopback, SYNPIC_SERVE_TOKEN is needed."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Listen here; any free port if 0.")
    ] = 8080,
    device: Device = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", min=1, max=4096, help="Images at a time; of the recipe, or 32."
        ),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            min=0,
            max=60_000,
            metavar="MS",
            help="How long a batch that is not full waits for other callers.",
        ),
    ] = 20.0,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            "--scale",
            metavar="NAME=X",
            help="Divide the scores of this reward by X; may be given several times.",
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            "--queue", min=1, metavar="N", help="Images that are accepted and not yet answered."
        ),
    ] = 512,
    max_body: Annotated[
        int, typer.Option("--max-body", min=1, metavar="MEGABYTES", help="Of the largest request.")
    ] = 64,
    max_pixels: Annotated[
        int,
        typer.Option("--max-pixels", min=1, metavar="N", help="Of the largest image."),
    ] = 1 << 24,
    pickles: Annotated[
        bool,
        typer.Option(
            "--pickles",
            help="Answer the pickles of verl-omni and Flow-GRPO too: plain data, and no class.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be served; open and serve nothing.")
    ] = False,
    wait: WaitToRead = READING,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address and what is served as JSON.")
    ] = False,
) -> None:
    """Serve rewards over HTTP; requests of all callers share batches.

    One process works on one device: run one command a device. Ends after Ctrl-C or SIGTERM, once
    what was accepted is answered.
    """
    from synpic.web import require_extra

    require_extra("serve")
    from synpic.engine.device import pick_device
    from synpic.hub.retry import waiting
    from synpic.score.wires.synpic import TOKEN
    from synpic.serve.app import JSON_WIRES
    from synpic.serve.guard import require_token
    from synpic.serve.limits import RequestLimits
    from synpic.serve.opening import named_rewards, parsed_scales, rewards_of_recipe
    from synpic.serve.running import ServerOptions
    from synpic_cli.watching import note

    options = ServerOptions(
        host=host,
        port=port,
        token=os.environ.get(TOKEN),
        device=pick_device(device, use=not dry_run),
        batch_size=batch_size,
        deadline=deadline / 1000,
        wires=(*JSON_WIRES, "pickles") if pickles else JSON_WIRES,
        limits=RequestLimits(body=max_body * 1_000_000, pixels=max_pixels, queue=queue),
    )
    require_token(host, options.token)
    scales = parsed_scales(scale or [])
    with waiting(wait, note):
        if reward:
            wanted = named_rewards(reward)
        else:
            wanted = rewards_of_recipe(_workspace().snapshot())
        _serve(wanted, scales, options, dry_run, as_json)


def _workspace() -> Workspace:
    from synpic.errors import WorkspaceError
    from synpic.workspace import Workspace

    try:
        return Workspace.open()
    except WorkspaceError as error:
        raise WorkspaceError(
            f"no reward is named, and {error.message}",
            hint="synpic serve --reward clip_score; or run it in a workspace, for its rewards",
        ) from error


def _serve(
    wanted: WantedService,
    scales: dict[str, float],
    options: ServerOptions,
    dry_run: bool,
    as_json: bool,
) -> None:
    from synpic.serve.running import serve_rewards
    from synpic_cli.output import print_json, print_line, print_table, say
    from synpic_cli.stopping import remember

    descriptions = wanted.described(scales)
    known = {
        "rewards": {name: one.model_dump() for name, one in descriptions.items()},
        "device": options.device,
        "deadline_ms": options.deadline * 1000,
        "batch_size": {
            name: options.batch_size or one.batch_size for name, one in wanted.settings.items()
        },
        "token": options.token is not None,
    }

    def of(one: RewardDescription) -> str:
        return one.checkpoint or ""

    def show() -> None:
        print_table(
            ["reward", "version", "fingerprint", "scale", "checkpoint"],
            [
                [name, one.version or "", (one.fingerprint or "")[:8], f"{one.scale:g}", of(one)]
                for name, one in descriptions.items()
            ],
        )

    if dry_run:
        if as_json:
            print_json(known)
            return
        show()
        place = f"{options.host}:{options.port}"
        say(f"They would be opened on {options.device}, and served at {place}.")
        return

    def ready(address: str) -> None:
        if as_json:
            print_line({"address": address, **known})
            return
        show()
        say(f"Serving on {options.device}: {address}")
        say("Ctrl-C ends it, once what was accepted is answered.")

    serve_rewards(wanted, descriptions, options, on_ready=ready, on_signal=remember)

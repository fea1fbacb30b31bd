"""``synpic plan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synpic.readers.display import count, duration, size
from synpic_cli.options import READING, AsJson, Device, Directory, WaitToRead

if TYPE_CHECKING:
    from synpic.pipeline.costs import Cost, CostItem, CostPlan
    from synpic.pipeline.costs.plan import Which


def plan(
    directory: Directory = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Number of devices that share the work; as many as `synpic generate` would take "
            "here if not given.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0, metavar="DOLLARS", help="What an hour of one device costs."),
    ] = None,
    batches: Annotated[
        int,
        typer.Option(min=1, max=1000, metavar="N", help="Batches to time, after one to warm up."),
    ] = 2,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate/--no-calibrate", help="Open models and rewards and time them."),
    ] = True,
    rewards: Annotated[
        bool, typer.Option("--rewards/--no-rewards", help="Time rewards too, not models alone.")
    ] = True,
    device: Device = None,
    wait: WaitToRead = READING,
    as_json: AsJson = False,
) -> None:
    """Say what the recipe will cost, from a short trial. Nothing is kept."""
    from synpic.engine.report import unfinished
    from synpic.hub.retry import waiting
    from synpic.pipeline.costs import plan_costs
    from synpic.workspace import Workspace
    from synpic_cli.output import print_json
    from synpic_cli.watching import note, prints_aside, watched_work

    workspace = Workspace.open()
    with waiting(wait, note), watched_work() as (listener, stop), prints_aside():
        made = plan_costs(
            workspace,
            calibrate=calibrate,
            batches=batches,
            rewards=rewards,
            device=device,
            listener=listener,
            stop=stop,
        )
    if as_json:
        print_json(made.as_dict(devices, rate))
    else:
        _show(made, devices or made.devices, rate)
    if made.problems:
        raise unfinished([(name, e.message, e.hint) for name, e in made.problems])


def _show(made: CostPlan, devices: int, rate: float | None) -> None:
    from synpic_cli.output import print_table, say

    print_table(["stage", "name", "size", "wanted", "left", "bytes each"], map(_work, made.items))
    say()
    tried = [item for item in made.items if item.timing or item.problem]
    if tried and made.device is not None:
        say(f"Timed on {made.device}:")
        print_table(["name", "batch", "images/s", "opening", "memory"], map(_pace, tried))
        say()
    if any(item.timing for item in made.items):
        _show_costs(made, devices, rate)
        say()
    say(
        f"{count(made.images(), 'image')}, about {size(made.image_bytes())} on the disk, of which "
        f"{size(made.image_bytes('left'))} are still to come;"
    )
    say(f"published ({', '.join(made.configs)}), about {size(made.published_bytes())}.")
    if made.questions():
        say(
            f"{count(made.questions(), 'question')} to comparers, two for each pair of images, of "
            f"which {made.questions('left'):,} are still to come."
        )
    if made.verdicts():
        say(
            f"{count(made.verdicts(), 'verdict')} by judges, of which "
            f"{made.verdicts('left'):,} are still to come."
        )
    for note in made.notes:
        say(f"note: {note}")


def _work(item: CostItem) -> list[object]:
    told = size(item.bytes_per_image) if item.bytes_per_image else ""
    if told and not (item.timing or item.mean_of):
        told = f"~{told}"
    return [item.stage, item.name, item.size or "", item.wanted, item.left, told]


def _pace(item: CostItem) -> list[object]:
    timing = item.timing
    if timing is None:
        return [item.label, "", "broken", "", ""]
    pace = f"{timing.images_per_second:.3g} ({1 / timing.slowest:.3g} … {1 / timing.fastest:.3g})"
    return [
        item.label,
        timing.batch_size,
        f"{pace} pairs" if item.stage == "compare" else pace,
        duration(timing.opening),
        size(timing.memory) if timing.memory else "",
    ]


def _show_costs(made: CostPlan, devices: int, rate: float | None) -> None:
    from synpic_cli.output import print_table, say

    stages = dict.fromkeys(item.stage for item in made.items)
    begun = any(item.left != item.wanted for item in made.items)
    price = "" if rate is None else f" at ${rate:.2f} an hour"
    on = f"on {count(devices, 'device')}{price}:"
    heads = {"left": "What is left", "whole": "The whole"}
    whiches: tuple[Which, ...] = ("left", "whole") if begun else ("whole",)
    for which in whiches:
        rows = []
        for stage in [*stages, None] if len(stages) > 1 else [*stages]:
            cost, low, high = (
                made.cost(which, stage, devices, rate, pace)
                for pace in ("mean", "fastest", "slowest")
            )
            rows.append([stage or "in all", *_cells(cost, low, high, rate)])
        say(f"{heads[which]}, {on}")
        columns = ["stage", "device time", "wall time"]
        print_table(columns if rate is None else [*columns, "cost"], rows)
        if which != whiches[-1]:
            say()
    if made.untimed:
        say(f"Without {', '.join(made.untimed)}: not timed.")


def _cells(cost: Cost, low: Cost, high: Cost, rate: float | None) -> list[str]:
    busy = duration(cost.device_seconds)
    if cost.device_seconds:
        fastest, slowest = (duration(each.device_seconds) for each in (low, high))
        busy += f" ({fastest} … {slowest})"
    cells = [busy, duration(cost.wall_seconds)]
    return cells if rate is None else [*cells, f"${cost.dollars:,.2f}"]

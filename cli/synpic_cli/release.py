"""What a published release says of itself, and what one to be would hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synpic.publish import Forecast, HubRelease, Release
from synpic.publish.hub.model_release import ModelForecast, ModelRelease
from synpic.readers.display import count, size
from synpic_cli.output import print_table, say
from synpic_cli.summary import cuts_as_dict, flags, say_cuts, say_flags

__all__ = [
    "forecast_as_dict",
    "model_as_dict",
    "model_forecast_as_dict",
    "release_as_dict",
    "say_notes",
    "show_forecast",
    "show_model",
    "show_model_forecast",
    "show_release",
]


def show_release(release: Release | HubRelease) -> None:
    """Rows per config and split, and where they are."""
    print_table(
        ["config", "split", "rows"],
        [
            [config, split, rows]
            for config, splits in release.rows.items()
            for split, rows in splits.items()
        ],
    )
    say_flags(release.ranked)
    say_cuts(release.ranked)
    if isinstance(release, Release):
        say(f"Published {size(release.bytes)} in {release.directory}")
        return
    for reason in release.reasons:
        say(f"  {reason}")
    if release.new:
        say(
            f"Released {release.version.tag}: {count(release.files, 'file')}, "
            f"{size(release.bytes)}, of which {size(release.sent)} were new to the Hub"
        )
    else:
        say(f"{release.version.tag} is there, and nothing has changed since")
    say(f"See {release.page}")


def say_notes(notes: Sequence[str]) -> None:
    """What the card lacks."""
    for line in notes:
        say(f"note: {line}")


def show_forecast(planned: Forecast) -> None:
    """What a publish would do."""
    print_table(
        ["file", "rows", "size", ""],
        [
            [
                file.path,
                "" if file.rows is None else file.rows,
                size(file.bytes),
                file.change,
            ]
            for file in planned.files
        ],
    )
    lines = planned.card_diff.splitlines()
    if any(line.startswith("@@ -0,0 ") for line in lines):
        say(f"A card of {sum(line.startswith('+') for line in lines) - 1} lines would be new")
    elif lines:
        say()
        say(planned.card_diff)
        say()
    if planned.lost_edits:
        say("Edited outside the block that stays, and replaced by a release:")
        for line in planned.lost_edits:
            say(f"  {line}")
    for reason in planned.reasons:
        say(f"  {reason}")
    there = "" if planned.exists else ", which would be made"
    say(
        f"{planned.version.tag} of {planned.repository}{there}: "
        f"{size(planned.sent)} in files new to the Hub. Nothing was sent."
    )


def release_as_dict(release: Release | HubRelease) -> dict[str, Any]:
    """A release as JSON-like data."""
    common = {
        "rows": release.rows,
        "files": release.files,
        "bytes": release.bytes,
        **flags(release.ranked),
        "cuts": cuts_as_dict(release.ranked),
    }
    if isinstance(release, Release):
        return {"directory": str(release.directory), **common, "load": release.load_line}
    return {
        "repository": release.repository,
        "version": str(release.version),
        "tag": release.version.tag,
        "commit": release.commit,
        "new": release.new,
        "reasons": list(release.reasons),
        **common,
        "sent": release.sent,
        "page": release.page,
        "load": release.load_line,
    }


def forecast_as_dict(planned: Forecast) -> dict[str, Any]:
    """A forecast as JSON-like data."""
    return {
        "repository": planned.repository,
        "exists": planned.exists,
        "version": str(planned.version),
        "reasons": list(planned.reasons),
        "files": [vars(file) for file in planned.files],
        "sent": planned.sent,
        "card_diff": planned.card_diff,
        "lost_edits": list(planned.lost_edits),
    }


def show_model(release: ModelRelease) -> None:
    """What a published model is, where it is, and how to load it."""
    named = release.tag or f"commit {release.commit[:8]}"
    say(
        f"Published {named} of {release.repository}: {count(len(release.files), 'file')}, "
        f"{size(sum(release.files.values()))}, of which {size(release.sent)} were "
        "new to the Hub"
    )
    _say_left_out(release)
    for line in _results(release):
        say(line)
    say(f"See {release.page}")
    say("Load it with:")
    say()
    for line in release.load.splitlines():
        say(f"    {line}".rstrip())


def show_model_forecast(planned: ModelForecast) -> None:
    """What publishing a model would do."""
    print_table(
        ["file", "size", ""],
        [[path, size(bytes_), planned.changes[path]] for path, bytes_ in planned.files.items()],
    )
    _say_left_out(planned)
    if planned.section:
        say()
        say(planned.section)
    for line in _results(planned):
        say(line)
    there = "" if planned.exists else ", which would be made"
    say(f"{planned.repository}{there}: {size(planned.sent)} to send. Nothing was sent.")


def model_as_dict(release: ModelRelease) -> dict[str, Any]:
    """A published model as JSON-like data."""
    return {**vars(release), "page": release.page}


def model_forecast_as_dict(planned: ModelForecast) -> dict[str, Any]:
    """A forecast of a model as JSON-like data."""
    return dict(vars(planned))


def _results(model: ModelRelease | ModelForecast) -> list[str]:
    """What the card's head says of each suite, and which files go."""
    lines = []
    for one in model.results:
        metrics = [
            f"{metric['name']} {metric['value']:.4g}{_interval(metric['args'])}"
            for metric in one["metrics"]
        ]
        lines.append(f"{one['dataset']['name']}: {', '.join(metrics)}")
    return [*lines, *(f"{path} goes: it does not hold any more" for path in model.removed)]


def _interval(args: Mapping[str, Any]) -> str:
    ends = args.get("low"), args.get("high")
    return "" if None in ends else f" ({ends[0]:.4g} … {ends[1]:.4g})"


def _say_left_out(model: ModelRelease | ModelForecast) -> None:
    if model.left_out:
        say(f"Not sent, since no part of a model: {', '.join(model.left_out)}")

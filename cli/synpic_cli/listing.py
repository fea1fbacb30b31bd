"""``synpic list``: a command for each registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from synpic.readers.display import size
from synpic_cli.options import AsJson

app = typer.Typer(
    help="List what is registered.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def models(as_json: AsJson = False) -> None:
    """Registered models: a recipe may name them without settings."""
    from synpic.pipeline.catalogue import models as known
    from synpic_cli.output import print_json, print_table

    rows = known()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "family", "checkpoint", "sizes", "steps", "guidance", "licence", "from"]
    print_table(columns, [[row[key] for key in columns] for row in rows])


Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Say all that is known of this one.", show_default=False),
]


@app.command()
def rewards(name: Name = None, as_json: AsJson = False) -> None:
    """Registered rewards, and whether their weights are in the cache."""
    from synpic.pipeline import catalogue

    if name is not None:
        _show_one(catalogue.reward(name), as_json)
    else:
        _show_all(catalogue.rewards(), as_json)
        if not as_json:
            _say_of_people()


@app.command()
def comparers(name: Name = None, as_json: AsJson = False) -> None:
    """Registered comparers, which say which of two images is better."""
    from synpic.pipeline import catalogue

    if name is not None:
        _show_one(catalogue.comparer(name), as_json)
    else:
        _show_all(catalogue.comparers(), as_json)


@app.command()
def judges(name: Name = None, as_json: AsJson = False) -> None:
    """Registered judges, which say whether an image shows what is asked for."""
    from synpic.pipeline import catalogue
    from synpic_cli.output import print_json, print_table

    if name is not None:
        _show_one(catalogue.judge(name), as_json)
        return
    rows = catalogue.judges()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "cached", "checkpoint", "licence", "from", "summary"]
    print_table(columns, [[row[key] for key in columns] for row in rows])


@app.command()
def suites(name: Name = None, as_json: AsJson = False) -> None:
    """Registered suites: prompts with what each asks of its images, and a protocol."""
    from synpic.pipeline import catalogue
    from synpic_cli.output import print_json, print_table, say

    if name is None:
        rows = catalogue.suites()
        if as_json:
            print_json(rows)
            return
        columns = ["name", "items", "tags", "licence", "judge", "protocol", "list", "summary"]
        print_table(columns, [_suite_cells(row) for row in rows])
        say(
            "list: made by code; pinned: held to a hash in the code; lock: to what the first fetch "
            "wrote into recipe.lock."
        )
        return
    row = catalogue.suite(name)
    if as_json:
        print_json(row)
        return
    for key, text in _suite_lines(row):
        say(f"{key:<14}{text}".rstrip())


def _suite_cells(row: dict[str, Any]) -> list[object]:
    """What the table has of a suite; of one that does not import, its summary."""
    if row["held"] is None:
        return [row["name"], *[None] * 6, row["summary"]]
    judge = next(iter(row["judges"]), "rewards")
    protocol = row["protocol"]["text"]
    tags = len(row["tags"]) or None
    known = [row["name"], row["items"], tags, row["licence"] or "none stated", judge]
    return [*known, protocol, _HELD[row["held"]], row["summary"]]


_HELD = {"code": "by code", "pinned": "pinned", "lock": "lock"}

_AGGREGATED = {
    "images": "mean over images",
    "tags": "mean of the tags' means over images",
    "prompts": "mean over prompts of the means over their images",
}


def _suite_lines(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything that is known of a suite, a field a line."""
    judges = [
        f"{judge} ({', '.join(f'{k} = {json.dumps(v)}' for k, v in options.items())})"
        if options
        else judge
        for judge, options in row["judges"].items()
    ]
    protocol = row["protocol"]
    words = {
        "summary": row["summary"],
        "from": row["from"],
        "items": row["items"],
        "tags": ", ".join(row["tags"]),
        "licence": row["licence"] or "none stated",
        "paper": row["paper"],
        "judges": "; ".join(judges) or "rewards, by win rates",
        "number": _AGGREGATED[row["aggregated"]] if judges else "win rates",
        "protocol": protocol["text"],
        "  its seeds": protocol["seeds"],
        "  written in": protocol["source"],
        "list": _HELD[row["held"]],
    }
    yield "name", row["name"]
    yield from ((key, str(text)) for key, text in words.items() if text not in (None, ""))
    yield from (("  from", place) for place in row["places"].values())
    yield from (("quirk", quirk) for quirk in row["quirks"])
    yield from (("not official", line) for line in row["unofficial"])


def _say_of_people() -> None:
    from synpic.score.lineage import SETS
    from synpic_cli.output import say

    newest = SETS["MMRB2"]
    say(f"people: how often people agree, as published, on MMRB2: {newest.what}; {newest.source}.")
    say(
        "Chance is 50 %, and no small reward is far above it there: average several of different "
        "descent, or ask a large model. docs/rewards/accuracy.md has other sets."
    )


def _show_one(row: dict[str, Any], as_json: bool) -> None:
    from synpic_cli.output import print_json, say

    if as_json:
        print_json(row)
        return
    for key, text in _lines(row):
        say(f"{key:<14}{text}".rstrip())


def _show_all(rows: list[dict[str, Any]], as_json: bool) -> None:
    from synpic_cli.output import print_json, print_table

    if as_json:
        print_json(rows)
        return
    cells = [_cells(row) for row in rows]
    if all(row["from"] == "synpic" for row in rows):
        for row in cells:
            del row["from"]
    if not any(row["people"] for row in cells):
        for row in cells:
            del row["people"]
    print_table(list(cells[0]), [list(row.values()) for row in cells])


@app.command()
def aggregations(as_json: AsJson = False) -> None:
    """Registered aggregations: how scores become one preference."""
    from synpic.pipeline.catalogue import aggregations as known
    from synpic_cli.output import print_json, print_table

    rows = known()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "range", "from", "summary"]
    print_table(columns, [[row[key] for key in columns] for row in rows])


@app.command()
def objectives(as_json: AsJson = False) -> None:
    """Registered training objectives: what they minimise, and what they read."""
    from synpic.train.objective import objectives as known
    from synpic_cli.output import print_json, print_table

    rows = known()
    if as_json:
        print_json(rows)
        return
    columns = ["name", "reference", "beta", "from", "summary"]
    print_table(
        columns,
        [
            [
                row["name"],
                _yes_or_no(row["needs_reference"]),
                _yes_or_no(row["uses_beta"]),
                row["from"],
                row["summary"],
            ]
            for row in rows
        ],
    )


def _cells(row: dict[str, Any]) -> dict[str, object]:
    """What the table has of a reward, which is little: people read it on a terminal."""
    there = sum(repository["bytes"] for repository in row["cache"])
    cached = f"{row['cached']}, {size(there)}" if there else row["cached"]
    return {
        "name": row["name"],
        "cached": cached,
        "reads prompt": _yes_or_no(row["reads_prompt"]),
        "range": (row["score_range"] or "").partition(";")[0],
        "checkpoint": row["checkpoint"],
        "people": _agreement(row),
        "from": row["from"],
        "summary": row["summary"],
    }


def _yes_or_no(value: bool | None) -> str | None:
    return value if value is None else "yes" if value else "no"


def _lineage(found: dict[str, Any] | None) -> dict[str, Any]:
    """Where it comes from, and how often people were found to agree with it."""
    if found is None:
        return {}
    million = found["parameters"]
    return {
        "descends from": found["backbone"] or "what the checkpoint is",
        "parameters": million and f"{million:,} million",
        "trained on": found["trained_on"],
        "people agree": "; ".join(
            f"{one['percent']} % of {one['set']} ({one['source']})" for one in found["accuracy"]
        ),
    }


def _agreement(row: dict[str, Any]) -> str | None:
    """With people, on the set that holds the models of today."""
    accuracy = row["lineage"]["accuracy"] if row["lineage"] else []
    return next((f"{one['percent']} %" for one in accuracy if one["set"] == "MMRB2"), None)


def _lines(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything declared, a field a line; below a repository, what is read of it and is there."""
    words = {
        "summary": row["summary"],
        "from": row["from"],
        "version": row["version"],
        "reads prompt": _yes_or_no(row["reads_prompt"]),
        "range": row["score_range"],
        "text limit": row["text_limit"],
        "paper": row["paper"],
        "licence": row["licence"],
        "verified": row["verified"],
        **_lineage(row["lineage"]),
        "options": ", ".join(_option(key, value) for key, value in row["options"].items()),
    }
    yield "name", row["name"]
    yield from ((key, str(text)) for key, text in words.items() if text not in (None, ""))
    declared = {"checkpoint": row["files"]}
    declared |= {name: companion["files"] for name, companion in row["companions"].items()}
    for cached in row["cache"]:
        yield cached["of"], cached["repository"]
        if declared[cached["of"]]:
            yield "  reads", _files(declared[cached["of"]])
        yield "  cached", _state(cached)


def _files(entries: list[str]) -> str:
    """As a sentence has alternatives, of which the last may be nothing."""
    return ", ".join(
        entry.removesuffix("|").replace("|", " or ") + (" (if there)" if entry[-1] == "|" else "")
        for entry in entries
    )


def _option(name: str, default: Any) -> str:
    """As a recipe would write it."""
    if default == "required":
        return f"{name} (required)"
    return f"{name} = {'not set' if default is None else json.dumps(default, ensure_ascii=False)}"


def _state(cached: dict[str, Any]) -> str:
    words = [cached["state"]]
    if cached["commit"]:
        words.append(f"{size(cached['bytes'])} at {cached['commit'][:8]}")
        if cached["missing"]:
            words.append(f"without {_files(cached['missing'])}")
    return ", ".join(words)

"""What long work shows: bars, lines, or JSON."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from synpic import Workspace
from synpic.engine.progress import Event
from synpic.engine.report import Outcome, Report
from synpic_cli import watching
from synpic_cli.watching import _describe, watched_work
from tests.cli.conftest import Start, Synpic, in_process
from tests.conftest import ROOT, MakeRecipe, edit


@pytest.fixture
def synpic(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Synpic:
    monkeypatch.chdir(workspace.store.root)
    return in_process


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("generate", "m", "opening", 0, 9, memory=10), "opening …"),
        (Event("generate", "m", "working", 0, 9), "first batch …"),
        (
            Event("generate", "m", "working", 100, 58_000, 0, 2.0, None, 71_200_000_000),
            "2.0 images/s, 8 h 02 min left, memory 71.2 GB",
        ),
        (
            Event("generate", "m", "working", 1, 3, 1, 0.05, "a note"),
            "20 s an image, 1 failed, 40 s left, a note",
        ),
        (
            Event("generate", "m", "done", 9, 9, 0, 3.0, None, 5_000_000),
            "3.0 images/s, memory 5.0 MB",
        ),
        (Event("score", "r", "waiting", 0, 9, note="no room"), "waiting: no room"),
        (Event("score", "r", "broken", 0, 9, note="no weights"), "broken: no weights"),
    ],
)
def test_an_event_in_words(event: Event, words: str) -> None:
    assert _describe(event) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [80, 160])
def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    shown = Terminal()
    console = Console(file=shown, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(watching, "errors", console)
    with watched_work() as (listener, _):
        listener(Event("generate", "m[1]", "working", 29000, 58000, 0, 1.5, None, 7_000_000_000))
    output = shown.getvalue()
    assert "m[1]" in output
    assert "29000/58000 1.5 images/s, 5 h 22 min left, memory 7.0 GB" in output
    assert "━" in output


@pytest.mark.parametrize("width", [80, 100])
def test_a_long_note_gives_way_to_names_and_bars(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    shown = Terminal()
    console = Console(file=shown, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(watching, "errors", console)
    note = "no weights: " + "猫 a long story " * 30
    with watched_work() as (listener, _):
        listener(Event("generate", "sdxl-turbo 1280x768", "broken", 57000, 58000, note=note))
        listener(Event("generate", "m", "working", 29000, 58000, 0, 1.5, "a note " * 20, 7))
    bars = [line for line in shown.getvalue().splitlines() if "/58000" in line][-2:]
    for line, name in zip(bars, ("sdxl-turbo 1280x768", "m"), strict=True):
        assert name in line
        assert "━━━━" in line
        assert "…" in line


def test_a_line_a_minute_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(watching.time, "monotonic", lambda: now)
    with watched_work() as (listener, _):
        listener(Event("generate", "m", "opening", 0, 1000))
        for second in range(125):
            now = float(second)
            listener(Event("generate", "m", "working", second, 1000, 0, 1.0))
        listener(Event("generate", "m", "done", 1000, 1000, 0, 1.0))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "generate m: 0/1,000 opening …",
        "generate m: 60/1,000 1.0 images/s, 15 min 40 s left",
        "generate m: 120/1,000 1.0 images/s, 14 min 40 s left",
        "generate m: 1,000/1,000 1.0 images/s",
    ]


def test_an_object_a_second_and_one_for_every_state(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(watching.time, "monotonic", lambda: now)
    with watched_work(as_json=True) as (listener, _):
        for name in ("a", "b"):
            listener(Event("generate", name, "opening", 0, 100))
            for batch in range(30):
                now += 0.1
                listener(Event("generate", name, "working", batch, 100, 0, 10.0))
            listener(Event("generate", name, "done", 100, 100, 0, 10.0, None, 5))
    captured = capsys.readouterr()
    assert captured.err == ""
    told = objects(captured.out)
    assert [one["state"] for one in told if one["name"] == "a"] == [
        "opening",
        *["working"] * 3,
        "done",
    ]
    assert all(isinstance(one["time"], float) for one in told)
    assert {key: value for key, value in told[-1].items() if key != "time"} == Event(
        "generate", "b", "done", 100, 100, 0, 10.0, None, 5
    ).as_dict()


def test_two_sizes_of_a_model_are_two_things_to_watch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def watch(**how: bool) -> None:
        with watched_work(**how) as (listener, _):
            for size, done in (("1024x1024", 11), ("1280x768", 22)):
                listener(Event("generate", "sdxl", "working", done, 99, size=size))

    watch()
    assert [text.split(":")[0] for text in capsys.readouterr().err.splitlines()] == [
        "generate sdxl 1024x1024",
        "generate sdxl 1280x768",
    ]
    watch(as_json=True)
    assert [(one["name"], one["size"]) for one in objects(capsys.readouterr().out)] == [
        ("sdxl", "1024x1024"),
        ("sdxl", "1280x768"),
    ]
    shown = Terminal()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(watching, "errors", console)
    watch()
    bars = [text for text in shown.getvalue().splitlines() if "/99" in text][-2:]
    assert [re.findall(r"sdxl \S+|\d+/99", bar) for bar in bars] == [
        ["sdxl 1024x1024", "11/99"],
        ["sdxl 1280x768", "22/99"],
    ]


def test_two_sizes_drawn_and_told(synpic: Synpic, workspace: Workspace, recipe: MakeRecipe) -> None:
    sizes = 'sizes = ["16x8", "24x24"]'
    edit(workspace, recipe(a=sizes + "\ncall = { nan = ['0-3'] }"))
    (told,) = objects(synpic("generate", "--dry-run", "--json").stdout)
    assert [(t["name"], t["size"]) for t in told["tasks"]] == [
        ("a", "16x8"),
        ("a", "24x24"),
        ("b", None),
    ]
    ended = synpic("generate", "--json", "--device", "cpu")
    *events, last = objects(ended.stdout)
    assert [(e["name"], e["size"], e["done"]) for e in events if e["state"] == "done"] == [
        ("a", "16x8", 10),
        ("a", "24x24", 10),
        ("b", None, 10),
    ]
    assert [(o["name"], o["size"], o["failed"]) for o in last["outcomes"]] == [
        ("a", "16x8", 1),
        ("a", "24x24", 1),
        ("b", None, 0),
    ]
    lines = str(ended.exception).splitlines()
    # Below each task are the images that failed, with the reason.
    assert [text.split(":")[0] for text in lines if not text.startswith(" ")] == [
        "a 16x8",
        "a 24x24",
    ]


def test_a_run_again_tells_what_failed_before(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe(a="call = { nan = ['0-3'] }"))
    first = synpic("generate", "--device", "cpu")
    assert first.exit_code not in (0, 2)
    assert "Failed before" not in first.stdout
    again = synpic("generate", "--device", "cpu")
    assert again.exit_code == 0
    assert "Failed before: a 1; `synpic status` tells why, --retry-failed" in again.stdout
    last = objects(synpic("generate", "--device", "cpu", "--json").stdout)[-1]
    assert [(o["already"], o["failed_before"]) for o in last["outcomes"]] == [(10, 1), (10, 0)]
    # Tried again, it has failed now, and not before.
    more = synpic("generate", "--device", "cpu", "--json", "--retry-failed")
    last = objects(more.stdout)[-1]
    assert [(o["already"], o["failed"], o["failed_before"]) for o in last["outcomes"]] == [
        (9, 1, 0),
        (10, 0, 0),
    ]


def test_scores_that_failed_before_are_told_too(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe(more='[rewards.picky]\nreward = "tests.fakes:picky"'))
    synpic("generate", "--device", "cpu")
    synpic("score", "--device", "cpu")
    again = synpic("score", "--device", "cpu", "--json")
    assert again.exit_code == 0
    last = objects(again.stdout)[-1]
    failed = {o["name"]: (o["already"], o["failed_before"]) for o in last["outcomes"]}
    assert failed == {"red": (20, 0), "blue": (20, 0), "picky": (20, 2)}


def test_generate_and_score_as_json(synpic: Synpic) -> None:
    for verb, names, made in (("generate", ["a", "b"], 10), ("score", ["red", "blue"], 20)):
        ended = synpic(verb, "--json", "--device", "cpu")
        assert ended.exit_code == 0
        assert ended.stderr == ""
        *events, last = objects(ended.stdout)
        assert {event["stage"] for event in events} == {verb}
        assert [e["name"] for e in events if e["state"] == "done"] == names
        assert (last["state"], last["stage"], last["complete"]) == ("end", verb, True)
        assert [(o["name"], o["made"], o["left"]) for o in last["outcomes"]] == [
            (name, made, 0) for name in names
        ]


def test_the_last_object_says_what_is_missing_and_why(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    more = '[models.c]\ncheckpoint = "nowhere"\n[models.d]\nfamily = "tests.fakes:Raises"\n'
    more += f'checkpoint = "{workspace.store.root}"'
    edit(workspace, recipe(a="call = { nan = ['0-3'] }", more=more))
    ended = synpic("generate", "--json", "--device", "cpu")
    assert ended.exit_code not in (0, 2)
    *events, last = objects(ended.stdout)
    # Failures are found in threads, a batch late; the last event has them all.
    (done,) = (e for e in events if (e["name"], e["state"]) == ("a", "done"))
    assert (done["done"], done["failed"]) == (10, 1)
    assert (last["state"], last["complete"], last["stopped"]) == ("end", False, False)
    outcomes = {outcome["name"]: outcome for outcome in last["outcomes"]}
    assert (outcomes["a"]["made"], outcomes["a"]["failed"]) == (9, 1)
    assert outcomes["b"]["made"] == 10
    assert "no weights here" in outcomes["d"]["broken"]["message"]
    assert outcomes["c"]["broken"]["hint"]
    assert (outcomes["c"]["wanted"], outcomes["c"]["left"]) == (10, 10)
    # Both are said to people too, with the failures.
    said = str(ended.exception)
    for words in ("c: ", "d: ", "no weights here", "a: 1 of 10 failed"):
        assert words in said


def test_the_page_names_every_key() -> None:
    page = (ROOT / "docs" / "progress.md").read_text().split("## `--json`")[1]
    events, report = page.split("The last line is the report.")
    report, _ = report.split("With `--dry-run`")

    def keys(table: str) -> set[str]:
        first = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}

    event = Event("generate", "m", "working", 0, 1)
    assert keys(events) == {"time", *event.as_dict()}
    outcome = Outcome("m", 1)
    made = Report("generate", [outcome]).as_dict()
    assert keys(report) == {"time", "state", *made}
    assert set(outcome.as_dict()) <= set(re.findall(r"`(\w+)`", report))


def test_a_dry_run_as_json(synpic: Synpic) -> None:
    (told,) = objects(synpic("generate", "--dry-run", "--json").stdout)
    assert told["tasks"] == [
        {
            "name": name,
            "size": None,
            "wanted": 10,
            "already": 0,
            "failed_before": 0,
            "to_do": 10,
        }
        for name in ("a", "b")
    ]
    assert told["broken"] == []


def test_a_shard_that_is_done_is_complete(synpic: Synpic) -> None:
    ended = synpic("generate", "--json", "--device", "cpu", "--shard", "1/3")
    assert ended.exit_code == 0
    last = objects(ended.stdout)[-1]
    assert last["complete"]
    assert [(o["made"], o["left"]) for o in last["outcomes"]] == [(4, 6), (4, 6)]


def test_who_listens_may_go_away(workspace: Workspace, recipe: MakeRecipe, start: Start) -> None:
    """A reader that closes its end does not end the run."""
    edit(workspace, recipe(prompts=40))
    process = start("-C", workspace.store.root, "generate", "--json", "--device", "cpu")
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["state"] == "opening"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    made = sum(
        workspace.read(workspace.parts(folder), _schema(), ["candidate_id"]).height
        for folder in workspace.folders("candidates")
    )
    assert made == 80


def _schema() -> Any:
    from synpic.workspace import tables

    return tables.CANDIDATES

"""``--wait``: one option, written and read in one way by every command that asks the Hub."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from synpic.errors import SynpicError
from synpic.hub import retry
from synpic_cli.main import app
from synpic_cli.options import seconds_of
from tests.cli.conftest import in_process

COMMANDS = {
    "diff": ["a/b@v1.0.0", "a/b@v1.1.0"],
    "eval": [],
    "generate": [],
    "plan": [],
    "publish": ["a/b"],
    "re-rank": ["a/b"],
    "remake": ["a/b"],
    "score": [],
    "serve": [],
    "train": ["--preset", "shapes"],
    "validate": [],
    "verify": ["a/b"],
    "versions": ["a/b"],
}


def test_every_command_that_asks_the_hub_has_it() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    having = {
        name: option
        for name, command in commands.items()
        for option in command.params
        if "--wait" in option.opts
    }
    assert having.keys() == COMMANDS.keys()
    assert {option.metavar for option in having.values()} == {"TIME"}
    assert {name for name, option in having.items() if option.default == retry.PUBLISHING} == {
        "publish"
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1.5h", 5400), ("0", 0)],
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("text", ["soon", "-1", "1d", "", "nan", "1e3"])
def test_what_is_no_time_is_one_error(
    command: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = in_process(command, *COMMANDS[command], "--wait", text)
    assert isinstance(ended.exception, SynpicError)
    assert ended.exception.message == f"--wait {text}: not a time"
    assert "10m" in str(ended.exception.hint)


@pytest.mark.parametrize("command", COMMANDS)
def test_reads_wait_as_long_as_asked(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read inside of the command has its patience."""
    seen: list[float] = []

    class Begun(retry.Patience):
        def __init__(self, limit: float = 0, *rest: object, **more: object) -> None:
            seen.append(limit)
            assert more.get("tell") or rest, "a wait is told"
            raise SynpicError("enough")

    monkeypatch.setattr(retry, "Patience", Begun)
    monkeypatch.chdir(tmp_path)
    assert in_process("init", tmp_path).exit_code == 0
    assert in_process(command, *COMMANDS[command], "--wait", "10m").exit_code != 0
    assert seen[:1] == [600]

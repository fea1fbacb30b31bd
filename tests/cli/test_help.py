"""What ``--help`` shows first, and completion in shells."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from synpic_cli.main import COMMANDS, app
from synpic_cli.summaries import HEADINGS

NARROW = {"TERM": "dumb", "TERMINAL_WIDTH": "80", "COLUMNS": "80", "NO_COLOR": "1"}


def test_commands_stand_under_what_they_are_for_each_on_a_line() -> None:
    shown = CliRunner(env=NARROW).invoke(app, ["--help"]).output
    _, *parts = re.split(r"^(\w+):$", shown, flags=re.MULTILINE)
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert tuple(found) == ("Options", *HEADINGS)
    for heading, named in COMMANDS.items():
        lines = [line for line in found[heading].splitlines() if line]
        # A summary that wraps would have a second line.
        assert sorted(line.split()[0] for line in lines) == sorted(named)
        assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "synpic pub", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "synpic pub"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "synpic pub", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_a_shell_completes_commands(shell: str, asked: dict[str, str]) -> None:
    environment = {**os.environ, "_SYNPIC_COMPLETE": f"complete_{shell}", **asked}
    entry = "import sys; sys.argv[0] = 'synpic'; from synpic_cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", entry], env=environment, capture_output=True, text=True, check=True
    )
    assert "publish" in done.stdout
    assert "generate" not in done.stdout
    assert done.stderr == ""

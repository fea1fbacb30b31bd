"""The command as a user runs it, in a process of its own or in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import SynpicError
from synpic_cli.looking import remember_folder
from synpic_cli.main import app
from tests.conftest import ENVIRONMENT
from tests.nursery import COMMAND, ForkServer, Started

__all__ = ["ENVIRONMENT", "command", "in_process", "run", "start", "usual_signals"]

Synpic = Callable[..., Result]

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., Started]


def command(*words: str | Path) -> list[str]:
    """The words that start it in an interpreter of its own."""
    return [sys.executable, "-c", COMMAND, *map(str, words)]


def usual_signals() -> None:
    """Let a new process take signals that this one ignores: tests may run under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def in_process(*words: object) -> Result:
    """``synpic …`` in this process and folder; errors are shown as the command does."""
    remember_folder()
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, SynpicError):
        result.exit_code = result.exception.exit_code
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def run(forks: ForkServer) -> Run:
    def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        process = forks.start(words, cwd=cwd, environment=_environment())
        output, errors = process.communicate(timeout=280)
        return subprocess.CompletedProcess(command(*words), process.wait(), output, errors)

    return run


def _environment() -> dict[str, str]:
    """With the settings of synpic that a test has made."""
    return ENVIRONMENT | {k: v for k, v in os.environ.items() if k.startswith("SYNPIC_")}


@pytest.fixture
def start(forks: ForkServer) -> Start:
    def start(*words: str | Path, cwd: Path | None = None) -> Started:
        return forks.start(words, cwd=cwd, environment=_environment())

    return start

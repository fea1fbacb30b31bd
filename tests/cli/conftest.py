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
from synpic_cli.main import app

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}

Synpic = Callable[..., Result]

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., subprocess.Popen[str]]


def command(*words: str | Path) -> list[str]:
    code = "from synpic_cli.main import run; run()"
    return [sys.executable, "-c", code, *map(str, words)]


def usual_signals() -> None:
    """Let a new process take signals that this one ignores: tests may run under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def in_process(*words: object) -> Result:
    """``synpic …`` in this process and folder; errors are shown as the command does."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, SynpicError):
        result.exit_code = result.exception.exit_code
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def run() -> Run:
    def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            cwd=cwd,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=280,
        )

    return run


def _environment() -> dict[str, str]:
    """With the settings of synpic that a test has made."""
    return ENVIRONMENT | {k: v for k, v in os.environ.items() if k.startswith("SYNPIC_")}


@pytest.fixture
def start() -> Start:
    def start(*words: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*words),
            cwd=cwd,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=usual_signals,
        )

    return start

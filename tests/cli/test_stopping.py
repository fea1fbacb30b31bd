"""A run that was stopped in order ends as Python does, with what libraries do at the end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import ENVIRONMENT

_STOPPED = """
import atexit, os, sys
from synpic.errors import Stopped
from synpic_cli import main

@main.app.command()
def stopped():
    {how}

atexit.register(os.write, 1, b"ended\\n")
sys.argv = ["synpic", "stopped"]
main.run()
"""


@pytest.mark.parametrize(
    ("how", "said"), [("raise Stopped('in order')", "ended\n"), ("raise KeyboardInterrupt", "")]
)
def test_what_is_left_to_do_at_the_end(how: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STOPPED.format(how=how)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert (ended.stdout, ended.returncode) == (said, 130), ended.stderr
    assert "Traceback" not in ended.stderr

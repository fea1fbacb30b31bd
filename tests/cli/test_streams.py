"""stdout and stderr that are closed, full, left by their reader, or of a poor encoding."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from tests.cli.conftest import ENVIRONMENT, command

LISTS = shlex.join(command("list", "rewards", "--json"))
VERSION = shlex.join(command("--version"))


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        env={**ENVIRONMENT, **more},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "errors"),
    [
        (f"{LISTS} | true", 141, ""),
        (f"{VERSION} >/dev/full", 1, "error: stdout cannot be written to: No space left on device"),
        (f"{VERSION} >&-", 0, ""),
        (f"{VERSION} 2>&- >/dev/null", 0, ""),
        (f"{shlex.join(command('status'))} 2>/dev/full", 1, ""),
    ],
    ids=["no reader", "full", "closed", "stderr closed", "stderr full"],
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_what_cannot_be_written_is_one_line_or_none(line: str, code: int, errors: str) -> None:
    ended = shell(f"cd /; {line}")
    assert ended.returncode == code
    assert ended.stderr.partition("\n")[0] == errors


def test_an_encoding_without_a_character_gets_an_escape() -> None:
    code = "import synpic_cli.main as m; m.app = lambda: print('φ 猫'); m.run()"
    poor = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    ended = shell(shlex.join([*command()[:2], code]), **poor)
    assert (ended.stdout, ended.stderr) == ("\\u03c6 \\u732b\n", "")


def test_a_stream_that_a_program_has_put_there_is_written_to() -> None:
    code = (
        "import contextlib, io, sys, synpic_cli.main as m; sys.argv = ['synpic', '--version']\n"
        "with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:\n"
        "    try: m.run()\n"
        "    except SystemExit: out.flush()\n"
        "assert out.buffer.getvalue().startswith(b'synpic'), out.buffer.getvalue()"
    )
    ended = shell(shlex.join([*command()[:2], code]))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")

"""``synpic view`` as a user runs it: what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Start, in_process
from tests.view import making


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_a_signal_ends_it(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    making.build(tmp_path / "set", 3)
    process = start("view", tmp_path / "set", "--json")
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    assert {name: found[name] for name in ("kind", "prompts", "images", "ranked", "models")} == {
        "kind": "workspace",
        "prompts": 3,
        "images": 9,
        "ranked": 3,
        "models": ["alpha", "beta", "gamma"],
    }
    with urllib.request.urlopen(found["address"] + "api/rows", timeout=20) as answer:
        assert json.load(answer)["total"] == 3
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert output == ""
    assert "Traceback" not in errors


def test_a_folder_that_is_nothing_is_named(tmp_path: Path) -> None:
    result = in_process("view", tmp_path)
    assert result.exit_code == 1
    assert "neither a workspace nor a release" in str(result.exception)

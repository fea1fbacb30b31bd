"""Two gigabytes to the Hub, in little memory and with one shard on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hub_server import Call, HubServer
from tests.hub_server.fixtures import client_environment, hub
from tests.publish.fixtures import build, picture

__all__ = ["hub"]

ROOT = Path(__file__).parents[2]
IMAGE = 2_000_000
PROMPTS = 334  # of three models: a thousand images

PUBLISH = """
import re, sys
from pathlib import Path
from synpic.publish import publish_to_hub
from synpic.workspace import Workspace
release = publish_to_hub(Workspace.open(sys.argv[1]), "user/set")
# ru_maxrss counts what this was forked from, too.
most = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(release.sent, 1024 * int(most[1]))
"""


@pytest.mark.slow
def test_two_gigabytes(hub: HubServer, tmp_path: Path) -> None:
    padding = [np.random.default_rng(number).bytes(IMAGE) for number in range(8)]

    def large(row: dict[str, Any]) -> bytes:
        # A PNG with noise behind it. The noise is one of eight, which the test can hold.
        return picture(row, edge=2) + padding[int(row["candidate_id"][0], 16) % 8]

    prompts = [(f"prompt number {number}", "train") for number in range(PROMPTS)]
    build(tmp_path / "set", prompts, draw=large, rows_per_part=16)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    most = 0

    def look(_: Any) -> None:
        nonlocal most
        most = max(most, sum(file.stat().st_size for file in scratch.rglob("*.parquet")))

    hub.faults.plan(Call(look), 0, times=100_000, method="PUT")
    environment = client_environment(hub, "hf_write", tmp_path / "home")
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]),
        "TMPDIR": str(scratch),
    }
    ended = subprocess.run(
        [sys.executable, "-c", PUBLISH, str(tmp_path / "set")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    sent, memory = map(int, ended.stdout.split())
    assert sent > 2_000_000_000
    assert 100_000_000 < most < 600_000_000
    # Two row groups of 100 MB, and what Python, polars and pyarrow take by themselves.
    assert memory < 800_000_000, f"{memory / 1e6:.0f} MB"

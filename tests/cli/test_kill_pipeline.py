"""The same as ``test_kill``, on a real pipeline and real rewards: down to the last byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from synpic import Workspace, status
from synpic.pipeline.inventory import take_inventory
from tests.cli.conftest import Run, Start
from tests.cli.test_kill import kill_three_times

RECIPE = """
[prompts]
world = "shapes"
count = 200

[models.shapes_unet]
samples = 2
batch_size = 16

[models.shapes_mmdit]
batch_size = 16

[rewards.shapes_alignment]
batch_size = 4

[rewards.shapes_quality]
batch_size = 4
"""


SUITE = """
[suite]
name = "shapes"
limit = 120

[models.shapes_mmdit_small]
batch_size = 8

[models.shapes_unet]
batch_size = 8

[judges.shapes]
batch_size = 4

[rewards.shapes_alignment]
batch_size = 4
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_evaluations_find_what_whole_ones_do(tmp_path: Path, run: Run, start: Start) -> None:
    killed = Workspace.create(tmp_path / "killed", SUITE)
    Workspace.create(tmp_path / "whole", SUITE)
    kill_three_times(start, killed, "eval", "candidates")
    for name in ("killed", "whole"):
        assert run("eval", "-C", tmp_path / name).returncode == 0
    for file in ("eval.json", "eval.parquet"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_pipelines_end_where_whole_ones_do(tmp_path: Path, run: Run, start: Start) -> None:
    killed = Workspace.create(tmp_path / "killed", RECIPE)
    Workspace.create(tmp_path / "whole", RECIPE)
    kill_three_times(start, killed, "generate", "candidates")
    for verb in ("generate", "score"):
        assert run(verb, "-C", tmp_path / "whole").returncode == 0
        assert run(verb, "-C", tmp_path / "killed").returncode == 0
    tables = [
        take_inventory(Workspace.open(tmp_path / name))
        .scored()
        .drop("seconds")
        .sort("candidate_id")
        for name in ("killed", "whole")
    ]
    assert tables[0].height == 600
    assert tables[0].equals(tables[1])
    assert not any(count.doubled for count in status(killed).counts)

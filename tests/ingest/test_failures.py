"""Failures of ingested images: stage ``ingest``; rows of stage ``generate`` are read as before."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import synpic
from synpic.pipeline.status import status
from synpic.workspace import Workspace, tables
from tests.ingest.conftest import MakeWorkspace

FOLDER = 'images = "../pictures"'
BROKEN = "sub dir/broken.png"


def stages(workspace: Workspace) -> set[str]:
    """Of every failure row."""
    rows = workspace.read(workspace.parts("failures"), tables.FAILURES, ["stage"])
    return set(rows["stage"])


def as_first_written(workspace: Workspace) -> None:
    """Put the rows of ``failures`` under stage ``generate``, as synpic wrote them at first."""
    for part in workspace.parts("failures"):
        rows = workspace.read([part], tables.FAILURES).to_dicts()
        (Path(workspace.store.root) / part).unlink()
        old = [{**row, "stage": "generate"} for row in rows]
        table = pa.Table.from_pylist(old, schema=tables.FAILURES)
        names = {key: old[0][key] for key in ("stage", "name", "fingerprint")}
        workspace.write_part("failures", table, names)


@pytest.fixture(params=["ingest", "generate"])
def ingested(request: pytest.FixtureRequest, make: MakeWorkspace, pictures: Path) -> Workspace:
    """A workspace whose failures were written now, or by the first synpic."""
    workspace = make(FOLDER)
    synpic.ingest_candidates(workspace)
    assert stages(workspace) == {"ingest"}
    if request.param == "generate":
        as_first_written(workspace)
    assert stages(workspace) == {request.param}
    return workspace


def test_status_counts_them_as_failed(ingested: Workspace) -> None:
    found = status(ingested)
    assert next((c.name, c.failed, c.missing) for c in found.counts) == ("ingested", 2, 0)
    assert {(stage, name) for stage, name, *_ in found.failures} == {("ingest", "ingested")}
    reasons = dict(synpic.image_scores(ingested).select("place", "failure").iter_rows())
    assert reasons[BROKEN].startswith("not a whole image")


def test_they_are_tried_again_only_when_asked(ingested: Workspace) -> None:
    (outcome,) = synpic.ingest_candidates(ingested).outcomes
    assert (outcome.made, outcome.failed, outcome.failed_before) == (0, 0, 2)
    (outcome,) = synpic.ingest_candidates(ingested, retry_failed=True).outcomes
    assert (outcome.made, outcome.failed) == (0, 2)
    assert "ingest" in stages(ingested)
    assert set(ingested.failures("ingest")["attempts"]) == {2}, "attempts go on from the old rows"


def test_repair_keeps_them(ingested: Workspace) -> None:
    (folder,) = ingested.folders("candidates")
    for part in ingested.parts(folder):
        path = Path(ingested.store.root) / part
        path.write_bytes(path.read_bytes()[:-9])
    for one in ingested.verify().damaged:
        ingested.set_aside(one.file)
    (outcome,) = synpic.ingest_candidates(ingested).outcomes
    assert (outcome.made, outcome.failed, outcome.failed_before) == (5, 0, 2)

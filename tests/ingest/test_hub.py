"""A dataset on the Hub: at its commit, by parts of files, and gone on with offline."""

from __future__ import annotations

from pathlib import Path

import pytest

import synpic
from synpic.engine.shard import Shard
from synpic.errors import HubUnreachable, SynpicError
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import image_scores
from tests.hub_server import Drop, HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.ingest.conftest import MakeWorkspace, picture
from tests.ingest.test_tar_shards import write

__all__ = ["hub", "online", "waits"]

REPO = "user/pairs"


@pytest.fixture
def served(hub: HubServer, online, pickapic: Path, tmp_path: Path) -> HubServer:  # type: ignore[no-untyped-def]
    hub.create(REPO)
    files = {
        path.relative_to(pickapic).as_posix(): path.read_bytes()
        for path in pickapic.rglob("*.parquet")
    }
    hub.commit(REPO, files)
    online(hub, "hf_read", tmp_path / "home")
    return hub


def test_a_repository_is_read_at_its_commit(
    served: HubServer, make: MakeWorkspace, tmp_path: Path
) -> None:
    workspace = make(f'dataset = "{REPO}"')
    commit = served.repositories[REPO].find().oid
    synpic.ingest_candidates(workspace, shard=Shard(1, 2))
    # The dataset moves on; the workspace does not.
    served.commit(REPO, {"data/train-00000-of-00002.parquet": b"other"})
    report = synpic.score_candidates(workspace, device="cpu")
    assert [outcome.made for outcome in report.outcomes][1:] == [5, 5]
    (entry,) = workspace.snapshot().lock.entries
    assert (entry.kind, entry.source, entry.identity) == ("dataset", REPO, commit)

    asked = len(served.requests)
    release = synpic.publish_to(workspace, tmp_path / "out", configs=["ranked", "pickapic"])
    assert len(served.requests) == asked, "the index stands for the commit"
    card = (release.directory / "README.md").read_text()
    assert f"(https://huggingface.co/datasets/{REPO}/tree/{commit})" in card
    assert f"source_datasets:\n- {REPO}\n" in card


def test_a_broken_connection_is_told_and_gone_on_from(
    served: HubServer,
    make: MakeWorkspace,
    waits: list[float],
) -> None:
    workspace = make(f'dataset = "{REPO}"')
    take_inventory(workspace)
    served.faults.plan(Drop(), 0, times=1000)
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert isinstance(outcome.broken, HubUnreachable)
    served.faults.clear()
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.made, outcome.failed) == (5, 1)


def test_a_dataset_that_is_not_there(served: HubServer, make: MakeWorkspace) -> None:
    with pytest.raises(SynpicError, match="there is no dataset 'user/nowhere' on the Hub"):
        synpic.ingest_candidates(make('dataset = "user/nowhere"'))


def test_tars_of_a_repository_are_downloaded_once(
    hub: HubServer,
    online,  # type: ignore[no-untyped-def]
    make: MakeWorkspace,
    tmp_path: Path,
) -> None:
    hub.create(REPO)
    files = {}
    for shard in range(2):
        entries = [
            file
            for number in range(2)
            for file in (
                (f"{number}.png", picture(2 * shard + number)),
                (f"{number}.txt", b"a"),
            )
        ]
        path = write(tmp_path / "tars" / f"train-{shard}.tar", entries)
        files[f"data/{path.name}"] = path.read_bytes()
    hub.commit(REPO, files)
    online(hub, "hf_read", tmp_path / "home")
    workspace = make(f'dataset = "{REPO}"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.made, outcome.failed) == (4, 0)
    assert set(image_scores(workspace)["place"]) == {
        f"data/train-{shard}.tar#{number}.png" for shard in range(2) for number in range(2)
    }
    fetched = [one for one in hub.requests if one.method == "GET" and one.target.endswith(".tar")]
    assert len(fetched) <= 2

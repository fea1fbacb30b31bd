from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import CorruptPart, WorkspaceError
from synpic.recipe.presets import preset
from synpic.workspace import Workspace
from synpic.workspace.labels import (
    as_labels,
    label_folder,
    label_sources,
    read_labels,
    require_labels_of,
    write_labels,
)
from synpic.workspace.storage import Store

A, B, PROMPT = "a" * 32, "b" * 32, "0" * 32
SHARES = st.none() | st.floats(0, 1, width=32)


def labels(shares: list[float | None]) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": PROMPT,
            "left": A,
            "right": B,
            "question": "overall",
            "share": share,
            "kind": "person",
        }
        for share in shares
    ]
    return as_labels(pl.DataFrame(rows))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "w", preset("shapes"))


@given(shares=st.lists(SHARES, min_size=1, max_size=5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, shares: list[float | None]
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("labels"))
    write_labels(workspace, "ingested", {"source": "x"}, labels(shares))
    assert read_labels(workspace, "ingested").equals(labels(shares))


def test_labels_written_again_replace_those_of_their_source_alone(workspace: Workspace) -> None:
    write_labels(workspace, "ingested", {"source": "x"}, labels([1.0]))
    write_labels(workspace, "study", {"source": "y"}, labels([0.25]))
    write_labels(workspace, "ingested", {"source": "x@2"}, labels([0.5, None]))
    assert read_labels(workspace, "ingested")["share"].to_list() == [0.5, None]
    assert read_labels(workspace, "study")["share"].to_list() == [0.25]
    write_labels(workspace, "ingested", {"source": "x@2"}, labels([0.5, None]))
    assert read_labels(workspace, "ingested").height == 2
    assert label_sources(workspace) == ["ingested", "study"]


def test_labels_that_are_not_there_are_named_with_those_that_are(workspace: Workspace) -> None:
    write_labels(workspace, "study", {"source": "y"}, labels([0.25]))
    with pytest.raises(WorkspaceError, match=r"no labels of 'stdy'.*Did you mean 'study'") as error:
        read_labels(workspace, "stdy")
    assert "labels are here of: study" in str(error.value.hint)


def test_labels_in_the_folder_of_other_ones_are_refused(workspace: Workspace) -> None:
    part = write_labels(workspace, "study", {"source": "y"}, labels([0.25]))
    workspace.store.move(part, f"{label_folder('study', {'source': 'z'})}/{Path(part).name}")
    with pytest.raises(CorruptPart, match="lies in the folder of study-"):
        read_labels(workspace, "study")


def test_verification_reads_labels(workspace: Workspace) -> None:
    part = write_labels(workspace, "study", {"source": "y"}, labels([0.25]))
    assert not workspace.verify().damaged
    data = bytearray(workspace.store.read(part))
    data[len(data) // 2] ^= 1
    workspace.store.write(part, bytes(data))
    assert [one.file for one in workspace.verify().damaged] == [part]


def test_the_labels_that_were_written_last_count_in_whatever_folder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command is killed each time, after it has written and before it removes what was there."""

    def killed(self: Store, name: str) -> None:
        raise KeyboardInterrupt

    write_labels(workspace, "study", {"source": "y"}, labels([0.0]), {"old": 1})
    write_labels(workspace, "study", {"source": "y"}, labels([0.25]), {"old": 2})
    # Folders are listed by name: each of two fingerprints is the last one once.
    for inputs, share in [("z", 0.5), ("y", 0.75), ("z", 1.0), ("x", 0.0)]:
        with monkeypatch.context() as patched:
            patched.setattr(Store, "remove", killed)
            with pytest.raises(KeyboardInterrupt):
                write_labels(workspace, "study", {"source": inputs}, labels([share]), {inputs: 1})
        assert read_labels(workspace, "study")["share"].to_list() == [share]
        assert require_labels_of(workspace, "study").left_out == {inputs: 1}
    assert len(workspace.folders("labels")) == 3
    write_labels(workspace, "study", {"source": "y"}, labels([None]))
    assert sum(len(workspace.parts(folder)) for folder in workspace.folders("labels")) == 1
    assert read_labels(workspace, "study")["share"].to_list() == [None]

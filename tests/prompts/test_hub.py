"""Datasets from a local folder: ``load_dataset`` reads it as it would read a repository."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import CheckpointError, PromptError, PromptsGone
from synpic.hub.lock import LockEntry
from synpic.prompts import current_prompts, ensure_prompts, read
from tests.prompts.conftest import Make


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A small set of pairs, with images that are not even images."""
    folder = tmp_path / "pairs" / "data"
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "caption": [f"{i // 2} cats" for i in range(10)],
            "jpg_0": [b"not a picture"] * 10,
            "n": list(range(10)),
        }
    )
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    pq.write_table(table.slice(0, 2), folder / "test-00000-of-00001.parquet")
    return tmp_path / "pairs"


@pytest.mark.usefixtures("pairs")
def test_a_column_of_a_dataset(make: Make) -> None:
    found = ensure_prompts(make('dataset = "./pairs"\ncolumn = "caption"\ncount = 3').snapshot())
    assert found.table.column("prompt").to_pylist() == ["0 cats", "1 cats", "2 cats"]
    assert found.table.column_names == ["prompt_id", "prompt", "split", "source"]
    assert (found.read, found.duplicates) == (5, 2)
    (source,) = set(found.table.column("source").to_pylist())
    assert source.startswith("pairs@")
    assert len(source) == len("pairs@") + 8


@pytest.mark.usefixtures("pairs")
def test_another_split_and_another_column(make: Make) -> None:
    lines = 'dataset = "./pairs"\ncolumn = "caption"\nsplit = "test"\nkeep = ["n"]'
    found = ensure_prompts(make(lines).snapshot()).table
    assert found.select(["prompt", "split", "meta_n"]).to_pylist() == [
        {"prompt": "0 cats", "split": "test", "meta_n": 0}
    ]


def test_images_are_not_even_read(make: Make, pairs: Path) -> None:
    """The pages of the image column are destroyed: who reads them fails."""
    file = pairs / "data" / "train-00000-of-00001.parquet"
    column = pq.read_metadata(file).row_group(0).column(1)
    assert column.path_in_schema == "jpg_0"
    data = bytearray(file.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    file.write_bytes(data)
    with pytest.raises(OSError):  # noqa: PT011
        pq.read_table(file)
    found = ensure_prompts(make('dataset = "./pairs"\ncolumn = "caption"').snapshot())
    assert found.table.num_rows == 5


def test_a_dataset_of_json_lines(make: Make, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rows = [{"prompt": "a", "tags": ["x"]}, {"prompt": "b", "tags": []}]
    (tmp_path / "set" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = ensure_prompts(make('dataset = "./set"').snapshot()).table
    assert found.column("prompt").to_pylist() == ["a", "b"]


@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", r"there is no column 'prompt'"),
        ('column = "n"', r"column 'n' is int64, not text"),
        ('column = "caption"\nsplit = "dev"', r"cannot be read: .*dev"),
        ('column = "caption"\nconfig = "nope"', r"cannot be read: .*nope"),
        ('column = "caption"\nkeep = ["jpg_0"]', r"'jpg_0' holds more than one"),
        ("seed = 3", r"prompts\.seed: a dataset takes no such setting"),
    ],
)
def test_mistakes_are_told(make: Make, lines: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        ensure_prompts(make(f'dataset = "./pairs"\n{lines}').snapshot())


def test_a_folder_that_is_not_there(make: Make) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        ensure_prompts(make('dataset = "./nowhere"').snapshot())


def test_prompts_outlive_their_folder(make: Make, pairs: Path) -> None:
    workspace = make('dataset = "./pairs"\ncolumn = "caption"')
    first = ensure_prompts(workspace.snapshot())
    pairs.rename(pairs.with_name("elsewhere"))
    with pytest.raises(PromptsGone, match=r"\./pairs: the folder is gone"):
        ensure_prompts(workspace.snapshot())
    assert current_prompts(workspace.snapshot())[0] == first


def test_a_repository_at_its_commit_is_read_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "c0ffee" + "0" * 34
    asked = []

    def read_dataset(location: str, commit: str, where: str, **settings: object) -> object:
        asked.append((location, commit))
        return iter([pa.table({"prompt": ["a", "b"]})])

    monkeypatch.setattr(read, "read_dataset", read_dataset)
    workspace = make('dataset = "someone/prompts"')
    entry = LockEntry(kind="dataset", source="someone/prompts", identity=commit)
    workspace.snapshot().lock.remember(entry)
    first, second = ensure_prompts(workspace.snapshot()), ensure_prompts(workspace.snapshot())
    assert asked == [("someone/prompts", commit)]
    assert first.table == second.table
    assert first.table.column("source").to_pylist() == [f"someone/prompts@{commit}"] * 2


@pytest.mark.parametrize("chain", ["zip://*.csv::{}", "{}", "../secret.zip", "file://{}"])
def test_a_card_takes_no_file_from_elsewhere(make: Make, tmp_path: Path, chain: str) -> None:
    """Its rows would be published as prompts."""
    secret = tmp_path / "secret.zip"
    with zipfile.ZipFile(secret, "w") as archive:
        archive.writestr("a.csv", "caption\nmine alone\n")
    folder = tmp_path / "pairs"
    folder.mkdir()
    files = [{"split": "train", "path": chain.format(secret)}]
    head = json.dumps({"configs": [{"config_name": "default", "data_files": files}]})
    (folder / "README.md").write_text(f"---\n{head}\n---\n")
    with pytest.raises(PromptError, match=r"lies elsewhere|cannot be read"):
        ensure_prompts(make('dataset = "./pairs"\ncolumn = "caption"').snapshot())

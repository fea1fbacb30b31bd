"""A workspace need not lie on a disk: the whole job on file systems that fsspec opens."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import datasets
import fsspec
import numpy as np
import polars as pl
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

import synpic
from synpic import Workspace
from synpic.errors import CheckpointError, SynpicError, WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.workspace.storage import Store
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, corrupt_parts

IDENTITY = ["candidate_id", "seed", "sha256", "flagged", "score_red", "score_blue"]


class Bucket(fsspec.AbstractFileSystem):
    """An object store as its clients show it: no folders, no renames, and listings remembered.

    Each instance is a machine of its own: what another writes, it sees after forgetting.
    """

    protocol = "bucket"
    cachable = False
    objects: ClassVar[dict[str, bytes]] = {}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path).strip("/")
        if path not in self.dircache:
            found: dict[str, dict[str, Any]] = {}
            for name, data in self.objects.items():
                if name == path:
                    found[name] = {"name": name, "size": len(data), "type": "file"}
                elif name.startswith(f"{path}/"):
                    one = "/".join(name.split("/")[: path.count("/") + 2])
                    kind = "file" if one == name else "directory"
                    found[one] = {"name": one, "size": len(data), "type": kind}
            if not found:
                raise FileNotFoundError(path)
            self.dircache[path] = list(found.values())
        listed = self.dircache[path]
        return listed if detail else [one["name"] for one in listed]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()

    def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
        try:
            return self.objects[self._strip_protocol(path).strip("/")][start:end]
        except KeyError:
            raise FileNotFoundError(path) from None

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        self.objects[self._strip_protocol(path).strip("/")] = bytes(value)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        assert mode == "rb"
        return io.BytesIO(self.cat_file(path))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        self.pipe_file(path2, self.cat_file(path1))

    def rm_file(self, path: str) -> None:
        del self.objects[self._strip_protocol(path).strip("/")]

    _rm = rm_file

    def created(self, path: str) -> None:
        raise NotImplementedError

    modified = created


fsspec.register_implementation("bucket", Bucket, clobber=True)


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    Bucket.objects.clear()


@pytest.fixture(params=["memory://sets/one", "bucket://b/sets/one", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind: str = request.param
    return f"file://{tmp_path}/sets/one" if kind == "file" else kind


def scored(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).scored().select(IDENTITY).sort("candidate_id")


def make(root: str | Path, text: str) -> Workspace:
    workspace = synpic.init_workspace(root, text)
    synpic.generate_candidates(workspace).raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()
    return workspace


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_main_job_is_the_same_wherever_a_workspace_lies(
    address: str, tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    here = make(tmp_path / "here", recipe(samples=2))
    there = make(address, recipe(samples=2))
    assert scored(Workspace.open(address)).equals(scored(here))
    ranked = synpic.rank_candidates(Workspace.open(address))
    assert ranked.ranking.table.equals(synpic.rank_candidates(here).ranking.table)
    synpic.publish_to(here, tmp_path / "from-here")
    synpic.publish_to(there, tmp_path / "from-there")
    first, second = files(tmp_path / "from-here"), files(tmp_path / "from-there")
    assert first.keys() == second.keys()
    # `scores` and the manifest's digest hold the seconds that each image took.
    differ = {name for name in first if first[name] != second[name]}
    assert differ <= {"manifest.json", "scores/train-00000-of-00001.parquet"}
    rows = datasets.load_dataset(str(tmp_path / "from-there"), "ranked", split="train")
    assert len(rows) == 10
    assert rows[0]["image_0"].size == (8, 8)
    found = synpic.status(there)
    assert found.complete
    assert not any(count.doubled for count in found.counts)


def test_it_is_gone_on_with(address: str, recipe: MakeRecipe) -> None:
    make(address, recipe(prompts=5))
    grown = Workspace.open(address)
    grown.store.write("recipe.toml", recipe(prompts=9).encode())
    report = synpic.generate_candidates(grown)
    assert [(one.already, one.made) for one in report.outcomes] == [(5, 4), (5, 4)]


def test_a_damaged_part_is_set_aside(address: str, recipe: MakeRecipe) -> None:
    workspace = make(address, recipe())
    (folder, *_) = workspace.folders("candidates")
    (part, *_) = workspace.parts(folder)
    workspace.store.write(part, workspace.store.read(part)[:-100])
    (damaged,) = corrupt_parts(Workspace.open(address))
    assert damaged == part
    workspace.set_aside(part)
    assert part not in workspace.parts(folder)
    synpic.generate_candidates(Workspace.open(address)).raise_if_unfinished()
    assert synpic.status(Workspace.open(address)).complete


def test_images_are_loaded_from_where_they_lie(address: str, recipe: MakeRecipe) -> None:
    workspace = make(address, recipe())
    rows = synpic.load_rankings(address, split="train")
    pixels = np.asarray(rows[3]["image_1"])
    keys = list(scored(workspace).select("candidate_id", "sha256").iter_rows())
    reader = workspace.images(workspace.folders("candidates"))
    encoded = dict(zip((key[0] for key in keys), reader.read(keys), strict=True))
    stored = np.asarray(Image.open(io.BytesIO(encoded[rows[3]["candidate_ids"][1]])))
    assert np.array_equal(pixels, stored)


def test_two_machines_see_each_other_s_parts(recipe: MakeRecipe) -> None:
    address = "bucket://b/set"
    one = synpic.init_workspace(address, recipe())
    other = Workspace.open(address)
    assert one.store.fs is not other.store.fs
    assert other.folders("candidates") == []
    synpic.generate_candidates(one, only=["a"])
    report = synpic.generate_candidates(other)
    assert [(outcome.already, outcome.made) for outcome in report.outcomes] == [(10, 0), (0, 10)]
    assert [len(one.parts(folder)) > 0 for folder in one.folders("candidates")] == [True, True]


def test_two_readers_of_a_file_do_not_share_their_place_in_it() -> None:
    store = Store("memory://set")
    store.write("one", b"abcdefgh")
    with store.open("one") as first, store.open("one") as second:
        assert first.read(4) == b"abcd"
        assert second.read(2) == b"ab"
        assert first.read() == b"efgh"


def test_a_write_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that is not local and renames: what is half written has no name."""

    class Far(LocalFileSystem):
        protocol = "far"
        cachable = False

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return super()._strip_protocol(path.removeprefix("far://"))

    fsspec.register_implementation("far", Far, clobber=True)
    store = Store(f"far://{tmp_path}/set")
    monkeypatch.setattr(store, "is_local", False)
    store.write("deep/one.bin", b"old")
    own = Far.pipe_file

    def breaks(self: Far, path: str, value: bytes, **options: Any) -> None:
        own(self, path, value[:2], **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Far, "pipe_file", breaks)
    with pytest.raises(SynpicError, match="No space left"):
        store.write("deep/one.bin", b"newer")
    assert store.read("deep/one.bin") == b"old"
    assert store.list("deep") == ["one.bin"]
    assert [path.name for path in (tmp_path / "set" / "deep").iterdir()] == ["one.bin"]
    monkeypatch.setattr(Far, "pipe_file", own)
    store.write("deep/one.bin", b"newer")
    assert store.read("deep/one.bin") == b"newer"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nosuch://x/y", "nosuch"),
        ("s3://bucket/set", "s3fs"),
    ],
)
def test_an_address_that_nothing_opens_says_what_is_missing(address: str, said: str) -> None:
    if said == "s3fs" and importlib.util.find_spec("s3fs"):
        pytest.skip("it is installed")
    with pytest.raises(WorkspaceError) as caught:
        Workspace.open(address)
    assert address in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


def test_colons_in_a_folder_s_name_are_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: MakeRecipe
) -> None:
    monkeypatch.chdir(tmp_path)
    synpic.init_workspace("my::set", recipe())
    assert (tmp_path / "my::set" / "recipe.toml").exists()
    assert Workspace.open("my::set").snapshot().recipe.prompts is not None


def test_safety_and_given_images_from_memory(recipe: MakeRecipe, tmp_path: Path) -> None:
    text = recipe(more='[safety]\nwords = "words.txt"\n')
    workspace = synpic.init_workspace("memory://checked", text)
    workspace.store.write("words.txt", b"0-3\n")
    synpic.generate_candidates(workspace).raise_if_unfinished()
    assert take_inventory(workspace).candidates()["flagged"].sum() == 2
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (4, 4), (number * 50, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"caption {number // 2}")
    text = '[ingest]\ndataset = "{}"\n[rewards.red]\nreward = "tests.fakes:redness"\n'
    data = tmp_path / "data"
    datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "c"))
    data.mkdir()
    rows = [
        {
            "prompt": f"caption {number // 2}",
            "image": {"bytes": (folder / f"{number}.png").read_bytes(), "path": None},
        }
        for number in range(4)
    ]
    features = datasets.Features({"prompt": datasets.Value("string"), "image": datasets.Image()})
    datasets.Dataset.from_list(rows, features=features).to_parquet(str(data / "train.parquet"))
    given = synpic.init_workspace("memory://given", text.format(data.as_posix()))
    synpic.score_candidates(given).raise_if_unfinished()
    assert synpic.image_scores(given)["score_red"].sort().to_list() == [0.0, 50.0, 100.0, 150.0]


def test_a_relative_folder_of_weights_is_not_looked_for_just_anywhere(
    recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = recipe().replace((tmp_path / "weights").as_posix(), "./weights")
    assert '"./weights"' in text
    workspace = synpic.init_workspace("memory://set", text)
    with pytest.raises(CheckpointError, match=r"no such folder \(memory:/set/weights\)"):
        take_inventory(workspace).require("models", ["a"])


@pytest.mark.parametrize("words", [["-C", "memory://set", "status"], ["init", "memory://set"]])
def test_a_command_works_in_folders_alone(words: list[str], tmp_path: Path) -> None:
    shown = in_process(*words)
    assert shown.exit_code == 1
    assert isinstance(shown.exception, SynpicError)
    assert "memory://set" in shown.exception.message
    assert "folder" in shown.exception.message
    assert shown.exception.hint is not None
    assert "Python" in shown.exception.hint
    assert not MemoryFileSystem.store


def test_the_embedded_world_in_memory(tmp_path: Path) -> None:
    text = """
    [prompts]
    world = "shapes"
    count = 4
    [models.shapes_mmdit]
    samples = 2
    steps = 2
    [rewards.shapes_alignment]
    """
    make("memory://shapes", text)
    release = synpic.publish_to(Workspace.open("memory://shapes"), tmp_path / "out")
    assert (
        json.loads((release.directory / "manifest.json").read_text())["counts"]["candidates"] == 8
    )

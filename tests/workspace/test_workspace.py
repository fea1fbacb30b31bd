from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic import ids
from synpic.errors import CorruptPart, NewerSchema, StorageError, WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.recipe.presets import preset
from synpic.workspace import Workspace, tables
from synpic.workspace.naming import name_of
from synpic.workspace.storage import Store
from tests.conftest import corrupt_parts

SHAPES = preset("shapes")
FINGERPRINT = "0123abcd" * 8
FOLDER = "candidates/m-0123abcd"


def pixels(name: str, data: bytes = b"\x00" * 10) -> bytes:
    return data + name.encode()


def candidates(*names: str, sha256: str | None = None, data: bytes = b"\x00" * 10) -> pa.Table:
    rows = [
        {
            "candidate_id": name,
            "prompt_id": "p",
            "model": "m",
            "fingerprint": FINGERPRINT,
            "image": {"bytes": pixels(name, data), "path": f"{name}.png"},
            "sha256": sha256 or ids.sha256(pixels(name, data)),
        }
        for name in names
    ]
    return pa.Table.from_pylist(rows, schema=tables.CANDIDATES)


@pytest.fixture(params=["disk", "memory"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    root = str(tmp_path / "set") if request.param == "disk" else f"memory://{tmp_path}"
    return Workspace.create(root, SHAPES)


def test_what_is_written_is_there(anywhere: Workspace) -> None:
    anywhere.write_part(FOLDER, candidates("x", "y"), {"model": "m"})
    (part,) = anywhere.parts(FOLDER)
    assert anywhere.part_metadata(part).model_dump(exclude_unset=True) == {
        "schema_version": tables.SCHEMA_VERSION,
        "model": "m",
    }
    rows = anywhere.candidates([FOLDER])
    assert rows["candidate_id"].to_list() == ["x", "y"]
    assert "image" not in rows.columns
    images = anywhere.images([FOLDER])
    wanted = [(name, ids.sha256(pixels(name))) for name in ("y", "x", "y")]
    assert images.read(wanted) == [pixels("y"), pixels("x"), pixels("y")]
    assert anywhere.folders("candidates") == [FOLDER]


def test_a_workspace_is_made_once_and_found_again(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="is not a workspace"):
        Workspace.open(tmp_path)
    Workspace.create(tmp_path / "set", SHAPES)
    assert Workspace.open(tmp_path / "set").snapshot().recipe.seed == 0
    with pytest.raises(WorkspaceError, match="already"):
        Workspace.create(tmp_path / "set", SHAPES)


def test_two_rows_of_one_candidate_resolve_to_the_smallest_sha256(anywhere: Workspace) -> None:
    for sha256 in ("bb", "aa", "cc"):
        anywhere.write_part(FOLDER, candidates("x", sha256=sha256), {})
    assert anywhere.candidates([FOLDER])["sha256"].to_list() == ["aa"]


def test_images_are_stored_uncompressed_in_small_row_groups(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    large = candidates(*(f"{i:02d}" for i in range(20)), data=os.urandom(300_000))
    name = workspace.write_part(FOLDER, large, {})
    file = pq.ParquetFile(tmp_path / "set" / name)
    assert file.num_row_groups > 3
    columns = {
        file.metadata.row_group(0).column(i).path_in_schema: file.metadata.row_group(0).column(i)
        for i in range(file.metadata.num_columns)
    }
    assert columns["image.bytes"].compression == "UNCOMPRESSED"
    assert columns["candidate_id"].compression == "ZSTD"


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_part_is_named_and_can_be_set_aside(tmp_path: Path, keep: int) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    name = workspace.write_part(FOLDER, candidates("x"), {})
    workspace.write_part(FOLDER, candidates("y"), {})
    path = tmp_path / "set" / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptPart) as caught:
        workspace.candidates([FOLDER])
    assert name in caught.value.message
    assert "repair" in str(caught.value.hint)
    assert corrupt_parts(workspace) == [name]
    assert (tmp_path / "set" / workspace.set_aside(name)).exists()
    assert workspace.candidates([FOLDER])["candidate_id"].to_list() == ["y"]


def test_a_flipped_bit_in_an_image_is_named(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    name = workspace.write_part(FOLDER, candidates("x", data=b"\x01" * 999), {})
    path = tmp_path / "set" / name
    data = bytearray(path.read_bytes())
    data[data.index(b"\x01" * 99) + 50] ^= 0xFF
    path.write_bytes(data)
    assert corrupt_parts(workspace) == [name]
    wanted = [("x", ids.sha256(pixels("x", b"\x01" * 999)))]
    with pytest.raises(CorruptPart, match=f"{name}: truncated or damaged"):
        workspace.images([FOLDER]).read(wanted)


def test_an_image_that_was_another_when_it_was_written_is_named(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    name = workspace.write_part(FOLDER, candidates("x", "y", sha256="0" * 64), {})
    with pytest.raises(CorruptPart, match=f"{name}.*image of y"):
        workspace.images([FOLDER]).read([("y", "0" * 64)])
    (damage,) = workspace.verify().damaged
    assert "image of x" in damage.reason


@pytest.mark.parametrize(
    ("note", "named"),
    [
        (None, "expected an object, found None"),
        (b"\xff", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "expected an object, found list"),
        (b"1", "expected an object, found 1"),
        (b"{}", "schema_version: is missing"),
        (b'{"schema_version": "2"}', "schema_version: .*found '2'"),
        (b'{"schema_version": true}', "schema_version: .*found True"),
        (b'{"schema_version": 2, "environments": []}', "environments: expected an object"),
        (b'{"schema_version": 2, "environments": {"a": 1}}', "environments.a: expected an object"),
        (b"[" * 100_000, "nested more than"),
    ],
)
def test_damaged_metadata_is_named(tmp_path: Path, note: bytes | None, named: str) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    buffer = io.BytesIO()
    metadata = None if note is None else {"synpic": note}
    pq.write_table(candidates("x").replace_schema_metadata(metadata), buffer)
    name = f"{FOLDER}/{name_of(buffer.getvalue())}"
    workspace.store.write(name, buffer.getvalue())
    with pytest.raises(CorruptPart, match=f"{name}: metadata: {named}"):
        workspace.candidates([FOLDER])
    assert corrupt_parts(workspace) == [name]


def test_a_part_with_other_columns_is_damaged(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    name = workspace.write_part(FOLDER, candidates("x").select(["candidate_id"]), {})
    with pytest.raises(CorruptPart, match=name):
        workspace.candidates([FOLDER])
    assert corrupt_parts(workspace) == [name]


def entry(revision: str | None, number: int) -> LockEntry:
    commit = f"{number:040x}"
    return LockEntry(kind="model", source="owner/name", revision=revision, identity=commit)


def test_the_recipe_is_what_it_is_now(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    assert workspace.snapshot().recipe.seed == 0
    workspace.store.write("recipe.toml", SHAPES.replace("seed = 0  ", "seed = 5  ").encode())
    assert workspace.snapshot().recipe.seed == 5


def test_a_part_of_a_newer_schema_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "set", SHAPES)
    with monkeypatch.context() as patched:
        patched.setattr(tables, "SCHEMA_VERSION", 3)
        name = workspace.write_part(FOLDER, candidates("x"), {})
        workspace.snapshot().lock.remember(entry(None, 1))
    with pytest.raises(NewerSchema, match=f"{name}.*: schema_version is 3"):
        workspace.candidates([FOLDER])
    with pytest.raises(NewerSchema, match=r"recipe\.lock"):
        workspace.snapshot()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store = Store(tmp_path)
    store.write("folder/file", b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError) as caught:
        store.write("folder/file", b"new")
    assert os.strerror(code) in caught.value.message
    assert caught.value.hint
    assert (tmp_path / "folder" / "file").read_bytes() == b"old"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_one_may_not_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            Store(tmp_path).write("file", b"")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_missing_image_is_named_with_what_to_do(anywhere: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="candidate x: its image is gone"):
        anywhere.images([]).read([("x", "aa")])

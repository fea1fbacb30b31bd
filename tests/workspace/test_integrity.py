"""No byte of a workspace changes unnoticed, seen through what the commands call."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from synpic import load_rankings, rank_candidates, status
from synpic.errors import CorruptPart, OlderSchema, WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.prompts import ensure_prompts
from synpic.workspace import Workspace, tables
from synpic.workspace.naming import name_of, split_footer
from synpic.workspace.sealing import read_sealed
from tests.conftest import corrupt_parts
from tests.publish.fixtures import build, picture, recipe

PROMPTS = [("a red circle", "train"), ("two green stars", "train")]
MASKS = [1 << bit for bit in range(8)] + [0xFF]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = build(
        tmp_path_factory.mktemp("set") / "set",
        PROMPTS,
        draw=lambda row: picture(row, edge=2),
        flag=lambda row: row["model"] == "alpha" or None,
    )
    fingerprint = take_inventory(workspace).rewards[0].fingerprint
    rows = [
        {
            "stage": "score",
            "candidate_id": f"{number:032x}",
            "name": "redness",
            "fingerprint": fingerprint,
            "reason": f"not a whole image: {number}",
            "attempts": 1,
        }
        for number in range(3)
    ]
    workspace.write_part("failures", pa.Table.from_pylist(rows, tables.FAILURES), {})
    return workspace


def ranked(workspace: Workspace) -> pl.DataFrame:
    return rank_candidates(workspace).ranking.table


def images(workspace: Workspace) -> list[Any]:
    """Everything that publishing takes from parts of candidates."""
    inventory = take_inventory(workspace)
    rows = inventory.candidates()
    reader = workspace.images(inventory.image_folders())
    wanted = list(rows.select("candidate_id", "sha256").iter_rows())
    return [rows.rows(), reader.read(wanted), reader.sizes(wanted), reader.paths(wanted)]


def first(workspace: Workspace, kind: str) -> str:
    """A file of ``kind``: "scores", "failures", "candidates" or "prompts"."""
    if kind == "prompts":
        return "prompts.parquet"
    folders = workspace.folders(kind) if kind != "failures" else ["failures"]
    return workspace.parts(folders[0])[0]


READERS: dict[str, Callable[[Workspace], Any]] = {
    "scores": lambda workspace: [
        workspace.scores(folder).rows() for folder in workspace.folders("scores")
    ],
    "failures": lambda workspace: workspace.failures("score").rows(),
    "prompts": lambda workspace: read_sealed(workspace.store, "prompts.parquet"),
    "candidates": lambda workspace: workspace.candidates(workspace.folders("candidates")).rows(),
}
"""The reader that every command reads this kind of file through."""

COMMANDS: dict[str, list[Callable[[Workspace], Any]]] = {
    "scores": [lambda workspace: ranked(workspace).rows(), status],
    "failures": [status],
    "candidates": [
        images,
        status,
        lambda workspace: [dict(row) for row in load_rankings(workspace, split="train")],
    ],
}


def flips(data: bytes, share: float, seed: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """``data`` with one byte changed: at a share of all places, or at all with every mask."""
    chance = random.Random(seed)
    for at in range(len(data)):
        if share < 1 and chance.random() >= share:
            continue
        for mask in MASKS if share >= 1 else [chance.choice(MASKS)]:
            changed = bytearray(data)
            changed[at] ^= mask
            yield at, mask, bytes(changed)


def unnoticed(
    workspace: Workspace, name: str, read: Callable[[Workspace], Any], share: float
) -> tuple[int, list[tuple[int, int]]]:
    """How many flips of a file are named, and the places of those that read as something else."""
    path = Path(workspace.store.path(name))
    whole, right = path.read_bytes(), read(workspace)
    named, silent = 0, []
    try:
        for at, mask, data in flips(whole, share):
            path.write_bytes(data)
            try:
                if read(workspace) != right:
                    silent.append((at, mask))
            except CorruptPart as error:
                assert name in error.message
                assert "synpic repair" in str(error.hint)
                named += 1
    finally:
        path.write_bytes(whole)
    return named, silent


@pytest.mark.parametrize("kind", READERS)
def test_a_flip_is_named(made: Workspace, kind: str) -> None:
    named, silent = unnoticed(made, first(made, kind), READERS[kind], share=0.1)
    assert silent == []
    assert named


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", READERS)
def test_every_flip_is_named(made: Workspace, kind: str) -> None:
    name = first(made, kind)
    named, silent = unnoticed(made, name, READERS[kind], share=1)
    assert silent == []
    if kind != "candidates":  # of which columns are read
        assert named == made.store.size(name) * len(MASKS)


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_flip_is_named_by_the_commands(made: Workspace, kind: str) -> None:
    for read in COMMANDS[kind]:
        named, silent = unnoticed(made, first(made, kind), read, share=0.004)
        assert silent == []
        assert named


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", COMMANDS)
def test_many_flips_are_named_by_the_commands(made: Workspace, kind: str) -> None:
    for read in COMMANDS[kind]:
        assert unnoticed(made, first(made, kind), read, share=0.5)[1] == []


def test_prompts_are_made_again(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe())
    workspace.store.write("prompts.txt", b"a red circle\ntwo green stars\n")
    right = ensure_prompts(workspace.snapshot())
    path = tmp_path / "set" / "prompts.parquet"
    whole = path.read_bytes()
    for _, _, data in flips(whole, share=0.02):
        path.write_bytes(data)
        again = ensure_prompts(workspace.snapshot())
        assert again.table.equals(right.table)
        assert again.note == right.note
        assert path.read_bytes() == whole


@pytest.mark.parametrize("kind", READERS)
def test_a_cut_file_is_named(made: Workspace, kind: str) -> None:
    name = first(made, kind)
    path = Path(made.store.path(name))
    whole = path.read_bytes()
    footer = len(split_footer(whole)[1])
    try:
        for keep in (0, 1, 4, 7, 8, 11, 12, len(whole) - footer, len(whole) - 8, len(whole) - 1):
            path.write_bytes(whole[:keep])
            with pytest.raises(CorruptPart, match="truncated or damaged"):
                READERS[kind](made)
            assert [one.file for one in made.verify().damaged] == [name]
        # Two halves of which neither is damaged; and bytes that do not belong there.
        for data in (whole + whole, whole + b"\0", b"\0" + whole):
            path.write_bytes(data)
            if kind in ("scores", "failures", "prompts"):
                with pytest.raises(CorruptPart):
                    READERS[kind](made)
            assert [one.file for one in made.verify().damaged] == [name]
    finally:
        path.write_bytes(whole)


@pytest.fixture
def copy(made: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(made.store.root, tmp_path / "copy")
    return Workspace.open(tmp_path / "copy")


@pytest.mark.parametrize("kind", ["scores", "candidates"])
def test_a_part_of_another_folder_is_refused(copy: Workspace, kind: str) -> None:
    one, other, *_ = copy.folders(kind)
    (part, *_) = copy.parts(other)
    stray = part.replace(other, one)
    copy.store.write(stray, copy.store.read(part))
    owner = other.partition("/")[2]
    with pytest.raises(CorruptPart, match=rf"{stray}: its rows are of {owner}, and it lies in"):
        ranked(copy)
    with pytest.raises(CorruptPart, match=stray):
        status(copy)
    if kind == "candidates":
        with pytest.raises(CorruptPart, match=stray):
            copy.images([one])
        with pytest.raises(CorruptPart, match=stray):
            load_rankings(copy, split="train")
    assert corrupt_parts(copy) == [stray]
    copy.set_aside(stray)
    assert ranked(copy).height == 6


def test_rows_of_two_rewards_in_one_part_are_refused(copy: Workspace) -> None:
    one, other = copy.folders("scores")
    rows = pa.concat_tables(
        [pa.Table.from_pylist(_rows(copy, f), tables.SCORES) for f in (one, other)]
    )
    name = copy.write_part(one, rows, {})
    with pytest.raises(CorruptPart, match=name):
        ranked(copy)


def _rows(workspace: Workspace, folder: str) -> list[dict[str, Any]]:
    return workspace.scores(folder).to_dicts()


@pytest.mark.parametrize("kind", ["scores", "failures", "candidates"])
def test_a_name_that_is_not_the_file_s(copy: Workspace, kind: str) -> None:
    name = first(copy, kind)
    folder, base = name.rsplit("/", 1)
    data = copy.store.read(name)
    swapped = list(base)
    swapped[5] = "0" if base[5] != "0" else "1"
    other_footer = base[:-9] + ("0" if base[-9] != "0" else "1") + base[-8:]
    for wrong in ("".join(swapped), other_footer, "part-copy.parquet", base[:-8] + " (1).parquet"):
        copy.set_aside(name) if copy.store.exists(name) else None
        copy.store.write(f"{folder}/{wrong}", data)
        assert corrupt_parts(copy) == [f"{folder}/{wrong}"]
        if kind != "candidates" or wrong != "".join(swapped):  # its columns are what they were
            with pytest.raises(CorruptPart):
                READERS[kind](copy)
        copy.set_aside(f"{folder}/{wrong}")


def test_a_workspace_of_version_1_is_refused(copy: Workspace) -> None:
    folder = copy.folders("scores")[0]
    copy.store.write(f"{folder}/part-0123456789abcdef.parquet", b"")
    for read in (ranked, status, Workspace.verify):
        with pytest.raises(
            OlderSchema, match=r"schema_version is 1.*make the workspace again"
        ) as error:
            read(copy)
        assert "\n" not in error.value.message
        assert error.value.hint is None


def test_a_lock_of_version_1_is_refused(copy: Workspace) -> None:
    copy.store.write("recipe.lock", b'{"schema_version": 1, "resolved": []}')
    with pytest.raises(OlderSchema, match=r"recipe\.lock: schema_version is 1"):
        ranked(copy)


def test_what_was_set_aside_is_missing_and_nothing_else(copy: Workspace) -> None:
    part = first(copy, "scores")
    path = Path(copy.store.path(part))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WorkspaceError):
        status(copy)
    for one in copy.verify().damaged:
        copy.set_aside(one.file)
    counts = {count.folder: count for count in status(copy).counts}
    folder = part.rpartition("/")[0]
    assert counts[folder].missing == 6
    assert sum(count.missing for count in counts.values()) == 6
    assert status(copy).set_aside == 1


def test_verifying_counts_and_reports_progress(made: Workspace) -> None:
    seen: list[tuple[int, int]] = []
    found = made.verify(lambda done, total: seen.append((done, total)))
    assert found.damaged == []
    assert seen == [(number, found.files) for number in range(1, found.files + 1)]
    assert found.bytes == sum(
        made.store.size(name) for name in ["prompts.parquet", *_all_parts(made)]
    )


def test_any_reader_opens_a_cache(made: Workspace) -> None:
    path = made.store.path("prompts.parquet")
    assert pl.read_parquet(path)["prompt"].to_list() == [prompt for prompt, _ in PROMPTS]


def test_a_name_follows_from_the_bytes(made: Workspace) -> None:
    for part in _all_parts(made):
        assert part.endswith("/" + name_of(made.store.read(part)))


def _all_parts(workspace: Workspace) -> list[str]:
    folders = [*workspace.folders("candidates"), *workspace.folders("scores"), "failures"]
    return [part for folder in folders for part in workspace.parts(folder)]


def test_a_folder_in_place_of_a_part_is_damage_and_not_the_end(copy: Workspace) -> None:
    whole = first(copy, "scores")
    (Path(copy.store.path(whole)).parent / f"part-{0:016x}-{0:08x}.parquet").mkdir()
    (found,) = copy.verify().damaged
    assert found.file.startswith("scores/")
    assert "directory" in found.reason
    copy.set_aside(found.file)
    assert copy.verify().damaged == []


def test_too_little_memory_is_no_damage(copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    monkeypatch.setattr("pyarrow.parquet.ParquetFile", full)
    with pytest.raises(MemoryError):
        copy.verify()

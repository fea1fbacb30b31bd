"""What a dry run writes is there for it, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from synpic.errors import StorageError
from synpic.workspace.storage import Store
from synpic.workspace.unwritten import UnwrittenStore


def listing(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, UnwrittenStore]:
    """A store with a few files, and the same for a dry run."""
    store = Store(tmp_path / "set")
    for name in ("recipe.toml", "scores/red/part-1", "scores/red/part-2"):
        store.write(name, name.encode())
    return store, UnwrittenStore(store)


def test_all_sides_of_a_store_agree_on_what_was_written(
    stores: tuple[Store, UnwrittenStore], tmp_path: Path
) -> None:
    store, dry = stores
    before = listing(tmp_path / "set")
    really = Store(tmp_path / "really")
    for name, data in before.items():
        really.write(name, data)
    for one in (dry, really):
        one.write("recipe.toml", b"another")
        one.write("scores/blue/part-3", b"blue")
        one.write("./scores/red/../red/part-4", b"red")
        one.remove("scores/red/part-1")
        one.remove("never/there")
        one.move("scores/red/part-2", "set-aside/scores/red/part-2")
        one.write("scores/red/.hidden", b"")
    for name in ("", "scores", "scores/red", "scores/blue", "set-aside/scores/red", "nowhere"):
        assert dry.list(name) == really.list(name), name
    names = [*listing(tmp_path / "really"), *before, "scores/blue", "never/there"]
    for name in names:
        assert dry.exists(name) == really.exists(name), name
    for name, data in listing(tmp_path / "really").items():
        with dry.open(name) as stream:
            assert (stream.read(), dry.read(name), dry.size(name)) == (data, data, len(data))
    for gone in ("scores/red/part-1", "scores/red/part-2"):
        for read in (dry.read, dry.open, dry.size):
            with pytest.raises(StorageError, match="part-"):
                read(gone)
    assert listing(tmp_path / "set") == before
    assert store.read("recipe.toml") == b"recipe.toml"


def test_another_process_is_still_seen(stores: tuple[Store, UnwrittenStore]) -> None:
    store, dry = stores
    store.write("scores/red/part-9", b"later")
    assert "part-9" in dry.list("scores/red")
    assert dry.read("scores/red/part-9") == b"later"


def test_a_store_in_memory_too() -> None:
    store = Store("memory://unwritten-test")
    store.write("a/b", b"1")
    dry = UnwrittenStore(store)
    dry.write("a/c", b"2")
    assert (dry.list("a"), store.list("a"), str(dry)) == (["b", "c"], ["b"], str(store))
    assert (dry.read("a/b"), dry.read("a/c")) == (b"1", b"2")

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synpic.errors import UnknownName
from synpic.registry import (
    AGGREGATIONS,
    COMPARERS,
    FAMILIES,
    JUDGES,
    MODELS,
    OBJECTIVES,
    REWARDS,
    Registry,
)
from synpic.registry.beside import ModulesBeside

HERE = Registry("thing", "synpic.things", {"ids": "synpic.ids:short"}, planned=("soon",))


def test_the_three_doors() -> None:
    assert HERE.load("ids")("123456789") == "12345678"
    assert HERE.load("tests.fakes:redness").__name__ == "redness"
    assert "tests.fakes:redness" in HERE
    assert "nothing" not in HERE
    assert HERE.origin("ids") == "synpic"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("idz", "unknown thing 'idz'. Did you mean 'ids'?"),
        ("tests.nothing:x", "cannot be imported"),
        ("tests.fakes:nothing", "cannot be imported"),
        (":", "cannot be imported"),
        ("soon", "planned, and not in this version"),
    ],
)
def test_a_name_that_is_not_there(name: str, says: str) -> None:
    with pytest.raises(UnknownName) as caught:
        HERE.load(name)
    assert says in caught.value.message
    assert caught.value.hint


def test_code_that_does_not_import_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, text in enumerate(("def f(:", "undefined_name", "raise SystemError('no')")):
        (tmp_path / f"mine_{number}.py").write_text(text)
        with pytest.raises(UnknownName, match=f"mine_{number}:f' cannot be imported"):
            HERE.load(f"mine_{number}:f")


def test_entry_points_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    point = EntryPoint("mine", "tests.fakes:redness", "synpic.things")
    monkeypatch.setattr("synpic.registry.entry_points", lambda group: [point])
    assert HERE.names() == ["ids", "mine"]
    assert HERE.load("mine").__name__ == "redness"


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``sys.path`` and ``sys.modules`` as of Python at a prompt, and put back afterwards."""
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setattr("synpic.registry._beside", ModulesBeside())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _workspaces(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "first", tmp_path / "second"]
    for folder in found:
        folder.mkdir()
        (folder / "its_code.py").write_text(f"WHOSE = {folder.name!r}")
    return found


def test_a_workspaces_code_is_its_own_from_any_working_directory(
    prompt: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = _workspaces(tmp_path)
    for here in [*folders, tmp_path, *folders]:
        monkeypatch.chdir(here)
        for folder in [here, *folders] if here in folders else folders:
            assert HERE.load("its_code:WHOSE", folder) == folder.name
        assert sys.path[0] == ""
    # Of another length: bytecode is not stale to Python within a second otherwise.
    (folder / "its_code.py").write_text("WHOSE = 'edited since'")
    assert HERE.load("its_code:WHOSE", folder) == "edited since"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of_the_place.py").write_text("HERE = 1")
    assert HERE.load("of_the_place:HERE", folder) == 1


@pytest.mark.parametrize("entry", [".venv/lib/site-packages", "checkout/src", None])
def test_a_library_in_a_workspaces_folder_stays_imported(
    prompt: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str | None
) -> None:
    """Found by an entry of its own, or (None) by an import hook that knows a checkout."""
    first, second = _workspaces(tmp_path)
    package = first / (entry or "checkout") / "some_library"
    package.mkdir(parents=True)
    for name in ("__init__", "later", "latest"):
        (package / f"{name}.py").write_text("class Error(Exception): pass")
    sys.path.insert(1, str(package.parent))
    library = importlib.import_module("some_library")
    if entry is None:
        del sys.path[1]
    HERE.load("its_code:WHOSE", first)
    later = importlib.import_module("some_library.later")
    (package / "__init__.py").write_text("# edited\n")
    for folder in (first, second, first):
        HERE.load("its_code:WHOSE", folder)
        assert sys.modules["some_library"] is library
        assert sys.modules["some_library.later"] is later


def test_what_the_program_imports_itself_is_imported_once(prompt: None, tmp_path: Path) -> None:
    """A script, or a test, has its own folder on ``sys.path``: a copy would not be its class."""
    first, second = _workspaces(tmp_path)
    (first / "its_classes.py").write_text("class Mine: pass")
    sys.path.insert(1, str(first))
    mine = importlib.import_module("its_classes")
    for folder in (first, second, first):
        assert HERE.load("its_classes:Mine", folder) is mine.Mine
        assert HERE.load("its_code:WHOSE", folder) == "first"


def test_threads_look_beside_recipes_one_at_a_time(prompt: None, tmp_path: Path) -> None:
    folders = _workspaces(tmp_path)
    for folder in folders:
        # While one thread imports, the others are at the paths and the modules.
        with (folder / "its_code.py").open("a") as code:
            code.write("\nimport time\ntime.sleep(0.001)\n")

    def load(number: int) -> tuple[str, str]:
        folder = folders[number % len(folders)]
        # Python takes out entries without a finder, and fails where another thread did so.
        sys.path_importer_cache.update({f"nowhere {number} {n}": None for n in range(50)})
        return HERE.load("its_code:WHOSE", folder), folder.name

    with ThreadPoolExecutor(8) as threads:
        for found, expected in threads.map(load, range(80)):
            assert found == expected


def test_code_that_is_imported_late_is_not_taken_for_edited(prompt: None, tmp_path: Path) -> None:
    first, _ = _workspaces(tmp_path)
    (first / "its_helper.py").write_text("")
    HERE.load("its_code:WHOSE", first)
    code, helper = sys.modules["its_code"], importlib.import_module("its_helper")
    HERE.load("its_code:WHOSE", first)
    assert (sys.modules["its_code"], sys.modules["its_helper"]) == (code, helper)


@pytest.mark.parametrize(
    "registry",
    [AGGREGATIONS, COMPARERS, FAMILIES, JUDGES, MODELS, OBJECTIVES, REWARDS],
    ids=lambda r: r.kind,
)
def test_everything_built_in_can_be_loaded(registry: Registry) -> None:
    for name in registry.builtin:
        assert registry.load(name) is not None
    assert not set(registry.planned) & set(registry.builtin)

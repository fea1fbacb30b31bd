from __future__ import annotations

from pathlib import Path

import pytest

from synpic.errors import UnknownName
from synpic.registry import FAMILIES, MODELS, REWARDS, Registry

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


@pytest.mark.parametrize("registry", [FAMILIES, MODELS, REWARDS], ids=lambda r: r.kind)
def test_everything_built_in_can_be_loaded(registry: Registry) -> None:
    for name in registry.builtin:
        assert registry.load(name) is not None
    assert not set(registry.planned) & set(registry.builtin)

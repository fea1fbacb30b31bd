"""``.ci/words.py`` finds listed words in pages, docstrings and messages, and nowhere else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

CI = Path(__file__).parent.parent / ".ci"

LISTS = """
[instead]
'seats?\\b' = 'worker slot'
'to be had\\b' = 'found'
'(?<=[.:]\\s)Nor\\b' = 'a sentence with its subject first'
"""

CODE = '''
"""A seat."""

seat = 1  # a seat
"""No seats
are to
be had."""


def public(where):
    """A `seat`, and a ``seat``."""
    raise ValueError(f"{where}: the seat is gone")


def _private():
    """A seat."""
    return "seat"


class Kept:
    """A house. Nor a home."""

    def _method(self):
        """A seat."""

    def method(self):
        """The last seat."""
'''

PAGE = """# Seats

A `seat` in code, and one that is not to
be had.

```
seat
```

    seat

[a link](seat.md): Norway.
"""


@pytest.fixture
def words() -> ModuleType:
    spec = importlib.util.spec_from_file_location("words", CI / "words.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "synpic").mkdir()
    (tmp_path / "docs" / "page.md").write_text(PAGE)
    (tmp_path / "synpic" / "code.py").write_text(CODE)
    (tmp_path / "words.toml").write_text(LISTS)
    return tmp_path


def test_every_listed_word_is_named_with_its_line(
    words: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words.main(project, project / "words.toml") == 1
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        [
            "docs/page.md:1: Seats → worker slot",
            "docs/page.md:3: to be had → found",
            "synpic/code.py:12: seat → worker slot",
            "synpic/code.py:2: seat → worker slot",
            "synpic/code.py:21: Nor → a sentence with its subject first",
            "synpic/code.py:27: seat → worker slot",
            "synpic/code.py:5: seats → worker slot",
            "synpic/code.py:6: to be had → found",
        ]
    )


def test_what_is_allowed_has_to_be_there(
    words: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "synpic" / "code.py").unlink()
    text = (
        "[[allowed]]\nfile = 'docs/page.md'\ntext = 'one that is not to be had'\nwhy = 'a test'\n"
    )
    (project / "words.toml").write_text(LISTS + text)
    (project / "docs" / "page.md").write_text(PAGE.removeprefix("# Seats"))
    assert words.main(project, project / "words.toml") == 0
    capsys.readouterr()
    (project / "docs" / "page.md").write_text("Nothing.")
    assert words.main(project, project / "words.toml") == 1
    assert "'one that is not to be had' is allowed and not there" in capsys.readouterr().out


def test_what_is_unread_is_not_read(
    words: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "[unread]\n'docs/' = 'a test'\n'synpic/code.py' = 'a test'\n"
    (project / "words.toml").write_text(LISTS + text)
    assert words.main(project, project / "words.toml") == 0
    assert capsys.readouterr().out == "no listed word\n"


@pytest.mark.slow  # `make lint` does it
def test_no_listed_word_is_in_the_project(
    words: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words.main(CI.parent, CI / "words.toml") == 0, capsys.readouterr().out

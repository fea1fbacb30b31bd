"""What holds for the house as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import synpic

ROOT = Path(__file__).parent.parent
MODULES = sorted([*(ROOT / "synpic").rglob("*.py"), *(ROOT / "cli" / "synpic_cli").rglob("*.py")])
HEAVY = ["torch", "diffusers", "transformers", "polars", "pyarrow", "datasets"]


def test_every_public_name_is_there() -> None:
    assert synpic.__all__
    assert len(set(synpic.__all__)) == len(synpic.__all__)
    for name in synpic.__all__:
        assert hasattr(synpic, name), name


def test_help_is_light() -> None:
    code = (
        "import sys\n"
        "from synpic_cli.main import run\n"
        "sys.argv = ['synpic', '--help']\n"
        "try:\n"
        "    run()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    *shown, loaded = ended.stdout.splitlines()
    assert "generate" in "\n".join(shown)
    assert loaded == "loaded:"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_is_filelock_s(path: Path) -> None:
    """``fcntl`` is not on every system, and says nothing on file systems without locks."""
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not {"fcntl", "msvcrt"} & imported


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = re.search(r"^version: (\S+)$", citation, re.MULTILINE)
    assert cited is not None
    assert project["version"] == synpic.__version__ == cited[1]


def test_images_are_decoded_in_one_module() -> None:
    """Rewards, safety checks, cards, training and exports see the same pixels of a file."""
    found = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in _OPENS_IMAGES)
        or (isinstance(node, ast.ImportFrom) and node.module == "PIL.Image" and _imports_open(node))
    }
    assert found == {"synpic/readers/images.py"}


_OPENS_IMAGES = ("Image.open", "PIL.Image.open")


def _imports_open(node: ast.ImportFrom) -> bool:
    return any(one.name == "open" for one in node.names)

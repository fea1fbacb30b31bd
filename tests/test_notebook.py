"""The example notebook, run cell by cell."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parent.parent / "examples/notebook.ipynb"


def run(code: str, names: dict[str, Any]) -> Any:
    """Run a cell, as Jupyter does; the value of its last line, if that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None


def test_the_notebook_runs_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells), "it is kept without outputs"
    for made in (12, 0):
        names: dict[str, Any] = {}
        shown = {
            cell["id"]: run("".join(cell["source"]).replace("count = 24", "count = 6"), names)
            for cell in cells
            if cell["cell_type"] == "code"
        }
        assert [one.made for one in shown["generate"].outcomes] == [made, made]
        assert "24 images ranked" in shown["ranked"]._repr_html_()
        assert shown["publish"].num_rows == 6
        assert isinstance(shown["images"], Image.Image)
        assert shown["images"].width == 4 * shown["images"].height
    assert "generate shapes_mmdit 32x32: 100%" in capsys.readouterr().err

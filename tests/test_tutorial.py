"""The tutorial, done as it is written: its files, its recipe, its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from synpic_cli.main import app
from tests.generate import tiny

PAGE = (Path(__file__).parent.parent / "docs/tutorial.md").read_text()


def block(language: str) -> str:
    """The first fenced block of the page in ``language``."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    scripts = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line, comments=True) for text in scripts for line in text.splitlines()]
    verbs = []
    for words in commands:
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            monkeypatch.syspath_prepend(str(Path.cwd()))
            Path("prompts.csv").write_text(block("csv"))
            Path("my_rewards.py").write_text(block("python"))
            Path("recipe.toml").write_text(block("toml"))
            tiny.save("sd", Path("my-checkpoint"))
            continue
        verbs.append(words[1])
        # The page that `synpic view` serves has tests of its own (tests/view).
        arguments = [*words[1:], "--to", "page"] if words[1] == "view" else words[1:]
        ended = CliRunner().invoke(app, arguments)
        assert ended.exit_code == 0, (words, ended.output, ended.exception)
    assert verbs == ["init", "validate", "generate", "score", "rank", "view", "publish"]

    load = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[-1]
    shown: dict[str, Any] = {}
    exec(load, shown)
    assert shown["ranked"].num_rows == 4
    assert isinstance(shown["best"], Image.Image)
    assert {"score_contrast", "score_shapes_alignment"} <= set(shown["row"])

"""Checkpoints whose makers mean harm: nothing of theirs runs, and nothing outside is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import ModelError
from synpic.generate.opening import OpenedPipeline
from synpic.recipe.settings import ModelSettings
from tests.generate.test_checks import problems

DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


def index(folder: Path, **changed: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vae": ["os", "system"]}, "class os.system"),
        ({"scheduler": ["subprocess", "Popen"]}, "class subprocess.Popen"),
        ({"vae": ["evil", "AutoencoderKL"]}, r"class evil\.AutoencoderKL"),
        ({"../../x": ["diffusers", "AutoencoderKL"]}, "component '../../x'"),
        ({"/etc": ["diffusers", "AutoencoderKL"]}, "component '/etc'"),
        ({"vae\0": ["diffusers", "AutoencoderKL"]}, r"component 'vae\\x00'"),
        (
            {"_class_name": "os.system"},
            r"is a os\.system \(key _class_name of model_index\.json\), and diffusers has no such",
        ),
        ({"_class_name": "ModelMixin"}, "diffusers has no such pipeline"),
        ({"_class_name": ["pipeline", "Evil"]}, "brings code of its own"),
        ({"unet": ["mine", "Evil"]}, "brings code of its own"),
    ],
)
def test_classes_from_elsewhere(
    copied: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    message: str,
) -> None:
    folder, sign = copied("sd"), tmp_path / "it ran"
    for name in ("pipeline.py", "unet/mine.py", "evil.py"):
        (folder / name).write_text(f"open({str(sign)!r}, 'w')\nclass Evil: ...\n")
    monkeypatch.syspath_prepend(folder)
    index(folder, **changed)
    ((found, _),) = problems(tmp_path / "set", checkpoint=str(folder))
    with pytest.raises(ModelError, match=message) as caught:
        OpenedPipeline(ModelSettings(checkpoint=str(folder)), str(folder), None, "cpu")
    assert caught.value.message.split(": ", 1)[1] in found
    assert not sign.exists()


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json"])
def test_json_without_a_bottom(copied: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    folder = copied("sd")
    (folder / name).write_text(DEEP)
    with pytest.raises(ModelError, match="cannot be opened"):
        OpenedPipeline(ModelSettings(checkpoint=str(folder)), str(folder), None, "cpu")


def test_an_index_without_a_bottom_is_named(copied: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copied("sd")
    (folder / "model_index.json").write_text(DEEP)
    ((found, _),) = problems(tmp_path / "set", checkpoint=str(folder))
    assert "model_index.json is damaged: its values are nested too deep to be read" in found

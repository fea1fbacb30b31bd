"""The pages on training say what is so of the recipe, the objectives and the log."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from synpic.registry import OBJECTIVES
from synpic.train import settings
from synpic.train.presets import presets

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "\n".join(page.read_text() for page in sorted(DOCS.glob("training*.md")))

SECTIONS: dict[str, type[BaseModel]] = {
    "`[data]`": settings.DataSettings,
    "`[objective]`": settings.ObjectiveSettings,
    "`[noise]`": settings.NoiseSettings,
    "`[tuning]`": settings.TuningSettings,
    "`[optimizer]`": settings.OptimizerSettings,
    "`[run]`": settings.RunSettings,
    "`[samples]`": settings.SampleSettings,
    "`[evaluate]`": settings.EvaluateSettings,
}


def rows(title: str) -> list[list[str]]:
    """The rows, below a heading, of tables that begin with code."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.M | re.S)
    assert found, title
    lines = re.findall(r"^\| (`.*) \|$(?!\n\|-)", found[1], re.M)
    return [re.split(r" \| ", line) for line in lines]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented(title: str) -> None:
    fields = SECTIONS[title].model_fields
    listed = {key.strip("`"): (default, meaning) for key, default, meaning in rows(title)}
    assert list(listed) == list(fields)
    for name, field in fields.items():
        default, meaning = listed[name]
        assert meaning.strip(), name
        if field.is_required():
            assert default == "required", name
        elif field.default is None:
            assert default == "not set", name
        else:
            (written,) = tomllib.loads(f"x = {default.strip('`')}").values()
            assert written == json.loads(json.dumps(field.default)), name


def test_every_table_has_a_section() -> None:
    tables = {f"`[{name}]`" for name in settings.TrainRecipe.model_fields} - {"`[seed]`"}
    assert tables == {*SECTIONS, "`[model]`"}


def test_every_objective_and_preset_is_named() -> None:
    assert {row[0].strip("`") for row in rows("What is minimised")} == set(OBJECTIVES.builtin)
    listed = {
        name
        for row in rows("From a release to a LoRA")
        for name in re.findall(r"`([^`]+)`", row[0])
    }
    assert listed == set(presets())

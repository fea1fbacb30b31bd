"""The recipe that `synpic init` writes for prompts, models and rewards of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import RecipeError
from synpic.pipeline.starting import starting_recipe
from synpic.recipe import Recipe, parse_recipe
from tests.release.cards.facts import about


def trained(run: Path, **more: Any) -> Path:
    (run / "model").mkdir(parents=True)
    (run / "model/training.json").write_text(json.dumps(about(**more)))
    return run


def started(
    folder: Path,
    prompts: str = "shapes",
    models: tuple[str, ...] = ("sdxl",),
    rewards: tuple[str, ...] = ("pickscore",),
    column: str | None = None,
    count: int | None = None,
) -> Recipe:
    text = starting_recipe(
        folder, prompts=prompts, models=models, rewards=rewards, column=column, count=count
    )
    return parse_recipe(text)


def test_files_are_named_from_the_recipe(tmp_path: Path) -> None:
    prompts = tmp_path / 'odd "name".csv'
    prompts.write_text("caption\na cat\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model_index.json").write_text("{}")
    found = started(
        tmp_path / "set", str(prompts), (str(tmp_path / "mine"),), column="caption", count=1
    )
    assert found.prompts is not None
    assert (found.prompts.file, found.prompts.column) == ('../odd "name".csv', "caption")
    assert found.prompts.count == 1
    assert found.models["mine"].checkpoint == "../mine"
    assert found.models["mine"].samples == 2, "one model alone is ranked too"


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ("shapes", {"world": "shapes", "count": 300}),
        ("owner/prompts", {"dataset": "owner/prompts"}),
        ("owner/prompts@v1.0", {"dataset": "owner/prompts", "revision": "v1.0"}),
    ],
)
def test_prompts_that_are_no_file(
    tmp_path: Path, prompts: str, expected: dict[str, object]
) -> None:
    found = started(tmp_path, prompts).prompts
    assert {key: getattr(found, key) for key in expected} == expected


def test_models_as_people_have_them(tmp_path: Path) -> None:
    run = trained(tmp_path / "tuned")
    found = started(tmp_path, models=("sdxl", "owner/Some.Model@abc", f"best={run}")).models
    assert list(found) == ["sdxl", "some_model", "best"]
    assert (found["some_model"].checkpoint, found["some_model"].revision) == (
        "owner/Some.Model",
        "abc",
    )
    # Adapters are laid over what they were trained from.
    assert (found["best"].model, found["best"].samples) == ("sdxl", 1)
    assert [one.checkpoint for one in found["best"].adapters] == ["tuned/model"]


def test_adapters_of_a_checkpoint_that_is_not_registered(tmp_path: Path) -> None:
    run = trained(tmp_path / "tuned")
    facts = json.loads((run / "model/training.json").read_text())
    facts["recipe"]["model"]["model"] = None
    facts["model"] |= {"repository": "owner/base", "checkpoint": "elsewhere"}
    (run / "model/training.json").write_text(json.dumps(facts))
    found = started(tmp_path, models=(str(run),)).models["tuned"]
    assert (found.model, found.checkpoint) == (None, "owner/base")


def test_rewards_of_ones_own(tmp_path: Path) -> None:
    found = started(tmp_path, rewards=("pickscore", "a:bright", "b:bright")).rewards
    assert [(name, one.reward) for name, one in found.items()] == [
        ("pickscore", None),
        ("bright", "a:bright"),
        ("bright_3", "b:bright"),
    ]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"prompts": "nothing.csv"}, r"--prompts nothing\.csv: there is no such file"),
        ({"models": ("sdxk",)}, "'sdxk' is no registered model.*Did you mean 'sdxl'"),
        ({"models": ("sdxl", "sdxl=owner/x")}, "two models are called 'sdxl'"),
        ({"rewards": ("pikscore",)}, "--reward pikscore.*Did you mean 'pickscore'"),
    ],
)
def test_what_is_not_there(tmp_path: Path, asked: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError, match=says) as caught:
        started(tmp_path, **asked)  # type: ignore[arg-type]
    assert caught.value.hint

"""An objective by its name: synpic's, a package's, or a function beside the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.errors import RecipeError, SynpicError, TrainingError, UnknownName
from synpic.train.objective import find_objective, objective_facts
from synpic.train.plan import plan
from synpic.train.settings import parse_train_recipe
from synpic.train.training_loop import train
from tests.train.conftest import Wanted
from tests.train.runs import RECIPE, rows

MINE = """
import torch

from synpic.train.objective import Objective


def squared(s, error, labels, beta):
    \"\"\"Σ s², which beta scales.

    More words.
    \"\"\"
    return (beta * s.square()).masked_fill(~labels.present, 0).sum(1)


def lowest(s, error, labels, beta):
    return error.masked_fill(~labels.present, 9).min(1).values


LOWEST = Objective(lowest, title="Lowest", needs_reference=False, uses_beta=False)


def one_number(s, error, labels, beta):
    return s.sum()


def ranks(s, error, labels, beta):
    return labels.rank.sum(1)


def constant(s, error, labels, beta):
    return torch.ones(len(s))


def nothing(s, error, labels, beta):
    return s.sum(1) * float("nan")


def forgetful(s, error, labels, beta):
    return s.sum(1) + missing
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working directory, which Python does not search."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    return name


def test_a_plain_function_may_read_everything(mine: str) -> None:
    found = find_objective(f"{mine}:squared")
    assert (found.title, found.summary) == ("squared", "Σ s², which beta scales.")
    assert found.needs_reference
    assert found.uses_beta
    facts = objective_facts(f"{mine}:squared")
    assert len(facts["source"]) == 64
    assert facts == {
        "title": "squared",
        "summary": found.summary,
        "uses_beta": True,
        "source": facts["source"],
    }
    assert objective_facts("sft").keys() == {"title", "summary", "uses_beta"}


def test_code_that_is_edited_has_another_hash(mine: str) -> None:
    before = objective_facts(f"{mine}:LOWEST")["source"]
    Path(f"{mine}.py").write_text(MINE.replace(", 9)", ", 8)"))
    assert objective_facts(f"{mine}:LOWEST")["source"] != before


@pytest.mark.parametrize("name", ["rankdp", "mine.nothing:x", "math:pi", "fractions:Fraction"])
def test_what_is_no_objective_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UnknownName, TrainingError), match=name):
        find_objective(name)


def test_a_recipe_names_line_key_and_what_there_is() -> None:
    text = RECIPE.format(checkpoint="x", dataset="y").replace("beta = 100.0", 'name = "rankdp"')
    with pytest.raises(RecipeError) as caught:
        parse_train_recipe(text, "train.toml")
    said = caught.value.message
    assert said.startswith("train.toml:13: objective.name: unknown objective 'rankdp'.")
    for words in ("Did you mean 'rankdpo'?", "weighted-sft", "synpic.objectives"):
        assert words in said


def test_a_beta_that_is_not_read_is_refused(mine: str) -> None:
    text = RECIPE.format(checkpoint="x", dataset="y")
    change = f'objective.name="{mine}:LOWEST"'
    with pytest.raises(RecipeError, match=r"objective\.beta: with .*LOWEST\" it would be ignored"):
        parse_train_recipe(text, changes=[change])
    assert parse_train_recipe(text, changes=[change, "objective.beta="]).objective.beta == 5000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("one_number", r"a torch\.float32 of shape \(\), not a float for each of 2 prompts"),
        ("ranks", r"a torch\.int64 of shape \(2,\)"),
        ("constant", "without a gradient"),
        ("nothing", r"gives \[nan, nan\]"),
        ("forgetful", r"NameError: name 'missing' is not defined \(.*\.py:\d+\)"),
    ],
)
def test_a_broken_one_is_known_before_anything_is_opened(
    name: str, said: str, mine: str, wanted: Wanted, tmp_path: Path
) -> None:
    recipe = wanted("sd3_without_t5", f'objective.name="{mine}:{name}"')
    for run in (plan, train):
        with pytest.raises(TrainingError, match=f"objective {name}.*{said}"):
            run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["squared", "LOWEST"])
def test_one_of_ones_own_trains(name: str, mine: str, wanted: Wanted, tmp_path: Path) -> None:
    changes = [f'objective.name="{mine}:{name}"', *(["objective.beta="] if name.isupper() else [])]
    made = train(wanted("sd3_without_t5", *changes), tmp_path / "out")
    assert made.about["objective"]["title"] == {"squared": "squared", "LOWEST": "Lowest"}[name]
    logged: list[dict[str, Any]] = rows(tmp_path / "out")
    assert len(logged) == 2
    assert ("reference_error" in logged[0] and logged[0]["reference_error"] is not None) is (
        name == "squared"
    )
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    assert "whose code has the SHA" in card
    Path(f"{mine}.py").write_text(MINE.replace(".sum(1)", ".mean(1)").replace(", 9)", ", 7)"))
    with pytest.raises(SynpicError, match="objective's code"):
        train(wanted("sd3_without_t5", *changes, "run.steps=3"), tmp_path / "out")


def test_a_float_of_a_batch_that_fails_names_the_objective(
    mine: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def later(s: torch.Tensor, *_: Any) -> torch.Tensor:
        calls.append(len(s))
        if len(calls) > 2:  # the trial, and one batch
            raise IndexError("out of images")
        return s.sum(1)

    monkeypatch.setattr("synpic.train.objectives.later", later, raising=False)
    recipe = wanted("sd3_without_t5", "objective.name=synpic.train.objectives:later")
    with pytest.raises(TrainingError, match="objective later: IndexError: out of images"):
        train(recipe, tmp_path / "out")

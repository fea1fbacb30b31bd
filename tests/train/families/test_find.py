"""Who trains a checkpoint: synpic's families, a package's, and one of one's own."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import diffusers
import pytest

from synpic import registry
from synpic.errors import RecipeError, SynpicError, TrainingError, UnknownName
from synpic.registry import FAMILIES
from synpic.train.families.find import family_name, find_family
from synpic.train.families.sd3 import TrainableStableDiffusion3
from synpic.train.plan import plan
from synpic.train.training_loop import train
from tests.train.conftest import Wanted

TRAINABLE = {name: halves.pipeline for name, halves in FAMILIES.halves.items() if halves.train}

MINE = """
from synpic.registry import FamilyHalves
from synpic.train.families.sd3 import TrainableStableDiffusion3


class Flat:
    def __init__(self, settings, location, commit, device): ...
    def draw(self, prompts, seeds, width, height): ...


class Halved(TrainableStableDiffusion3):
    def add_noise(self, latents, noise, times):
        noisy, target = super().add_noise(latents, noise, times)
        return noisy, target / 2


FAMILY = FamilyHalves("{name}:Flat", "{name}:Halved", "FlatPipeline")
NO_FAMILY = FamilyHalves("{name}:Flat", "{name}:Flat")
ABSENT = FamilyHalves("{name}:Flat", "{name}:Absent")
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working directory, which Python does not search."""
    name = f"family_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE.replace("{name}", name))
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize(("name", "pipeline"), TRAINABLE.items())
def test_every_family_is_there_and_so_is_its_pipeline(name: str, pipeline: str) -> None:
    assert family_name(pipeline) == name
    kind = find_family(name)
    assert not kind.__abstractmethods__
    made = getattr(diffusers, pipeline)
    assert kind.denoiser in made.__init__.__annotations__
    assert hasattr(made, "load_lora_weights") == kind.lora_mixin


def test_a_kind_that_cannot_be_trained_is_told_with_those_that_can() -> None:
    with pytest.raises(TrainingError, match="org/flux is a FluxPipeline") as caught:
        family_name("FluxPipeline", checkpoint="org/flux")
    for pipeline in TRAINABLE.values():
        assert str(pipeline) in str(caught.value.hint)


def test_a_family_that_only_draws_is_told() -> None:
    with pytest.raises(TrainingError, match="'stable_cascade' draws and cannot be trained") as told:
        find_family(family_name("StableCascadePipeline", "stable_cascade"))
    assert "sd3" in str(told.value.hint)


def test_a_family_of_synpics_looks_for_no_module_in_the_working_directory(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAMILIES.load(f"{mine}:Flat", tmp_path)
    before = sys.modules[mine]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    find_family("sd")
    assert sys.modules[mine] is before


def test_one_half_draws_and_one_trains(mine: str, tmp_path: Path) -> None:
    assert FAMILIES.load(f"{mine}:FAMILY", tmp_path).__name__ == "Flat"
    assert FAMILIES.load(f"{mine}:Flat", tmp_path).__name__ == "Flat"
    trains = find_family(f"{mine}:FAMILY")
    assert issubclass(trains, TrainableStableDiffusion3)
    # A pipeline that synpic trains is trained as the recipe says.
    assert family_name("StableDiffusion3Pipeline", f"{mine}:FAMILY") == f"{mine}:FAMILY"
    assert family_name("StableDiffusion3Pipeline", "auto") == "sd3"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("Flat", TrainingError, "draws and cannot be trained"),
        ("NO_FAMILY", TrainingError, "that trains is no family"),
        ("ABSENT", UnknownName, "Absent"),
        ("MISSING", UnknownName, "MISSING"),
    ],
)
def test_what_is_no_family_is_known_before_anything_is_opened(
    name: str, error: type[SynpicError], words: str, mine: str, wanted: Wanted, tmp_path: Path
) -> None:
    recipe = wanted("sd3_without_t5", f'model.family="{mine}:{name}"')
    for run in (plan, train):
        with pytest.raises(error, match=words):
            run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_offers_one(mine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("flat", f"{mine}:FAMILY", "synpic.families"),
        EntryPoint("plain", f"{mine}:Flat", "synpic.families"),
        EntryPoint("broken", f"{mine}:GONE", "synpic.families"),
    ]
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [one for one in points if one.group == group]
    )
    assert family_name("FlatPipeline") == "flat"
    assert find_family("flat").__name__ == "Halved"
    assert FAMILIES.load("flat").__name__ == "Flat"
    with pytest.raises(TrainingError, match="'plain' draws and cannot be trained"):
        find_family("plain")
    with pytest.raises(TrainingError, match="FluxPipeline") as caught:
        family_name("FluxPipeline")
    assert "FlatPipeline" in str(caught.value.hint)
    # One that does not import keeps no other from being found, and is named where none fits.
    assert "family 'broken' cannot be imported" in caught.value.message


def test_one_of_ones_own_trains(mine: str, wanted: Wanted, tmp_path: Path) -> None:
    plain = train(wanted("sd3_without_t5"), tmp_path / "plain")
    named = f'model.family="{mine}:FAMILY"'
    made = train(wanted("sd3_without_t5", named), tmp_path / "out")
    assert made.about["metrics"] != plain.about["metrics"]
    assert set(made.about["family_code"]) == {"name", "source"}
    assert "family_code" not in plain.about
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    assert "| family's code | family_" in card
    # Edited, it goes on with no run of before.
    source = tmp_path / f"{mine}.py"
    source.write_text(source.read_text().replace("target / 2", "target / 3"))
    with pytest.raises(SynpicError, match="family's code"):
        train(wanted("sd3_without_t5", named, "run.steps=3"), tmp_path / "out")


def test_an_unknown_name_in_a_recipe_is_told(wanted: Wanted, tmp_path: Path) -> None:
    with pytest.raises((RecipeError, UnknownName), match="unknown family 'sd4'"):
        plan(wanted("sd3_without_t5", 'model.family="sd4"'), tmp_path / "out")

"""Training recipes: every mistake has its place, and what decides a curve is known."""

from __future__ import annotations

import pytest

from synpic.errors import RecipeError
from synpic.train.settings import TrainRecipe, parse_train_recipe
from tests.train.runs import FULL, RECIPE

TEXT = RECIPE.format(checkpoint="somewhere", dataset="rankings")


def recipe(*changes: str) -> TrainRecipe:
    return parse_train_recipe(TEXT, changes=changes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("objective.name=ppo", "objective.name"),
        ("objective.beta=0", "objective.beta"),
        ("optimiser.name=adamw", "Did you mean 'optimizer'"),
        ("run.steps=0", "run.steps"),
        ("run.batch_size=2.5", "run.batch_size"),
        ("data.labels=[]", "data.labels"),
        ("data.caption_dropout=1.5", "data.caption_dropout"),
        ("data.size=512", "WIDTHxHEIGHT"),
        ("data.size=0x0", "WIDTHxHEIGHT"),
        ("data.labels=HPSv2", "names are lower-case letters"),
        ("data.labels=[]", "rewards by name in a list"),
        ("data.labels=3", "rewards by name in a list"),
        ("run.track=wandbe", "Input should be 'tensorboard' or 'wandb'"),
        ("run=3", "give one of its keys: run.steps, run.batch_size"),
        ("optimizer.lr=3", "There are: name, learning_rate"),
        ("optimizer.betas=[0.9, 1.0]", "less than 1"),
        ("optimizer.warmup_steps=2", "2 of run.steps = 2 leave none"),
        ("model.samples=4", "training would ignore it"),
        ('model.sizes=["8x8"]', "training would ignore it"),
        ("model.batch_size=4", "training would ignore it"),
        ("model.prior=a/b", "prior: it is for drawing a dataset"),
        ('model.without=["text_encoder_3"]', "without: it is for drawing a dataset"),
        ('model.allow=["pickled weights"]', "allow: it is for drawing a dataset"),
        ("model.offload=text", "offload: it is for drawing a dataset"),
        ("model.vae_tiling=true", "vae_tiling: it is for drawing a dataset"),
        ("model.compile=true", "compile: it is for drawing a dataset"),
        ('model.components.vae.checkpoint="a/b"', "components: it is for drawing a dataset"),
        ("objective.name=sft", 'objective.beta: with objective.name = "sft" it would be ignored'),
        ("samples.count=3", "samples.count: with no samples.every"),
        ("seed=-1", "seed"),
        ("optimizer.betas=[0.9]", "optimizer.betas"),
    ],
)
def test_mistakes_are_named(change: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(change)


@pytest.mark.parametrize(
    ("change", "ignored"),
    [
        (FULL, "tuning.rank=3"),
        (FULL, "tuning.alpha=3"),
        (FULL, 'tuning.targets=["to_k"]'),
        ("optimizer.name=adafactor", "optimizer.betas=[0.5, 0.9]"),
        ("run.keep=1", 'samples.prompts=["a"]'),
    ],
)
def test_what_would_be_ignored_is_refused(change: str, ignored: str) -> None:
    key = ignored.partition("=")[0]
    with pytest.raises(RecipeError, match=f"{key}: with .* it would be ignored"):
        recipe(change, ignored)
    assert recipe(change, ignored, f"{key}=") == recipe(change)


def test_all_weights_make_no_adapter() -> None:
    assert recipe().saves == "lora"
    assert recipe("run.save=pipeline").saves == "pipeline"
    assert recipe(FULL).saves == "pipeline"
    with pytest.raises(RecipeError, match="no adapter to save"):
        recipe(FULL, "run.save=lora")


@pytest.mark.parametrize(
    "change",
    ["run.steps=9", "run.keep=5", "run.workers=2", "samples.every=1",
     "run.gradient_checkpointing=true"],
)  # fmt: skip
def test_what_may_change_between_halves_of_a_run(change: str) -> None:
    assert recipe(change).resume_inputs == recipe().resume_inputs


@pytest.mark.parametrize(
    "change",
    ["seed=9", "run.accumulation=2", "run.precision=bf16", "data.count=3", "tuning.rank=2",
     "noise.share=false", "optimizer.clip=0"],
)  # fmt: skip
def test_what_may_not(change: str) -> None:
    assert recipe(change).resume_inputs != recipe().resume_inputs


def test_steps_decide_a_rate_that_ends_with_them() -> None:
    cosine = "optimizer.schedule=cosine"
    assert recipe(cosine, "run.steps=9").resume_inputs != recipe(cosine).resume_inputs


def test_a_recipe_survives_its_own_json() -> None:
    """Cards and checkpoints hold it so."""
    whole = recipe('data.labels=["clip"]', "optimizer.betas=[0.5, 0.9]")
    assert TrainRecipe.model_validate_json(whole.model_dump_json()) == whole


def test_a_text_in_the_place_of_a_list_is_a_list_of_one() -> None:
    changes = ["run.track=wandb", "data.labels=hpsv2", "tuning.targets=to_q", "samples.every=5"]
    found = recipe(*changes, "samples.prompts=a red circle, small")
    assert found.run.track == ["wandb"]
    assert found.data.labels == ["hpsv2"]
    assert found.tuning.targets == ["to_q"]
    assert found.samples.prompts == ["a red circle, small"]
    assert recipe("data.labels=random").data.labels == "random"
    with pytest.raises(RecipeError, match="wants a list"):  # of a file it is a mistake still
        parse_train_recipe(TEXT.replace("[run]", '[run]\ntrack = "wandb"'))

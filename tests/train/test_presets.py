from __future__ import annotations

import pytest

from synpic.errors import UnknownName
from synpic.generate.image_model import complete
from synpic.registry import MODELS, OBJECTIVES
from synpic.train.presets import preset, presets
from synpic.train.settings import parse_train_recipe


@pytest.mark.parametrize("name", presets())
def test_every_preset_parses_and_names_a_model(name: str) -> None:
    recipe = parse_train_recipe(preset(name), name)
    assert recipe.model.model is None or recipe.model.model in MODELS
    assert complete("model", recipe.model).checkpoint
    assert recipe.objective.name in OBJECTIVES


def test_diffusion_dpo_is_as_published() -> None:
    for name, optimizer, warmup in [("sdxl", "adafactor", 200), ("sd15", "adamw", 500)]:
        recipe = parse_train_recipe(preset(f"diffusion-dpo-{name}"))
        pairs = 16 * recipe.run.batch_size * recipe.run.accumulation
        assert pairs == 2048
        assert recipe.optimizer.learning_rate == pytest.approx(1e-8 * pairs)
        assert (recipe.optimizer.name, recipe.optimizer.warmup_steps) == (optimizer, warmup)
        assert (recipe.objective.name, recipe.objective.beta) == ("dpo", 5000)
        assert (recipe.run.steps, recipe.data.caption_dropout) == (2000, 0.2)
        assert recipe.noise.share
        assert not recipe.data.flip


def test_rankdpo_says_what_is_unpublished() -> None:
    for name in ("rankdpo-sdxl", "rankdpo-sd3"):
        text = preset(name)
        recipe = parse_train_recipe(text)
        assert 8 * recipe.run.batch_size * recipe.run.accumulation == 1024
        assert recipe.run.steps == 400
        for key in ("beta", "learning_rate"):
            (line,) = [line for line in text.splitlines() if line.startswith(f"{key} =")]
            assert "unpublished" in line


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'rankdpo-sdxl'\?"):
        preset("rankdpo-sdx")

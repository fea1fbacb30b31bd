"""What training says of a model it made, as ``training.json`` has it."""

from __future__ import annotations

from typing import Any

from synpic.train.objective import objective_facts
from synpic.train.presets import preset
from synpic.train.settings import parse_train_recipe

__all__ = ["about"]

BASE = "stabilityai/stable-diffusion-xl-base-1.0"


def about(of: str = "rankdpo-sdxl", *changes: str, **more: Any) -> dict[str, Any]:
    """The facts of a run of the preset ``of``; ``more`` replaces some."""
    recipe = parse_train_recipe(preset(of), of, changes)
    return {
        "synpic": "0.1.0",
        "recipe": recipe.model_dump(mode="json"),
        "objective": objective_facts(recipe.objective.name),
        "family": "StableDiffusionXLPipeline",
        "saved": recipe.saves,
        "lora_mixin": True,
        "model": {"checkpoint": BASE, "repository": BASE, "commit": "0" * 40, "variant": "fp16"},
        "dataset": {
            "name": "user/set",
            "commit": "a" * 40,
            "config": "ranked",
            "split": "train",
            "version": "1.0.0",
            "prompts": 1000,
            "images": 4000,
            "without_preference": 3,
        },
        "steps": 400,
        "prompts_per_step": 1024,
        "metrics": {"loss": 0.6, "accuracy": 0.571, "kendall": 0.1, "error": 0.2},
        "environment": {"torch": "2"},
        "files": {"pytorch_lora_weights.safetensors": {"bytes": 88, "sha256": "b" * 64}},
        **more,
    }

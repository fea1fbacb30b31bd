"""What is wanted, as a TOML file and as pydantic models.

recipe    the recipe, and its rules
judges    of a judge, and of what an evaluation compares
publish   of what its card says that nothing computes
rewards   of a reward, or of what ranks in its place
settings  of a model, and of how its images are encoded
suite     of a suite: prompts with what each asks of its images
toml      TOML read into pydantic models, every mistake with its line; and written from them
presets   recipes to start from
"""

from __future__ import annotations

from synpic.recipe.judges import CodeSettings, CompareSettings, JudgeSettings
from synpic.recipe.publish import WORDS, PublishSettings
from synpic.recipe.recipe import (
    Config,
    Flagged,
    IngestSettings,
    Name,
    PromptSettings,
    QuestionSettings,
    RankingSettings,
    Recipe,
    RecordSettings,
    SafetySettings,
    StudySettings,
    parse_recipe,
    split_problem,
)
from synpic.recipe.rewards import RewardSettings
from synpic.recipe.suite import SuiteSettings

__all__ = [
    "WORDS",
    "CodeSettings",
    "CompareSettings",
    "Config",
    "Flagged",
    "IngestSettings",
    "JudgeSettings",
    "Name",
    "PromptSettings",
    "PublishSettings",
    "QuestionSettings",
    "RankingSettings",
    "Recipe",
    "RecordSettings",
    "RewardSettings",
    "SafetySettings",
    "StudySettings",
    "SuiteSettings",
    "parse_recipe",
    "split_problem",
]

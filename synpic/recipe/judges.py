"""What a recipe says of judges, and of what an evaluation compares."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field, StringConstraints

from synpic.recipe.rewards import RewardSettings
from synpic.recipe.settings import Options, Place
from synpic.recipe.toml import Table

__all__ = ["CodeSettings", "CompareSettings", "JudgeSettings"]


class JudgeSettings(Table):
    """What says whether an image shows what is asked for (docs/judging.md)."""

    of_table: ClassVar[str] = "judges"
    """The recipe's table that holds tables of these."""

    judge: Annotated[str, StringConstraints(min_length=1)] | None = None
    """A registered judge, or package.module:callable; the table's own name if not given."""
    checkpoint: Place | None = None
    revision: str | None = None
    options: Options = {}
    """Keyword arguments of the judge, each named in its documentation."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32

    @property
    def code(self) -> str | None:
        """A registered name, or package.module:callable; None: the name of its own table."""
        return self.judge


CodeSettings: TypeAlias = RewardSettings | JudgeSettings
"""What names code that is opened and looks at images."""


class CompareSettings(Table):
    """Which model of the recipe the others are compared with, and by what."""

    base: str
    """The name of a model of the recipe."""
    rewards: Annotated[list[str], Field(min_length=1)] | None = None
    """Rewards of the recipe whose win rates count; all that give scores where it is not given."""
    tag: Annotated[str, StringConstraints(min_length=1)] | None = None
    """The column of prompts that groups them; a suite's own groups where it is not given."""

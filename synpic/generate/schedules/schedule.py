"""What a recipe asks of a scheduler."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field

from synpic.generate.checks.subject import InspectedModel
from synpic.generate.facts.table import TimestepFacts, diffusers_version
from synpic.readers.json_models import Record
from synpic.recipe.settings import ModelSettings

__all__ = ["Schedule", "changes_schedule", "schedule_of"]

TRIAL = 1
"""The version of what is tried. A later one asks anew."""

_IN_CALL = ("timesteps", "sigmas")
"""Arguments of a pipeline's call that take the place of a number of steps."""


class Schedule(Record):
    """What a recipe asks of a scheduler, and what it is asked by.

    Args:
        own: class of the checkpoint's scheduler.
        config: its scheduler_config.json.
        scheduler, options, steps: the recipe's.
        call: arguments of the pipeline's call that reach the scheduler.
        asks: how the pipeline asks for timesteps; None where that is not known, and the scheduler
            is made but not tried.
    """

    own: str
    config: dict[str, Any]
    scheduler: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    steps: int | None = None
    call: dict[str, Any] = Field(default_factory=dict)
    asks: TimestepFacts | None = None

    @property
    def name(self) -> str:
        """Class of the scheduler that draws."""
        return self.scheduler or self.own

    @property
    def sha256(self) -> str:
        """Of everything that decides the answer, the version of diffusers too."""
        asked = {"trial": TRIAL, "diffusers": diffusers_version(), **self.model_dump()}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def schedule_of(subject: InspectedModel) -> Schedule | None:
    """What ``subject`` asks of its scheduler; None where nothing says what the scheduler is.

    Raises:
        HubUnreachable: the Hub did not answer.
    """
    settings = subject.settings
    own = subject.components.get(subject.family.scheduler_slot)
    if own is None or own.kind is None or own.library != "diffusers":
        return None
    config = own.json("scheduler_config.json")
    if config is None:
        return None
    asks = None if subject.pipeline is None else subject.pipeline.timesteps
    reach = (*_IN_CALL, *(asks.more if asks else ()))
    return Schedule(
        own=own.kind,
        config=config,
        scheduler=settings.scheduler,
        options=settings.scheduler_options,
        steps=settings.steps,
        call={name: settings.call[name] for name in reach if name in settings.call},
        asks=asks,
    )


def changes_schedule(written: ModelSettings) -> bool:
    """Whether a recipe says something of a model that its scheduler may not be able to do.

    Args:
        written: the recipe's own, without what a registered model adds.
    """
    keys = {"scheduler", "scheduler_options", "steps"}
    return bool(keys & written.model_fields_set or set(_IN_CALL) & written.call.keys())

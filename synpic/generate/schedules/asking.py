"""Schedules are tried once, by a process of its own, and what works is kept in recipe.lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from synpic.errors import SynpicError
from synpic.generate.facts.table import diffusers_version
from synpic.generate.image_model import Model
from synpic.generate.schedules.answer import Answer, encode_schedules
from synpic.generate.schedules.schedule import Schedule
from synpic.registry import FAMILIES
from synpic.workspace import Workspace
from synpic.workspace.lock import RecipeLock, TriedSchedule

__all__ = ["ask", "schedule_of_model"]

_SECONDS = 60
"""How long one schedule may take, beyond the start: a thousand steps take one second."""


# -P: what lies in the folder one stands in is no module of theirs.
_COMMAND = [sys.executable, "-P", "-m", "synpic.generate.schedules.program"]


def ask(lock: RecipeLock, schedules: Sequence[Schedule]) -> list[Answer | None]:
    """What is known of each of ``schedules``; None where a trial of it did not end.

    One that works is remembered in ``lock``, with the version of diffusers. One that does not is
    tried again each time: the cause may be a package that has been installed since.
    """
    found: dict[str, Answer | None] = {}
    for schedule in schedules:
        if (tried := lock.tried(schedule.sha256)) is not None:
            found[schedule.sha256] = Answer(ignored=tried.ignored)
    new = {one.sha256: one for one in schedules if one.sha256 not in found}
    if new:
        found |= zip(new, try_all(list(new.values())), strict=True)
        lock.remember_tried(
            [
                TriedSchedule(
                    scheduler=one.name,
                    steps=one.steps,
                    diffusers=diffusers_version(),
                    ignored=answer.ignored,
                    sha256=one.sha256,
                )
                for one in new.values()
                if (answer := found[one.sha256]) is not None and answer.problem is None
            ]
        )
    return [found[schedule.sha256] for schedule in schedules]


def schedule_of_model(workspace: Workspace, model: Model) -> Schedule | None:
    """What ``model`` asks of its scheduler; None where that is not known.

    What is wrong with its checkpoint is :func:`synpic.generate.checks.check_model`'s to say.
    """
    schedule = getattr(FAMILIES.load(model.family, workspace.folder), "schedule", None)
    if schedule is None:
        return None
    try:
        found: Schedule | None = schedule(*model.located(workspace))
    except SynpicError:
        return None
    return found


def try_all(schedules: Sequence[Schedule]) -> list[Answer | None]:
    """Try ``schedules`` in another process; None from the first on that ended or outlived it.

    A line that is no answer leaves its schedule and the rest unknown: which of them the following
    lines are of is not known either.
    """
    try:
        ended = subprocess.run(
            _COMMAND,
            input=encode_schedules(schedules),
            capture_output=True,
            timeout=_SECONDS * (1 + len(schedules)),
            check=False,
        )
        said = ended.stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    answers: list[Answer | None] = []
    with suppress(ValidationError):
        for line in said.splitlines()[: len(schedules)]:
            answers.append(Answer.model_validate_json(line))
    return answers + [None] * (len(schedules) - len(answers))

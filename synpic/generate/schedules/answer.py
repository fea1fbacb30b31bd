"""What a trial finds about a schedule, and the spelling of both between two processes."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, TypeAdapter

from synpic.generate.schedules.schedule import Schedule
from synpic.readers.json_models import Record

__all__ = ["Answer", "ScheduleProblem", "decode_schedules", "encode_schedules"]


class ScheduleProblem(Record):
    """Why a schedule does not work.

    Args:
        message: it begins with the key of the recipe's model that is at fault.
    """

    message: str
    hint: str | None = None


class Answer(Record):
    """What is known of a schedule.

    Args:
        problem: None of one that works.
        ignored: names of its options that change nothing.
    """

    problem: ScheduleProblem | None = None
    ignored: list[str] = Field(default_factory=list)


_SCHEDULES = TypeAdapter(list[Schedule])


def encode_schedules(schedules: Iterable[Schedule]) -> bytes:
    """``schedules`` as JSON."""
    return _SCHEDULES.dump_json(list(schedules))


def decode_schedules(data: bytes) -> list[Schedule]:
    """What :func:`encode_schedules` made."""
    return _SCHEDULES.validate_json(data)

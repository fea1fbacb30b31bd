"""What an objective declares, and which one a training recipe names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synpic.errors import SynpicError, TrainingError
from synpic.registry import OBJECTIVES

if TYPE_CHECKING:
    from torch import Tensor

    from synpic.train.batch import Labels

__all__ = ["Objective", "find_objective", "objective_facts", "objectives"]


@dataclass(frozen=True)
class Objective:
    """What is minimised. All that the trainer, the guard and a card know of it is declared here.

    Args:
        function: ``(s, error, labels, beta) -> loss of each prompt``, as
            :mod:`synpic.train.objectives` describes it.
        title: what a card calls it: "RankDPO".
        summary: its formula, or what it does, on one line.
        needs_reference: it reads ``s``, and a reference is kept to compare with; the others get
            ``error`` in its place.
        uses_beta: it reads ``beta``; of the others a recipe must not set one.
    """

    function: Callable[[Tensor, Tensor, Labels, float], Tensor]
    title: str
    summary: str = ""
    needs_reference: bool = True
    uses_beta: bool = True


def find_objective(name: str) -> Objective:
    """The objective that a training recipe calls ``name``.

    A plain function is one that reads ``s`` and ``beta``. Modules of one's own are looked for in
    the working directory too.

    Raises:
        UnknownName: no registry knows it, or it does not import.
        TrainingError: it is neither an :class:`Objective` nor a function.
    """
    found: Any = OBJECTIVES.load(name, os.curdir)
    if isinstance(found, Objective):
        return found
    if isinstance(found, type) or not callable(found):
        raise TrainingError(
            f"{name} is a {type(found).__name__}, not an objective",
            hint="name a synpic.train.objective.Objective, or a function (s, error, labels, beta)",
        )
    first = (getattr(found, "__doc__", None) or "").strip().partition("\n")[0]
    return Objective(found, title=name.rpartition(":")[2], summary=first)


def objective_facts(name: str) -> dict[str, Any]:
    """What ``training.json`` records of an objective, so that a card can be made without its code.

    Returns:
        ``title``, ``summary`` and ``uses_beta``; and of one that synpic does not bring, what
        :meth:`synpic.registry.Registry.provenance` gives.

    Raises:
        UnknownName, TrainingError: as :func:`find_objective`.
    """
    found = find_objective(name)
    return {
        "title": found.title,
        "summary": found.summary,
        "uses_beta": found.uses_beta,
        **OBJECTIVES.provenance(name, found.function),
    }


def objectives() -> list[dict[str, Any]]:
    """What ``synpic list objectives`` shows: a row for each registered objective.

    Returns:
        ``name``, ``title``, ``needs_reference``, ``uses_beta``, ``from`` (a distribution) and
        ``summary``. Of one that does not import, the summary says so and the rest is None.
    """
    return [_row(name) for name in OBJECTIVES.names()]


def _row(name: str) -> dict[str, Any]:
    known: dict[str, Any] = {"title": None, "needs_reference": None, "uses_beta": None}
    try:
        found = find_objective(name)
        known = {key: getattr(found, key) for key in known}
        summary = found.summary
    except SynpicError as error:
        summary = error.message
    return {"name": name, **known, "from": OBJECTIVES.origin(name), "summary": summary}

"""The aggregation that a recipe or a command names: synpic's, a package's, or one's own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from synpic.errors import RankingError
from synpic.rank.aggregations import Aggregation, Preference
from synpic.rank.blocks import Ints, Numbers
from synpic.registry import AGGREGATIONS
from synpic.registry.own_code import naming_own_errors

__all__ = ["find_aggregation"]

_HINT = "correct its function; docs/ranking-own.md has what it gets and gives"


def find_aggregation(name: str, beside: str | os.PathLike[str] | None = None) -> Aggregation:
    """The aggregation called ``name``; one that synpic does not bring is checked as it ranks.

    Args:
        name: registered, or ``package.module:callable``: an :class:`Aggregation`, or a function
            ``(scores, weights) -> Preference``.
        beside: a folder in which modules of one's own are looked for too.

    Raises:
        UnknownName: no registry knows it, or it does not import.
        RankingError: it is no aggregation.
    """
    known = _declared(name, AGGREGATIONS.load(name, beside))
    if name in AGGREGATIONS.builtin:
        return known
    recorded = {**AGGREGATIONS.provenance(name, known.function), "description": known.description}
    return replace(
        known,
        name=name,
        function=_Checked(name, known.function, known.description),
        of_signs=known.of_signs and _Checked(name, known.of_signs),
        of_shares=known.of_shares and _Checked(name, known.of_shares),
        recorded=recorded,
    )


def _declared(name: str, found: Any) -> Aggregation:
    if isinstance(found, Aggregation):
        return found
    if isinstance(found, type) or not callable(found):
        raise RankingError(
            f"{name} is a {type(found).__name__}, not an aggregation",
            hint="name a function (scores, weights) -> Preference; docs/ranking-own.md has one",
        )
    first = (inspect.getdoc(found) or "").partition("\n")[0]
    return Aggregation(name, found, summary=first)


class _Checked:
    """A function of an aggregation that may be anyone's code, and its result checked.

    Args:
        function: of ``[…, k, m]`` and weights.
    """

    def __init__(
        self, name: str, function: Callable[[Numbers, Ints], Preference], description: str = ""
    ) -> None:
        self._name, self._function = name, function
        self.__doc__ = description

    def __call__(self, judged: Numbers, weights: Ints) -> Preference:
        with naming_own_errors(f"aggregation {self._name}", RankingError, _HINT):
            found = self._function(judged.copy(), weights.copy())
        if not isinstance(found, Preference):
            self._refuse(f"it gives a {type(found).__name__}, not a Preference")
        order, value = np.asarray(found.order), np.asarray(found.value, np.float64)
        for what, array in (("order", order), ("value", value)):
            if array.shape != judged.shape[-2:]:
                self._refuse(f"{what} has the shape {array.shape}, not {judged.shape[-2:]}")
        if not np.issubdtype(order.dtype, np.integer):
            self._refuse(f"order is {order.dtype}, not whole numbers")
        if not np.isfinite(value).all():
            self._refuse("a value is no finite number")
        by_order = np.argsort(order, axis=0, kind="stable")
        steps = np.diff(np.take_along_axis(order, by_order, axis=0), axis=0)
        rises = np.diff(np.take_along_axis(value, by_order, axis=0), axis=0)
        if ((rises < 0) | ((rises == 0) != (steps == 0))).any():
            self._refuse("order and value do not put the images of a prompt in one order")
        return Preference(order.astype(np.int64), value)

    def _refuse(self, what: str) -> None:
        raise RankingError(f"aggregation {self._name}: {what}", hint=_HINT)

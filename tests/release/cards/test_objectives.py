"""The card of a model knows each objective that training has."""

from __future__ import annotations

from typing import get_args

from synpic.release.cards import model_card, training
from synpic.train.objectives import OBJECTIVES


def test_every_objective_can_be_published() -> None:
    assert set(model_card._OBJECTIVES) == set(OBJECTIVES)
    assert set(get_args(training._Objective.model_fields["name"].annotation)) == set(OBJECTIVES)

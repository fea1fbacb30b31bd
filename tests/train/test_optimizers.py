"""Learning rates against those of torch and transformers; optimizers by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from synpic.errors import MissingExtra
from synpic.train import optimizers
from synpic.train.optimizers import check_optimizer, open_optimizer, rate_at
from synpic.train.settings import OptimizerSettings


def settings(**changes: Any) -> OptimizerSettings:
    return OptimizerSettings(**{"learning_rate": 0.5, **changes})


@pytest.mark.parametrize("warmup", [0, 3])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_rates_are_those_of_the_schedules_of_transformers(schedule: str, warmup: int) -> None:
    """Ours begins with the first step of theirs that is not nothing."""
    mine = settings(schedule=schedule, warmup_steps=warmup)
    rates = [rate_at(step, 10, mine) for step in range(10)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = transformers.get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=10
    )
    expected = []
    for _ in range(10):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    if warmup:
        assert rates[:warmup] == pytest.approx([0.5 / 3, 1.0 / 3, 0.5])
    assert rates[warmup:] == pytest.approx(expected[warmup:])


def test_each_name_is_an_optimizer() -> None:
    weight = torch.ones(2, 2, requires_grad=True)
    adamw = open_optimizer(settings(weight_decay=0.25, betas=(0.5, 0.75)), [weight])
    assert type(adamw) is torch.optim.AdamW
    assert adamw.defaults["weight_decay"] == 0.25
    assert adamw.defaults["betas"] == (0.5, 0.75)
    adafactor = open_optimizer(settings(name="adafactor"), [weight])
    assert adafactor.defaults["relative_step"] is False
    assert adafactor.defaults["scale_parameter"] is False
    assert adafactor.defaults["lr"] == 0.5


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="bitsandbytes") as caught:
        check_optimizer(settings(name="adamw-8bit"))
    assert "synpic[8bit]" in str(caught.value.hint)

"""The log of a run, and what is told to trackers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from synpic.errors import MissingExtra
from synpic.train import track
from synpic.train.loop import train
from synpic.train.metrics import Metrics
from synpic.train.track import Log, check_trackers
from tests.train.conftest import Wanted


class Accelerator:
    """What a log asks of accelerate's."""

    def __init__(self, main: bool = True) -> None:
        self.is_main_process = main
        self.told: list[tuple[dict[str, Any], int]] = []
        self.config: dict[str, Any] = {}

    def init_trackers(self, project: str, config: dict[str, Any]) -> None:
        self.config = config

    def log(self, row: dict[str, Any], step: int) -> None:
        self.told.append((row, step))


def metrics(loss: float) -> Metrics:
    return Metrics(torch.tensor([2 * loss, 2.0, 3.0, 6.0, 0, 0, 0, 0, 0, 0]))


def test_a_row_for_each_step_and_means_of_the_last_fifty(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator()
    log = Log(tmp_path, wanted("sd"), accelerator, 0)
    for step in range(1, 61):
        log.add(step, metrics(float(step)), 0.1, 2.0)
    log.close()
    written = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in written] == list(range(1, 61))
    assert written[0].keys() == {"step", "loss", "error", "learning_rate", "norm", "seconds"}
    assert log.recent == pytest.approx(
        {"loss": sum(range(11, 61)) / 50, "error": 0.5, "learning_rate": 0.1, "norm": 2.0}
    )
    assert [step for _, step in accelerator.told] == list(range(1, 61))
    assert Log(tmp_path, wanted("sd"), accelerator, 60).recent == log.recent


def test_what_is_no_number_is_null_and_counts_in_no_mean(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator()
    log = Log(tmp_path, wanted("sd", "run.precision=fp16"), accelerator, 0)
    for step, norm in enumerate([float("inf"), float("nan"), 1.0, 3.0], 1):
        log.add(step, metrics(1.0), 0.1, norm)
    log.close()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    written = [json.loads(row, parse_constant=refuse) for row in lines]
    assert [row["norm"] for row in written] == [None, None, 1.0, 3.0]
    assert log.recent["norm"] == 2.0
    assert ["norm" in row for row, _ in accelerator.told] == [False, False, True, True]
    assert Log(tmp_path, wanted("sd"), accelerator, 4).recent["norm"] == 2.0
    assert "norm" not in Log(tmp_path, wanted("sd"), accelerator, 2).recent


def test_rows_beyond_the_checkpoint_are_dropped(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator()
    rows = [json.dumps({"step": step, "loss": step}) for step in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("\n".join([*rows, '{"step": 2, "lo', "7", ""]))
    log = Log(tmp_path, wanted("sd"), accelerator, 2)
    log.close()
    assert (tmp_path / "log.jsonl").read_text().splitlines() == rows[:2]
    assert log.recent == {"loss": 1.5}
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_only_the_main_process_writes(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator(main=False)
    log = Log(tmp_path / "out", wanted("sd"), accelerator, 0)
    log.add(1, metrics(1.0), 0.1, 1.0)
    log.close()
    assert not (tmp_path / "out").exists()
    assert not accelerator.told


def test_trackers_are_told_the_recipe_in_plain_values(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator()
    Log(tmp_path, wanted("sd", 'run.track=["wandb"]'), accelerator, 0).close()
    assert accelerator.config["objective.beta"] == 100.0
    assert accelerator.config["run.track"] == "['wandb']"
    assert accelerator.config["data.revision"] == "None"
    assert all(isinstance(one, int | float | str) for one in accelerator.config.values())


def test_a_tracker_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "get_available_trackers", list)
    check_trackers([])
    with pytest.raises(MissingExtra, match=r"run\.track: wandb is not installed") as caught:
        check_trackers(["wandb"])
    assert "synpic[wandb]" in str(caught.value.hint)


def test_tensorboard_has_the_curve(wanted: Wanted, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(wanted("sd", 'run.track=["tensorboard"]'), tmp_path)
    events = EventAccumulator(str(tmp_path / "synpic"))
    events.Reload()
    told = {one.step: one.value for one in events.Scalars("loss")}
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert told == pytest.approx({row["step"]: row["loss"] for row in rows}, rel=1e-6)
    assert len(told) == 2

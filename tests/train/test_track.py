"""The log of a run, and what is told to trackers."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.tracking import TensorBoardTracker

from synpic.engine.progress import Event
from synpic.errors import MissingExtra, Stopped, StorageError, TrainingError
from synpic.train import track
from synpic.train.metrics import Metrics
from synpic.train.track import Log, check_trackers
from synpic.train.training_loop import train
from tests.train.conftest import Wanted


class Accelerator:
    """What a log asks of accelerate's."""

    def __init__(self, main: bool = True) -> None:
        self.is_main_process = main
        self.told: list[tuple[dict[str, Any], int]] = []
        self.config: dict[str, Any] = {}
        self.trackers: list[Any] = []

    def init_trackers(
        self, project: str, config: dict[str, Any], init_kwargs: dict[str, Any]
    ) -> None:
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"step": 1, "loss": 1.0}\n{"step": 2, "loss": "one"}\n', r"log\.jsonl:2: loss: "),
        (b'{"step": 1, "loss": 1.0}\n{"step": 2, "lo', r"log\.jsonl:2: not JSON"),
        (b'{"step": 1}\n\xff\n', r"log\.jsonl:2: not JSON"),
        (b"\x89PNG\r\n", r"log\.jsonl:1: not JSON"),
        (b"[]\n", r"log\.jsonl:1: expected an object"),
        (b'{"step": 1}\n\n{"step": 2}\n', r"log\.jsonl:2: not JSON"),
        (b'{"step": 1}\n{"step": 3}\n', r"log\.jsonl:2: step 3, where step 2 is to come"),
        (b'{"step": 1}\n{"step": 1}\n', r"log\.jsonl:2: step 1, where step 2 is to come"),
        (b'{"step": 0}\n', r"log\.jsonl:1: step: "),
        (b'{"step": 1}\n', r"log\.jsonl: ends with step 1, and the checkpoint is of step 2"),
        (b'{"step": 5}\n', r"log\.jsonl: has no step, and the checkpoint is of step 2"),
        (b"", r"log\.jsonl: has no step"),
    ],
)  # fmt: skip
def test_a_log_that_is_damaged_or_lacks_rows(
    text: bytes, said: str, wanted: Wanted, tmp_path: Path
) -> None:
    accelerator: Any = Accelerator()
    (tmp_path / "log.jsonl").write_bytes(text)
    with pytest.raises(TrainingError, match=said) as caught:
        Log(tmp_path, wanted("sd"), accelerator, 2)
    assert "delete it" in str(caught.value.hint)
    assert (tmp_path / "log.jsonl").read_bytes() == text
    Log(tmp_path, wanted("sd"), accelerator, 0).close()  # of a run that begins anew
    assert (tmp_path / "log.jsonl").read_bytes() == b""


def test_a_log_that_was_deleted_begins_where_the_run_goes_on(
    wanted: Wanted, tmp_path: Path
) -> None:
    accelerator: Any = Accelerator()
    for step in (2, 3):
        log = Log(tmp_path, wanted("sd"), accelerator, step)
        log.add(step + 1, metrics(1.0), 0.1, 1.0)
        log.close()
    written = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in written] == [3, 4]


def test_a_full_disk_is_told(wanted: Wanted, tmp_path: Path) -> None:
    accelerator: Any = Accelerator()
    log = Log(tmp_path, wanted("sd"), accelerator, 0)
    log.close()
    with Path("/dev/full").open("w") as full:
        log._file = full
        with pytest.raises(StorageError, match="No space left"):
            log.add(1, metrics(1.0), 0.1, 1.0)
        with suppress(OSError):
            full.close()


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


def test_a_run_that_is_stopped_ends_for_its_trackers(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(TensorBoardTracker, "finish", lambda tracker: ended.append(tracker.name))
    stop = threading.Event()

    def at_the_first_step(event: Event) -> None:
        if event.stage == "train" and event.done == 1:
            stop.set()

    recipe = wanted("sd", "run.track=tensorboard", "run.steps=2")
    with pytest.raises(Stopped, match="after step 1 of 2"):
        train(recipe, tmp_path, listener=at_the_first_step, stop=stop)
    assert ended == ["tensorboard"]


def test_tensorboard_has_the_curve(wanted: Wanted, tmp_path: Path) -> None:
    """Of a run that lost two steps by a kill and took them again, each step once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Killed(BaseException):
        pass

    def at_four(event: Event) -> None:
        if event.stage == "train" and event.done == 4:
            raise Killed

    recipe = wanted("sd", "run.track=tensorboard", "run.steps=5", "run.save_every=2")
    with pytest.raises(Killed):
        train(recipe, tmp_path, listener=at_four)
    train(recipe, tmp_path)
    events = EventAccumulator(str(tmp_path / "synpic"))
    events.Reload()
    scalars = events.Scalars("loss")
    told = {one.step: one.value for one in scalars}
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert told == pytest.approx({row["step"]: row["loss"] for row in rows}, rel=1e-6)
    assert [one.step for one in scalars] == [1, 2, 3, 4, 5]

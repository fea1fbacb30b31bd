"""Devices: which there are, and what becomes of work on one that is lost."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from synpic import Workspace, generate_candidates, status
from synpic.engine.device import (
    free_memory,
    free_recent_memory,
    lost,
    older_objects_left_alone,
    pick_device,
)
from synpic.engine.workers.engines import Engine
from synpic.errors import DeviceLost, SynpicError
from tests.conftest import MakeRecipe, frozen_objects
from tests.engine.test_workers import made, nothing_twice
from tests.fakes import Painter

ILLEGAL = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be late"


class Loses(Painter):
    """Loses its device at a prompt; from then on nothing runs in this process any more."""

    gone = False

    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        type(self).gone |= "prompt 0-9" in prompts
        if self.gone:
            raise torch.AcceleratorError(ILLEGAL)
        return super().draw(prompts, *rest)  # type: ignore[arg-type]


def losing(folder: Path, recipe: MakeRecipe, prompts: int) -> Workspace:
    text = recipe(prompts=prompts)
    return Workspace.create(
        folder, text.replace("tests.fakes:Painter", "tests.engine.test_device:Loses", 1)
    )


def test_a_lost_device_ends_the_run_and_condemns_nothing(
    tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loses, "gone", False)
    workspace = losing(tmp_path / "set", recipe, 40)
    with pytest.raises(DeviceLost, match="an illegal memory access") as caught:
        generate_candidates(workspace, device="cpu")
    assert "might be late" not in str(caught.value)
    assert "--workers 2" in str(caught.value.hint)
    assert workspace.failures("generate").is_empty()
    done = [count.done for count in status(workspace).counts[:2]]
    assert 0 < done[0] < 40, "what was drawn before is kept"
    assert done[1] == 0, "the next model would have broken likewise"


@pytest.mark.slow
def test_workers_find_out_which_batch_it_is(tmp_path: Path, recipe: MakeRecipe) -> None:
    workspace = losing(tmp_path / "set", recipe, 16)
    report = generate_candidates(workspace, device="cpu", engine=Engine("local", workers=2))
    assert made(report) == [("a", 12, 4, 0), ("b", 16, 0, 0)]
    assert nothing_twice(workspace)
    (reason,) = workspace.failures("generate")["reason"].unique()
    assert reason.startswith("3 workers died while they ran it, the last one by the device is lost")
    assert "an illegal memory access" in reason


@pytest.mark.parametrize(
    ("error", "so"),
    [
        (torch.AcceleratorError(ILLEGAL), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (RuntimeError("CUDA error: invalid configuration argument"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (ValueError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_errors_after_which_nothing_runs(error: Exception, so: bool) -> None:
    assert lost(error) is so


@pytest.mark.parametrize("well", [True, False])
def test_in_other_words_the_device_itself_is_asked(
    monkeypatch: pytest.MonkeyPatch, well: bool
) -> None:
    def synchronize() -> None:
        if not well:
            raise torch.AcceleratorError("CUDA error: what came first is told again")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    assert lost(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")) is not well


def test_memory_of_a_lost_device_cannot_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def empty_cache() -> None:
        asked.append(True)
        raise torch.AcceleratorError(ILLEGAL)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    free_memory()
    assert asked


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def nothing_frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a program that has frozen no objects, which the tests' own does."""
    monkeypatch.setattr(gc, "get_freeze_count", frozen_objects)
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()


def test_older_objects_are_left_alone_where_all_memory_is_not_needed(nothing_frozen: None) -> None:
    gone: list[str] = []

    def dropped(name: str) -> None:
        weakref.finalize(Cycle(), gone.append, name)

    gc.disable()
    try:
        gc.collect()
        dropped("before")
        with older_objects_left_alone():
            dropped("within")
            free_recent_memory()
            assert gone == ["within"]
            free_memory()
            assert gone == ["within", "before"]
        dropped("after")
        free_recent_memory()
        assert gone[2:] == ["after"]
        assert frozen_objects() == 0
    finally:
        gc.enable()


def test_what_the_program_has_frozen_stays_frozen() -> None:
    frozen = frozen_objects()
    assert frozen
    with older_objects_left_alone():
        free_memory()
    free_memory()
    # What is freed otherwise leaves the count, too.
    assert frozen_objects() > frozen // 2


@pytest.mark.parametrize(("asked", "there"), [("cuda", True), ("cuda:1", True), ("cuda:2", False)])
def test_whoever_only_deals_out_work_takes_no_memory_of_a_device(
    monkeypatch: pytest.MonkeyPatch, asked: str, there: bool
) -> None:
    def empty(*arguments: object, **options: object) -> None:
        raise AssertionError("memory was taken")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "empty", empty)
    if there:
        assert Engine("local", workers=2).devices(asked) == [asked] * 2
    else:
        with pytest.raises(SynpicError, match="torch sees 2 CUDA devices"):
            Engine("local", workers=2).devices(asked)


def test_a_device_that_torch_does_not_know_is_refused() -> None:
    for use in (True, False):
        with pytest.raises(SynpicError, match="--device 'gpu'"):
            pick_device("gpu", use=use)

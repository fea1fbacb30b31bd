"""The processes of a run, and its folder: what they have to agree on before the first step."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, InitProcessGroupKwargs
from filelock import FileLock, Timeout

from synpic.errors import StorageError, TrainingError
from synpic.train.settings import TrainRecipe
from synpic.train.state import latest, step_of

__all__ = ["agreed_checkpoint", "anyone", "held", "open_accelerator"]

_OTHERS = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism config",
}
"""What ``accelerate config`` may have switched on for everything that it launches."""


def open_accelerator(recipe: TrainRecipe, out: Path) -> Accelerator:
    """One process, or several of which each has the whole model (DDP).

    What the environment says of accumulation and precision does not count: the recipe does.

    Raises:
        TrainingError: ``accelerate`` is set up to divide the model among processes.
    """
    for variable, name in _OTHERS.items():
        if os.environ.get(variable, "").lower() in ("true", "1"):
            raise _not_so(name)
    precision = recipe.run.precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
        # accelerate allows one precision a process; a run before this one may have had another.
        AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=precision,
        # The loop accumulates. Left to itself, accelerate would divide every loss once more by
        # ACCELERATE_GRADIENT_ACCUMULATION_STEPS, and change what is clipped.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        log_with=list(recipe.run.track) or None,
        project_dir=str(out),
        # One process fills the cache while the others wait.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=2))],
    )
    kind = str(accelerator.distributed_type.value)
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise _not_so(kind)
    return accelerator


def _not_so(name: str) -> TrainingError:
    return TrainingError(
        f"accelerate is set to {name}, and synpic trains whole models, one a process",
        hint="accelerate launch --multi_gpu --num_processes 8 -m synpic_cli train RECIPE; or put "
        "`accelerate config` right",
    )


def anyone(accelerator: Accelerator, stop: threading.Event | None) -> bool:
    """Whether any process has to stop: all of them have to leave after the same step."""
    mine = stop is not None and stop.is_set()
    if accelerator.num_processes == 1:
        return mine
    asked = torch.tensor(float(mine), device=accelerator.device)
    return bool(accelerator.reduce(asked, "sum").item() > 0)


def agreed_checkpoint(out: Path, accelerator: Accelerator) -> Path | None:
    """The newest checkpoint of the run in ``out``, which is the same for all processes.

    Raises:
        TrainingError: it is not.
    """
    mine = latest(out / "checkpoints")
    step = torch.tensor([-1 if mine is None else step_of(mine)], device=accelerator.device)
    found = {int(one) for one in accelerator.gather(step).tolist()}
    if len(found) > 1:
        said = " and ".join("none" if one < 0 else f"step {one}" for one in sorted(found))
        raise TrainingError(
            f"{out}: processes find different checkpoints in it: {said}",
            hint="--out must be a folder that all machines share",
        )
    return mine


@contextmanager
def held(out: Path, accelerator: Accelerator) -> Iterator[None]:
    """Keep other runs out of ``out``, for the time of the block.

    The lock is the operating system's and goes with the process, however that ends; the file
    ``.lock`` stays and says nothing. Where there are no such locks, nothing is kept out.

    Raises:
        TrainingError: another run has it.
        StorageError: the disk refuses.
    """
    if not accelerator.is_main_process:
        yield
        return
    path = out / ".lock"
    lock = FileLock(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.touch()  # where this is refused, the disk refuses; what a lock meets is another matter
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error}", hint="name another --out"
        ) from error
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"another run is at work in {out}: it holds {path}",
            hint="wait for it or stop it, or name another --out",
        ) from error
    except (OSError, NotImplementedError):
        pass  # a file system without locks
    try:
        yield
    finally:
        lock.release()

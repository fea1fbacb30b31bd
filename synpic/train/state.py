"""Checkpoints of a run: what is needed to go on as if nothing had happened.

Nothing random is kept. Every draw of a step is a function of the seed and the step's number, so
weights, the optimizer's state and the number are all there is.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from synpic.errors import StorageError, TrainingError
from synpic.readers.json_models import Record, read_json
from synpic.readers.safetensors_header import read_header

__all__ = ["checkpoint_at", "latest", "load_state", "save_state", "step_of"]


def save_state(
    folder: Path,
    step: int,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scaler: Any,
    decides: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write ``folder/step-<step>``, whole or not at all, and delete all but ``keep``.

    Args:
        step: steps done.
        scaler: of fp16's gradients; None without.
        decides: what a run may only be resumed with.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    target = checkpoint_at(folder, step)
    making = folder / f".step-{step:08d}.tmp"
    try:
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, making / _WEIGHTS)
        state = {"optimizer": optimizer.state_dict(), "scaler": scaler and scaler.state_dict()}
        torch.save(state, making / _OPTIMIZER)
        about = {"step": step, "decides": decides}
        (making / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        making.replace(target)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch's own writer raises RuntimeError when the disk is full, safetensors' its own.
        shutil.rmtree(making, ignore_errors=True)
        raise StorageError(
            f"{target}: the checkpoint cannot be written: {error}",
            hint="make room and run the command again: it goes on from the checkpoint before",
        ) from error
    for old in _all(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoint_at(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` steps lies, or would."""
    return folder / f"step-{step:08d}"


def step_of(path: Path) -> int:
    """Steps done at a checkpoint, by its name."""
    return int(path.name.rpartition("-")[2])


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint in ``folder``."""
    found = _all(folder)
    return found[-1] if found else None


def load_state(
    path: Path,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scaler: Any,
    decides: Mapping[str, Any],
) -> int:
    """Put a checkpoint's state in place; returns the number of steps done.

    Raises:
        TrainingError: it is of a run with other settings, or damaged.
    """
    try:
        about = _read_about(path)
        now = json.loads(json.dumps(decides))
        if about.decides != now:
            changed = ", ".join(_differences(about.decides, now))
            raise TrainingError(
                f"{path / _ABOUT}: decides: {path} is of a run with other settings: {changed}",
                hint="name another --out, or put the recipe back",
            )
        saved = _read_weights(path, weights)
        with torch.no_grad():
            for name, parameter in weights.items():
                parameter.copy_(saved[name])
        state = torch.load(path / _OPTIMIZER, map_location="cpu", weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        if scaler and state["scaler"]:
            scaler.load_state_dict(state["scaler"])
        return about.step
    except _Damaged as error:
        raise TrainingError(f"{path} cannot be read: {error.message}", hint=_HINT) from error
    except TrainingError:
        raise
    except Exception as error:
        # A damaged file fails in as many ways as it has readers.
        raise TrainingError(
            f"{path} cannot be read: {error}",
            hint=_HINT,
        ) from error


class _About(Record):
    """What ``state.json`` holds: steps done, and what the run may only be resumed with."""

    step: Annotated[int, Field(ge=0, lt=1 << 53)]
    decides: dict[str, Any]


def _read_about(path: Path) -> _About:
    """``state.json`` of the checkpoint at ``path``.

    Raises:
        TrainingError: naming it, and the key that is wrong.
    """
    data = (path / _ABOUT).read_bytes()
    about = read_json(_About, data, str(path / _ABOUT), error=_Damaged, hint=_HINT)
    if about.step != step_of(path):
        raise _Damaged(
            f"{path / _ABOUT}: step: {about.step}, in the folder of step {step_of(path)}",
            hint=_HINT,
        )
    return about


def _read_weights(path: Path, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the checkpoint at ``path``, which are just ``weights``.

    Raises:
        TrainingError: the file is damaged, or holds others.
    """
    file = path / _WEIGHTS
    header = read_header(file, error=_Damaged, hint=_HINT)
    for name in header.keys() ^ weights.keys():
        held = "holds" if name in header else "lacks"
        raise _Damaged(f"{file} {held} {name}, against the model that is trained", hint=_HINT)
    for name, entry in header.items():
        if entry.shape != list(weights[name].shape):
            wanted = list(weights[name].shape)
            raise _Damaged(f"{file}: {name} has shape {entry.shape}, not {wanted}", hint=_HINT)
    return load_file(file)


class _Damaged(TrainingError):
    """A checkpoint of which a file is damaged."""


_HINT = "delete that folder: the run goes on from the checkpoint before it"
_WEIGHTS, _OPTIMIZER, _ABOUT = "weights.safetensors", "optimizer.pt", "state.json"


def _all(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if re.fullmatch(r"step-[0-9]{8,}", path.name)]
    return sorted(found, key=step_of)


def _differences(before: Any, now: Any, where: str = "") -> list[str]:
    """Where two nested settings differ, as "a.b: 1, now 2"."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [f"{where} was {before!r}, now {now!r}"]
    found: list[str] = []
    for key in sorted(before.keys() | now.keys()):
        inner = f"{where}.{key}" if where else key
        found += _differences(before.get(key), now.get(key), inner)
    return found

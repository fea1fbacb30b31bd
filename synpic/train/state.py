"""Checkpoints of a run: what is needed to go on as if nothing had happened.

Nothing random is kept. Every draw of a step is a function of the seed and the step's number, so
weights, the optimizer's state and the number are all there is.

A checkpoint is a folder ``step-<8 digits>``. Its file ``SHA256SUMS`` has a hash of each of the
others, in the form of the command ``sha256sum``, and nothing is read that does not have its hash:
a wrong bit in a weight or a moment would be another run.
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

from synpic import ids
from synpic.errors import StorageError, TrainingError
from synpic.readers.json_models import Record, read_json
from synpic.readers.safetensors_header import read_header
from synpic.workspace.whole_folder import remove_folder, whole_folder

__all__ = ["checkpoint_at", "latest", "load_state", "save_state", "step_of", "unread"]


def save_state(
    folder: Path,
    step: int,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scaler: Any,
    resume_inputs: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write ``folder/step-<step>``, whole or not at all, and delete all but ``keep``.

    One that is there stays: the same step of a run has one state.

    Args:
        step: steps done.
        scaler: of fp16's gradients; None without.
        resume_inputs: what a run may only be resumed with.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    target = checkpoint_at(folder, step)
    for left in folder.glob(".step-*"):  # by a kill
        shutil.rmtree(left, ignore_errors=True)
    if not target.exists():
        _write(target, step, weights, optimizer, scaler, resume_inputs)
    for old in _all(folder)[:-keep]:
        remove_folder(old)
    return target


def _write(
    target: Path,
    step: int,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scaler: Any,
    resume_inputs: Mapping[str, Any],
) -> None:
    try:
        with whole_folder(target) as making:
            tensors = {name: one.detach().cpu().contiguous() for name, one in weights.items()}
            save_file(tensors, making / _WEIGHTS)
            state = {"optimizer": optimizer.state_dict(), "scaler": scaler and scaler.state_dict()}
            torch.save(state, making / _OPTIMIZER)
            about = {"step": step, "decides": resume_inputs}
            (making / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
            lines = [f"{ids.file_hash(making / name)}  {name}\n" for name in _FILES]
            (making / _SUMS).write_text("".join(lines), encoding="utf-8")
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch's own writer raises RuntimeError when the disk is full, safetensors' its own.
        raise StorageError(
            f"{target}: the checkpoint cannot be written: {error}",
            hint="make room and run the command again: it goes on from the checkpoint before",
        ) from error


def checkpoint_at(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` steps lies, or would."""
    return folder / f"step-{step:08d}"


def step_of(path: Path) -> int:
    """Steps done at a checkpoint, by its name."""
    return int(path.name.rpartition("-")[2])


def latest(folder: Path) -> Path | None:
    """The newest checkpoint in ``folder``, by its name."""
    found = _all(folder)
    return found[-1] if found else None


def unread(folder: Path) -> list[str]:
    """Names in ``folder`` that are no checkpoint's, hidden ones left out."""
    known = {path.name for path in _all(folder)}
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path.name for path in entries if path.name not in known and not path.name.startswith(".")
    )


def load_state(
    path: Path,
    weights: Mapping[str, Tensor],
    optimizer: Any,
    scaler: Any,
    resume_inputs: Mapping[str, Any],
) -> int:
    """Put a checkpoint's state in place; returns the number of steps done.

    Raises:
        TrainingError: it is of a run with other settings, or damaged.
    """
    try:
        about = _read_about(path)
        _require_hashes(path)
        now = json.loads(json.dumps(resume_inputs))
        if about.resume_inputs != now:
            changed = ", ".join(_differences(about.resume_inputs, now))
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
        raise TrainingError(f"{path} cannot be read: {error.message}", hint=_hint(path)) from error
    except TrainingError:
        raise
    except Exception as error:
        # A damaged file fails in as many ways as it has readers.
        raise TrainingError(f"{path} cannot be read: {error}", hint=_hint(path)) from error


class _About(Record):
    """What ``state.json`` holds: steps done, and what the run may only be resumed with."""

    step: Annotated[int, Field(ge=0, lt=1 << 53)]
    resume_inputs: dict[str, Any] = Field(alias="decides")


def _read_about(path: Path) -> _About:
    """``state.json`` of the checkpoint at ``path``.

    Raises:
        TrainingError: naming it, and the key that is wrong.
    """
    data = (path / _ABOUT).read_bytes()
    about = read_json(_About, data, str(path / _ABOUT), error=_Damaged, hint="")
    if about.step != step_of(path):
        raise _Damaged(
            f"{path / _ABOUT}: step: {about.step}, in the folder of step {step_of(path)}"
        )
    return about


def _require_hashes(path: Path) -> None:
    """Hold each file of the checkpoint at ``path`` to the hash that was written with it.

    Raises:
        TrainingError: naming the file that is another, or what is wrong with the hashes.
    """
    file = path / _SUMS
    if not file.exists():
        raise _Damaged(f"{file} is missing: the checkpoint is damaged, or is of an earlier synpic")
    written = {}
    for number, line in enumerate(file.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        found = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not found:
            raise _Damaged(f"{file}:{number}: no SHA-256 and name of a file: {line:.80}")
        written[found[2]] = found[1]
    for name in _FILES:
        if name not in written:
            raise _Damaged(f"{file}: has no line of {name}")
        if ids.file_hash(path / name) != written[name]:
            raise _Damaged(
                f"{path / name} is not what was written: it does not have the SHA-256 on its line "
                f"of {_SUMS}"
            )


def _read_weights(path: Path, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the checkpoint at ``path``, which are just ``weights``.

    Raises:
        TrainingError: the file is damaged, or holds others.
    """
    file = path / _WEIGHTS
    header = read_header(file, error=_Damaged, hint="")
    for name in header.keys() ^ weights.keys():
        held = "holds" if name in header else "lacks"
        raise _Damaged(f"{file} {held} {name}, against the model that is trained")
    for name, entry in header.items():
        if entry.shape != list(weights[name].shape):
            wanted = list(weights[name].shape)
            raise _Damaged(f"{file}: {name} has shape {entry.shape}, not {wanted}")
    return load_file(file)


class _Damaged(TrainingError):
    """A checkpoint of which a file is damaged; :func:`load_state` says what to do about it."""


_FILES = _WEIGHTS, _OPTIMIZER, _ABOUT = "weights.safetensors", "optimizer.pt", "state.json"
_SUMS = "SHA256SUMS"


def _hint(path: Path) -> str:
    """What to do about the checkpoint at ``path``, which is damaged."""
    before = [step_of(other) for other in _all(path.parent) if step_of(other) < step_of(path)]
    then = (
        f"goes on from step {before[-1]:,}" if before else "starts again: there is none before it"
    )
    return f"delete that folder: the run {then}"


def _all(folder: Path) -> list[Path]:
    # One name for each step, and no more digits than a step has.
    name = re.compile(r"step-([0-9]{8}|[1-9][0-9]{8,15})")
    return sorted(
        (path for path in folder.glob("step-*") if name.fullmatch(path.name)), key=step_of
    )


def _differences(before: Any, now: Any, where: str = "") -> list[str]:
    """Where two nested settings differ, as "a.b: 1, now 2"."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [f"{where} was {before!r}, now {now!r}"]
    found: list[str] = []
    for key in sorted(before.keys() | now.keys()):
        inner = f"{where}.{key}" if where else key
        found += _differences(before.get(key), now.get(key), inner)
    return found

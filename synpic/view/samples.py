"""Samples of a training run as a page shows them: a prompt's pictures, step after step.

``synpic/release/run_folder.py`` says which files ``synpic train`` writes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, TypeAdapter, ValidationError

from synpic import ids
from synpic.errors import TrainingError
from synpic.release.run_folder import LOG, SAMPLE_PROMPTS, SAMPLES, sampled_steps

__all__ = ["Samples", "find_samples"]


class _Drawn(BaseModel):
    prompt: str
    seed: int


_LIST = TypeAdapter(list[_Drawn])


def find_samples(where: object) -> Path | None:
    """The folder of a training run that ``where`` names, if it has samples."""
    if not isinstance(where, str | os.PathLike):
        return None
    try:
        folder = Path(where).expanduser()
        there = (folder / SAMPLES / SAMPLE_PROMPTS).is_file() and (folder / LOG).is_file()
        return folder if there else None
    except (OSError, RuntimeError, ValueError):  # too long; no such user; a NUL in it
        return None


class Samples:
    """What a run has drawn so far; a step whose sheet is not there yet is left out.

    Raises:
        TrainingError: the list of prompts is damaged.

    Attributes:
        prompts: prompt_id, prompt and split, in order of prompt_id.
        candidates: prompt_id, candidate_id, model (the step), sample, seed, sha256 ("": nothing
            notes what a sample's file holds) and failure.
    """

    def __init__(self, run: Path) -> None:
        folder = run / SAMPLES
        drawn = _read_list(folder / SAMPLE_PROMPTS)
        texts = {ids.prompt_id(one.prompt): one.prompt for one in drawn}
        self.prompts = pl.DataFrame(
            {"prompt_id": list(texts), "prompt": list(texts.values())},
            schema=dict.fromkeys(("prompt_id", "prompt"), pl.String()),
        ).with_columns(split=pl.lit("samples"))
        self.prompts = self.prompts.sort("prompt_id")
        self._files: dict[str, Path] = {}
        steps = sampled_steps(folder)
        width = max((len(str(step)) for step in steps), default=1)
        rows = [
            row
            for step, folder in steps.items()
            for row in self._of_step(folder, f"step {step:0{width}d}", drawn)
        ]
        self.candidates = pl.DataFrame(rows, _ROW)

    def read(self, candidate_id: str, sha256: str) -> bytes:
        """The file of a sample.

        Raises:
            TrainingError: it is gone.
        """
        path = self._files[candidate_id]
        try:
            return path.read_bytes()
        except OSError as error:
            raise TrainingError(
                f"{path} cannot be read: {error.strerror or error}",
                hint="open the page again: the run may have been begun anew",
            ) from error

    def read_all(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """The files of (candidate_id, sha256) pairs, as :meth:`read` gives each."""
        return [self.read(*one) for one in wanted]

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """``wanted``: each is a file of its own."""
        return list(wanted)

    def _of_step(self, folder: Path, name: str, drawn: list[_Drawn]) -> list[dict[str, Any]]:
        rows = []
        seen: Counter[str] = Counter()
        for number, one in enumerate(drawn):
            path = folder / f"{number}.png"
            there = path.is_file()
            changed = path.stat().st_mtime_ns if there else 0
            # A run that is begun anew draws other pictures under the same names.
            id_ = ids.sha256(f"{folder.name} {number} {changed}".encode())[:32]
            prompt_id = ids.prompt_id(one.prompt)
            rows.append(
                {
                    "prompt_id": prompt_id,
                    "candidate_id": id_,
                    "model": name,
                    "sample": seen[prompt_id],
                    "seed": one.seed,
                    "sha256": "" if there else None,
                    "failure": None if there else f"{path.name} is gone",
                }
            )
            seen[prompt_id] += 1
            self._files[id_] = path
        return rows


_ROW = {
    **dict.fromkeys(("prompt_id", "candidate_id", "model"), pl.String()),
    "sample": pl.Int32(),
    "seed": pl.Int64(),
    **dict.fromkeys(("sha256", "failure"), pl.String()),
}


def _read_list(path: Path) -> list[_Drawn]:
    try:
        return _LIST.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise TrainingError(
            f"{path} cannot be read: {said}",
            hint="`synpic train` writes it anew with the next samples",
        ) from error

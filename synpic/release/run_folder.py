"""Names of files in the folder of a training run: what training writes, and a page reads.

log.jsonl                          a row for each step
samples/prompts.json               a list of {prompt, seed}
samples/step-NNNNNNNN/I.png        of each step, the picture of the I-th of them
samples/step-NNNNNNNN.png          a sheet of them all, written last: the step is whole
evaluations/                       a workspace: the base and each evaluated step, and their images
evaluations/models/step-NNNNNNNN/  the model after that step
evaluations/step-NNNNNNNN.json     what was found of it, written last: it is not evaluated again
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = [
    "EVALUATIONS",
    "LOG",
    "SAMPLES",
    "SAMPLE_PROMPTS",
    "SAMPLE_SHEET",
    "finished_evaluations",
    "sampled_steps",
    "step_name",
]

LOG = "log.jsonl"
EVALUATIONS = "evaluations"
SAMPLES = "samples"
SAMPLE_PROMPTS = "prompts.json"
"""In ``SAMPLES``."""
SAMPLE_SHEET = "samples.png"
"""In the model's folder: samples before and after training, which its card shows."""

_SHEET = re.compile(r"step-([0-9]+)")


def step_name(step: int) -> str:
    """The name of a step's folder of pictures, and of its sheet without the ending."""
    return f"step-{step:08d}"


def sampled_steps(samples: Path) -> dict[int, Path]:
    """Step → its folder of pictures, in order of steps, of the steps that are whole.

    Args:
        samples: the folder ``SAMPLES`` of a run.
    """
    sheets = ((sheet, _SHEET.fullmatch(sheet.stem)) for sheet in samples.glob("step-*.png"))
    found = {int(name[1]): sheet.with_suffix("") for sheet, name in sheets if name}
    return dict(sorted(found.items()))


def finished_evaluations(evaluations: Path) -> list[int]:
    """The steps that were evaluated, in order.

    Args:
        evaluations: the folder ``EVALUATIONS`` of a run.
    """
    names = (_SHEET.fullmatch(one.stem) for one in evaluations.glob("step-*.json"))
    return sorted(int(name[1]) for name in names if name)

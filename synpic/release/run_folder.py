"""Names of files in the folder of a training run: what training writes, and a page reads.

log.jsonl                          a row for each step
samples/prompts.json               a list of {prompt, seed}
samples/step-NNNNNNNN/I.png        of each step, the picture of the I-th of them
samples/step-NNNNNNNN.png          a sheet of them all, written last: the step is whole
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["LOG", "SAMPLES", "SAMPLE_PROMPTS", "sampled_steps", "step_name"]

LOG = "log.jsonl"
SAMPLES = "samples"
SAMPLE_PROMPTS = "prompts.json"
"""In ``SAMPLES``."""

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

"""``python benchmarks/generate.py --full``: the large models, saved where they can be opened."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import large
from benchmarks.drawing import Job
from synpic.engine.device import free_memory
from synpic.generate.image_model import complete
from synpic.recipe.settings import ModelSettings
from tests.generate import tiny

__all__ = ["MODELS", "opened"]

MODELS = ("sdxl", "sd3", "pixart_sigma")
_REGISTERED = {"sd3": "sd3_medium"}


@contextmanager
def opened(name: str, options: argparse.Namespace) -> Iterator[Job]:
    """A job for the model, its weights on the disk for as long as it lasts."""
    with tempfile.TemporaryDirectory() as folder:
        location = (tiny if options.tiny else large).save(name, Path(folder) / name)
        free_memory()
        yield Job(settings(name, options), location, options.device, options.images)
    free_memory()


def settings(name: str, options: argparse.Namespace) -> ModelSettings:
    """As registered, in bfloat16: steps and guidance decide how long an image takes."""
    registered = complete(_REGISTERED.get(name, name), ModelSettings())
    return ModelSettings(
        family=registered.family,
        dtype="bfloat16",
        sizes=[f"{tiny.SIDE}x{tiny.SIDE}"] if options.tiny else registered.sizes,
        steps=options.steps or registered.steps,
        guidance=registered.guidance,
    )

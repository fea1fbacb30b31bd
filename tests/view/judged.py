"""Workspaces with a suite of the embedded world, whose judge has looked at pictures of scenes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import synpic
from synpic.pipeline.inventory import take_inventory
from synpic.prompts.cache import ensure_prompts
from synpic.score.judges.judge import Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import Scene, to_image
from synpic.workspace import Workspace
from tests.publish import fixtures
from tests.view.hostile import IMAGE

MODELS = ("tuned", "base", "other")
"""In the order of the recipe: the base is not the first, nor the first by name."""

REWARDS = "".join(
    f'[rewards.{name}]\nreward = "tests.publish.fixtures:{name}"\n' for name in fixtures.REWARDS
)
COMPARE = '[compare]\nbase = "base"\nrewards = ["redness"]\n'


def is_right(row: dict[str, Any]) -> bool:
    """Whether a wanted image is to show what its prompt asks for."""
    return fixtures.hashed_score("right", row) < 0.5


def build(
    root: Path, *, limit: int = 16, samples: int = 1, models: int = 2, more: str = REWARDS + COMPARE
) -> Workspace:
    """Pictures that are right where :func:`is_right` says so, and empty where not; judged.

    The first wanted image is not there.
    """
    text = f'[suite]\nname = "shapes"\nlimit = {limit}\nimages = {samples}\n'
    text += "[judges.shapes]\n"

    for number, name in enumerate(MODELS[:models]):
        text += f'[models.{name}]\nmodel = "shapes_unet"\nsteps = {number + 2}\n'
    workspace = Workspace.create(root, text + more)
    ensure_prompts(workspace.snapshot())
    first = take_inventory(workspace).wanted_candidates()["candidate_id"][0]
    fixtures.fill(workspace, draw=_draw, keep=lambda row: row["candidate_id"] != first)
    synpic.score_candidates(workspace)
    return workspace


def _draw(row: dict[str, Any]) -> bytes:
    rng = np.random.default_rng(int(row["candidate_id"][:8], 16))
    scene = illustrate(parse(row["prompt"]), rng) if is_right(row) else Scene("grey", ())
    buffer = io.BytesIO()
    to_image(scene).save(buffer, "PNG")
    return buffer.getvalue()


def hostile(asked: Requirement, image: Image.Image) -> Verdict:
    """Wrong, for a reason that tries to be markup."""
    return Verdict(False, 0.25, (), IMAGE)


def brightness(asked: Requirement, image: Image.Image) -> Verdict:
    """A score alone."""
    score = float(np.asarray(image).mean()) / 255
    part = VerdictPart("mean", "how bright?", f"{score:.3f}", score, True)
    return Verdict(None, score, (part,), "")

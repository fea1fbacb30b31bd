"""Workspaces of three models with telling names, and raters who ask the server by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synpic.workspace import Workspace
from tests.publish import fixtures
from tests.view.making import sample_prompts

MODELS = ("alpha", "beta", "gamma")


def build(root: Path, prompts: Sequence[str] | int = 12, **options: object) -> Workspace:
    texts = sample_prompts(prompts) if isinstance(prompts, int) else list(prompts)
    return fixtures.build(root, [(text, "train") for text in texts], **options)  # type: ignore[arg-type]

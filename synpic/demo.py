"""``synpic demo``: the main job on the embedded world, from prompts to a published folder."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from synpic.engine.progress import Listener
from synpic.publish import Release, publish_to
from synpic.rankings import RankedSet, rank_candidates
from synpic.recipes import preset
from synpic.steps import generate_candidates, init_workspace, score_candidates
from synpic.workspace import Workspace

__all__ = ["Demo", "run_demo"]

QUICK_PROMPTS = 48


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Args:
        picture: a contact sheet of example rankings, PNG.
        load_line: Python that loads the result.
    """

    workspace: Workspace
    ranked: RankedSet
    release: Release
    picture: Path
    load_line: str


def run_demo(
    folder: str | Path = "synpic-demo",
    *,
    quick: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Demo:
    """Make ``folder/workspace`` and ``folder/dataset``. Stopped and called again, it goes on.

    Args:
        quick: fewer prompts.

    Raises:
        Stopped: ``stop`` was set; what was made is kept.
        SynpicError: as the steps do.
    """
    folder = Path(folder)
    root = folder / "workspace"
    text = preset("shapes")
    if quick:
        text = text.replace("count = 300", f"count = {QUICK_PROMPTS}")
    if (root / "recipe.toml").exists():
        workspace = Workspace.open(root)
    else:
        workspace = init_workspace(root, text)
    generate_candidates(workspace, listener=listener, stop=stop).raise_if_unfinished()
    score_candidates(workspace, listener=listener, stop=stop).raise_if_unfinished()
    release = publish_to(workspace, folder / "dataset")
    return Demo(
        workspace=workspace,
        ranked=rank_candidates(workspace),
        release=release,
        picture=folder / "dataset" / "pictures" / "examples.png",
        load_line=f'datasets.load_dataset("{folder / "dataset"}", "ranked", split="train")',
    )

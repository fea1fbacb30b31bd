"""``synpic demo``: the main job on the embedded world, from prompts to a published folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synpic.engine.progress import Listener
from synpic.errors import Stopped, WorkspaceError
from synpic.publish import Release, publish_to
from synpic.recipe import parse_recipe
from synpic.recipes import preset
from synpic.shapes.selection import Share, judged, verdict
from synpic.steps import generate_candidates, init_workspace, score_candidates
from synpic.workspace import RECIPE, Workspace

__all__ = ["Demo", "run_demo"]

QUICK_PROMPTS = 48


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Args:
        verdict: what the ranking selects, said by the world's judge, which had no part in it:
            rule → how often the image that it picks of a prompt shows just what was asked for.
    """

    workspace: Workspace
    release: Release
    verdict: Mapping[str, Share]


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
        WorkspaceError: ``folder`` holds a demo of another size.
        Stopped: ``stop`` was set; what was made is kept.
        SynpicError: as the steps do.
    """
    root = Path(folder) / "workspace"
    text = _recipe(quick)
    workspace = Workspace(root)
    if not workspace.store.exists(RECIPE):
        workspace = init_workspace(root, text)
    elif workspace.recipe_text != text:
        raise WorkspaceError(
            f"{root} was made from another recipe", hint="name another folder for this demo"
        )
    for step in (generate_candidates, score_candidates):
        report = step(workspace, listener=listener, stop=stop)
        if report.stopped:
            raise Stopped("stopped; everything finished so far is kept", hint="run the demo again")
        report.raise_if_unfinished()
    release = publish_to(workspace, Path(folder) / "dataset")
    return Demo(workspace, release, verdict(judged(release.ranked)))


def _recipe(quick: bool) -> str:
    text = preset("shapes")
    if not quick:
        return text
    prompts = parse_recipe(text).prompts
    assert prompts is not None
    count = f"count = {prompts.count}\n"
    assert text.count(count) == 1
    return text.replace(count, f"count = {QUICK_PROMPTS}\n")

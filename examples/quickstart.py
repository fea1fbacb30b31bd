"""From prompts to a dataset that loads, from Python, on the embedded world of coloured shapes.

    python examples/quickstart.py              # into ./quickstart: 48 prompts, 192 images
    python examples/quickstart.py FOLDER 300

Kill it and run it again: it goes on where it was left. It needs no GPU and downloads nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from datasets import load_dataset

import synpic
from synpic.rank import win_rate_by_model

RECIPE = """
[prompts]
world = "shapes"
count = {count}

[models.shapes_mmdit]
samples = 2

[models.shapes_unet]
samples = 2

[rewards.shapes_alignment]

[rewards.shapes_quality]
weight = 0.5

[records]
configs = ["ranked", "scores", "pairwise"]
"""


def main(folder: Path, count: int) -> None:
    """Make ``folder/set`` and ``folder/dataset``, and look at what came out."""
    root = folder / "set"
    if (root / "recipe.toml").exists():
        workspace = synpic.Workspace.open(root)
    else:
        workspace = synpic.init_workspace(root, RECIPE.format(count=count))

    planned = synpic.validate(workspace)
    print(f"{planned.prompts} prompts, {planned.images} images, {planned.scores} scores")

    # Each step makes what is missing, and says at its end if anything is broken or failed.
    synpic.generate_candidates(workspace).raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()

    ranked = synpic.rank_candidates(workspace)
    print(win_rate_by_model(ranked.ranking))

    release = synpic.publish_to(workspace, folder / "dataset")
    pairs = load_dataset(str(release.directory), "pairwise", split="train")
    print(f"{len(pairs)} pairs; the first: {pairs[0]['prompt']!r}")
    print(f"  chosen from {pairs[0]['chosen_model']}, rejected from {pairs[0]['rejected_model']}")


if __name__ == "__main__":
    try:
        main(
            Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart"),
            int(sys.argv[2]) if len(sys.argv) > 2 else 48,
        )
    except synpic.SynpicError as error:
        sys.exit(f"{error.message}\n{error.hint or ''}")

"""The pictures of the documentation.

    python -m research.shapes.pictures docs/pictures

Writes ``shapes-world.png``, rendered scenes, and ``shapes-models.png``: for twelve prompts of the
test split, two of each task, a rendered scene above and each model's picture below, the best first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.measure import KNOWN, draw_all, weights
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import random_scene, sheet, to_image

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/shapes.md.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    scenes = [to_image(random_scene(rng)) for _ in range(36)]
    sheet(scenes, columns=12, zoom=2).save(folder / "shapes-world.png", optimize=True)
    texts = [text for text, _ in prompts(12, 0, "test")]
    rows = [to_image(illustrate(parse(text), rng)) for text in texts]
    for name, known in KNOWN.items():
        rows += draw_all(weights(name), texts, 0, known.settings)
    sheet(rows, columns=12, zoom=2).save(folder / "shapes-models.png", optimize=True)


if __name__ == "__main__":
    main()

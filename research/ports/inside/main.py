"""Scores by a class of a package, for every prompt and every picture of a folder.

    python -I main.py TOLD

TOLD is a JSON file: ``code`` ("module:class", beside this file), ``root`` (the folder of weights),
``pictures``, ``prompts``, ``together`` and ``scores``, the file to write. Nothing of synpic is
imported here.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def main(told: dict[str, Any]) -> None:
    """Write a row for each prompt, in it a score for each picture."""
    images = [opened(path) for path in told["pictures"]]
    module, _, name = told["code"].partition(":")
    place = Path(__file__).parent / module
    sys.path.insert(0, str(place.parent))
    model = getattr(importlib.import_module(place.stem), name)(told["root"])
    prompts = told["prompts"]
    if told["together"]:
        columns = [model.score(prompts, [image] * len(prompts)) for image in images]
        found = [list(row) for row in zip(*columns, strict=True)]
    else:
        found = [[model.score([prompt], [image])[0] for image in images] for prompt in prompts]
    Path(told["scores"]).write_text(json.dumps(found))


def opened(path: str) -> Image.Image:
    """A picture, which knows its file: some packages take paths alone."""
    image = Image.open(path).convert("RGB")
    image.info["path"] = path
    return image


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))

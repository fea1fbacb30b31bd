"""One port beside synpic: opened one after the other, so that one model is in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from research.ports import weights
from research.ports.comparison import compare
from research.ports.pictures import PROMPTS, pictures
from research.ports.port import Port, rows, versions_of

__all__ = ["run", "shown"]


def run(port: Port, root: Path) -> dict[str, Any]:
    """What a port's scores are beside synpic's.

    Args:
        root: for weights; what is there is used again.

    Raises:
        SynpicError: its environment cannot be made, or it cannot be opened there.
        ValueError: it gives no scores.
    """
    root.mkdir(parents=True, exist_ok=True)
    for kind in port.weights:
        weights.make(kind, root)
    images, files = shown(root)
    theirs = port.theirs(root, files, PROMPTS)
    ours = rows(port.ours(root), PROMPTS, images, port.together)
    found = compare(ours, theirs, port.scale)
    row: dict[str, Any] = {
        "port": port.name,
        "package": port.package,
        "reward": port.reward,
        "mechanisms": port.mechanisms,
        "scale": port.scale,
        "changed": port.changed,
        **found.to_dict(),
        "versions": versions_of(port.python()),
    }
    if port.alike is not None:
        alike = rows(port.alike(root), PROMPTS, images, port.together)
        row["left"] = compare(alike, theirs, port.scale).largest
    return row


def shown(root: Path) -> tuple[list[Image.Image], Sequence[Path]]:
    """The pictures, and files of the very same pixels, which are made once."""
    folder = root / "pictures"
    if not folder.exists():
        hidden = root / ".pictures"
        hidden.mkdir(exist_ok=True)
        for number, image in enumerate(pictures()):
            image.save(hidden / f"{number:03}.png", compress_level=1)
        hidden.rename(folder)
    files = sorted(folder.iterdir())
    return [Image.open(file).convert("RGB") for file in files], files

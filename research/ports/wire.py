"""What JPEG turns: pictures scored as they are, and after a way through JPEG.

python -m research.ports.wire DIR FILE
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from research.people import make
from research.ports import ours, weights
from research.ports.comparison import compare
from research.ports.mechanisms import jpeg
from research.ports.page import put
from research.ports.pictures import KINDS, PROMPTS, one_size
from research.ports.port import rows
from synpic import shapes
from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import decode
from synpic.score.two_stage import TwoStageReward
from synpic.shapes.alignment import Alignment
from synpic.shapes.learned import ShapesClip
from synpic.shapes.quality import Quality

__all__ = ["QUALITIES", "through_jpeg"]

QUALITIES = (75, 85, 95)
SIZES = (256, 512, 1024)
COUNT = 12
ENLARGED = (1, 8, 32)
"""How often a pixel of the embedded world is repeated: 32, 256 and 1024 pixels a side."""

RANDOM: Mapping[str, tuple[str, Callable[[Path], Any]]] = {
    "pickscore": ("clip_h", ours.pickscore),
    "hpsv2": ("hpsv2", ours.hpsv2),
    "imagereward": ("blip", ours.imagereward),
    "aesthetic": ("clip_l", ours.aesthetic),
}

CLIP = Path(shapes.__file__).parent / "weights" / "clip"

TRAINED: Mapping[str, Callable[[], Any]] = {
    "shapes_clip": lambda: ShapesClip(str(CLIP), None, "cpu"),
    "shapes_alignment": Alignment,
    "shapes_quality": Quality,
}


def through_jpeg(
    reward: TwoStageReward, prompts: Sequence[str], images: Sequence[Image.Image]
) -> dict[str, dict[str, Any]]:
    """Quality → how far scores of JPEGs are from those of the pictures themselves."""
    plain = rows(reward, prompts, images)
    found = {}
    for quality in QUALITIES:
        sent = [jpeg(image, quality) for image in images]
        found[str(quality)] = _cell(plain, rows(reward, prompts, sent))
    return found


def _row(
    reward: str, kind: str, size: int, found: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    case = f"{reward}, {kind}, {size}"
    return {"case": case, "reward": reward, "kind": kind, "size": size, **found}


def of_the_world(folder: Path) -> list[dict[str, Any]]:
    """Pictures of the embedded world, drawn by its models, under its rewards.

    Each prompt has four pictures of its own, which are compared with each other.
    """
    workspace = make(folder, 60)
    inventory = take_inventory(workspace)
    candidates = inventory.candidates()
    keys = list(candidates.select("candidate_id", "sha256").iter_rows())
    images = [decode(data) for data in workspace.images(inventory.image_folders()).read(keys)]
    prompts = candidates["prompt"].to_list()
    found = []
    for reward, opened in TRAINED.items():
        score = opened().score
        for times in ENLARGED:
            shown = [_enlarged(image, times) for image in images]
            plain = _by_prompt(prompts, score(prompts, shown))
            cells = {}
            for quality in QUALITIES:
                sent = [jpeg(image, quality) for image in shown]
                cells[str(quality)] = _cell(plain, _by_prompt(prompts, score(prompts, sent)))
            found.append(_row(reward, "embedded world", 32 * times, cells))
    return found


def _cell(plain: Sequence[Sequence[float]], sent: Sequence[Sequence[float]]) -> dict[str, Any]:
    return compare(plain, sent).to_dict()


def _by_prompt(prompts: Sequence[str], scores: Sequence[float]) -> list[list[float]]:
    kept: dict[str, list[float]] = {}
    for prompt, score in zip(prompts, scores, strict=True):
        kept.setdefault(prompt, []).append(score)
    return list(kept.values())


def _enlarged(image: Image.Image, times: int) -> Image.Image:
    size = (image.width * times, image.height * times)
    return image.resize(size, Image.Resampling.NEAREST)


def main(root: Path, file: Path) -> None:
    """Random weights on made pictures, then the embedded world's rewards on its pictures."""
    root.mkdir(parents=True, exist_ok=True)
    put(file, "jpeg", of_the_world(root / "world"))
    for kind in KINDS:
        for size in SIZES:
            images = one_size(kind, size, COUNT)
            for reward, (made, opened) in RANDOM.items():
                weights.make(made, root)
                found = through_jpeg(opened(root), PROMPTS[:1], images)
                put(file, "jpeg", [_row(reward, kind, size, found)])
                print(reward, kind, size, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

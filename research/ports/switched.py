"""What each mechanism does to a score of synpic, alone: the reward as it is, and with it.

python -m research.ports.switched DIR FILE
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.ports import mechanisms, ours, weights
from research.ports.comparison import compare
from research.ports.page import put
from research.ports.pictures import PROMPTS
from research.ports.port import rows
from research.ports.run import shown
from research.ports.weights import CLIP_H, CLIP_L

__all__ = ["SWITCHES", "Switch", "switched"]


@dataclass(frozen=True)
class Switch:
    """One mechanism on one reward.

    Attributes:
        mechanism: in words.
        reward: of synpic.
        weights: what has to be made.
        plain: opens the reward as it is.
        change: opens it with the mechanism.
        together: whether a picture is scored with all prompts in one batch.
    """

    mechanism: str
    reward: str
    weights: str
    plain: Callable[[Path], Any]
    change: Callable[[Path], Any]
    together: bool = False


SWITCHES = (
    Switch(
        "the middle of a picture is cropped where the authors pad",
        "hpsv2",
        "hpsv2",
        ours.hpsv2,
        lambda root: mechanisms.with_pixels(ours.hpsv2(root), mechanisms.cropped()),
    ),
    Switch(
        "GELU for QuickGELU",
        "clip_score",
        "clip_l",
        ours.clip_score,
        lambda root: mechanisms.with_gelu(ours.clip_score(root)),
    ),
    Switch(
        "a bilinear resize for a bicubic one",
        "clip_score",
        "clip_l",
        ours.clip_score,
        lambda root: mechanisms.with_pixels(
            ours.clip_score(root), mechanisms.in_tensors(mechanisms.BILINEAR)
        ),
    ),
    Switch(
        "a bicubic resize of floats for one of 8-bit pixels",
        "pickscore",
        "clip_h",
        ours.pickscore,
        lambda root: mechanisms.with_pixels(ours.pickscore(root), mechanisms.in_tensors()),
    ),
    Switch(
        "transformers' image processor by torchvision, the default since 5, for Pillow",
        "pickscore",
        "clip_h",
        ours.pickscore,
        lambda root: mechanisms.backend(ours.pickscore(root), str(root / CLIP_H), "torchvision"),
    ),
    Switch(
        "transformers' crop for torchvision's where a margin is odd",
        "aesthetic",
        "clip_l",
        ours.aesthetic,
        lambda root: mechanisms.backend(ours.aesthetic(root), str(root / CLIP_L), "pil"),
    ),
    Switch(
        "the paper's prefix before every prompt",
        "clip_score",
        "clip_l",
        ours.clip_score,
        lambda root: mechanisms.prefixed(ours.clip_score(root), "A photo depicts "),
    ),
    Switch(
        "the batch's maximum for the prompt's own",
        "mps",
        "mps",
        ours.mps,
        lambda root: mechanisms.batch_maximum(ours.mps(root)),
        together=True,
    ),
    Switch(
        "threshold 0.01 for 0.3",
        "mps",
        "mps",
        ours.mps,
        lambda root: ours.mps(root, 0.01),
    ),
    Switch(
        "M-RoPE for sequential positions",
        "hpsv3",
        "hpsv3",
        ours.hpsv3,
        lambda root: ours.hpsv3(root, "mrope"),
    ),
)


def switched(switch: Switch, root: Path) -> dict[str, Any]:
    """What a mechanism does."""
    root.mkdir(parents=True, exist_ok=True)
    weights.make(switch.weights, root)
    images, _ = shown(root)
    plain, changed = (
        rows(opened(root), PROMPTS, images, switch.together)
        for opened in (switch.plain, switch.change)
    )
    found = compare(plain, changed).to_dict()
    return {"mechanism": switch.mechanism, "reward": switch.reward, **found}


def main(root: Path, file: Path) -> None:
    """Run all, and put them into a file."""
    for switch in SWITCHES:
        row = switched(switch, root)
        print(row, file=sys.stderr, flush=True)
        put(file, "mechanisms", [row])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""``make parity``: rewards of synpic and of their authors' packages, at full size, side by side.

    python -m tests.parity.compare PYTHON [REWARD …]

Run by synpic's own python; PYTHON is that of the environment of requirements.txt. Both load the
same files of random weights, each through its own front door. Exits with 1 where they disagree.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from synpic.readers.images import decode
from synpic.score.hpsv2 import HPSv2
from synpic.score.imagereward import ImageReward
from synpic.score.two_stage import TwoStageReward
from tests.parity.inputs import PROMPTS, encoded, picture

ROOT = Path(__file__).parent.parent.parent

TOLERANCE = 1e-5
"""Of a score of up to 1 in size; relative beyond."""

SPREAD = 200 * TOLERANCE
"""What the standard deviation of scores has to exceed, or agreement would show little."""

STIR = 100 * TOLERANCE
"""What two prompts have to be apart on one picture, in the median, for the same reason."""

BATCH = 5

PICTURES: Sequence[tuple[int, int, str, str]] = (
    (512, 512, "RGB", "PNG"),
    (224, 224, "RGB", "PNG"),
    (1024, 768, "RGB", "JPEG"),
    (640, 1100, "RGB", "WEBP"),
    (1280, 301, "RGB", "PNG"),
    (225, 223, "RGB", "PNG"),
    (64, 64, "RGB", "PNG"),
    (17, 90, "RGB", "PNG"),
    (400, 300, "L", "PNG"),
    (333, 500, "P", "PNG"),
    (512, 384, "RGBA", "PNG"),
    (300, 300, "LA", "PNG"),
    (256, 320, "I;16", "PNG"),
    (500, 400, "CMYK", "JPEG"),
)
"""Width, height, mode and kind of file."""

OPEN: dict[str, Callable[[Path], TwoStageReward]] = {
    "hpsv2": lambda folder: HPSv2(str(folder / "checkpoint"), None, "cpu"),
    "imagereward": lambda folder: ImageReward(
        str(folder / "checkpoint"), None, "cpu", str(folder / "bert-base-uncased")
    ),
}


def main(python: str, rewards: Sequence[str]) -> int:
    """Compare ``rewards``; 0 if all agree."""
    failed = [reward for reward in rewards if not agrees(python, reward)]
    print(f"\n{', '.join(failed)}: NOT EQUAL" if failed else "\nall equal")
    return 1 if failed else 0


def agrees(python: str, reward: str) -> bool:
    """Let upstream score and then synpic, and print a table."""
    with tempfile.TemporaryDirectory(prefix="synpic-parity-") as temporary:
        folder = Path(temporary)
        titles, prompts, images = [], [], []
        for number, (width, height, mode, kind) in enumerate(PICTURES):
            # Upstream fails on some modes, and takes what it does not know for RGB. It is shown
            # what synpic makes of a file, so that what follows is compared and nothing else.
            image = decode(encoded(picture(number, width, height), mode, kind))
            image.save(folder / f"{number}.png")
            for prompt in (PROMPTS[number % len(PROMPTS)], PROMPTS[(number + 3) % len(PROMPTS)]):
                titles.append(f"{width}×{height} {mode} {kind}")
                prompts.append(prompt)
                images.append((f"{number}.png", image))
        pairs = [{"prompt": p, "image": i[0]} for p, i in zip(prompts, images, strict=True)]
        (folder / "pairs.json").write_text(json.dumps(pairs))

        module = "tests.parity.at_full_size"
        subprocess.run(
            [python, "-W", "ignore", "-m", module, reward, temporary],
            check=True,
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
        )
        said = json.loads((folder / "scores.json").read_text())
        begun = time.monotonic()
        judge = OPEN[reward](folder)
        ours: list[float] = []
        for start in range(0, len(prompts), BATCH):
            some = slice(start, start + BATCH)
            ours += judge.score(prompts[some], [image for _, image in images[some]])
        seconds = time.monotonic() - begun

    theirs: list[float] = said["scores"]
    apart = [abs(o - t) / max(1.0, abs(t)) for o, t in zip(ours, theirs, strict=True)]
    spread = statistics.stdev(theirs)
    # Pictures come twice in a row, with two prompts.
    stir = statistics.median(abs(a - b) for a, b in zip(theirs[::2], theirs[1::2], strict=True))
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    print(f"\n{reward}, beside {versions}")
    print(f"{'picture':24}{'prompt':32}{'upstream':>13}{'synpic':>13}{'apart':>10}")
    for row in zip(titles, prompts, theirs, ours, apart, strict=True):
        title, prompt, their, our, by = row
        mark = "" if by <= TOLERANCE else "  <-"
        short = prompt if len(prompt) < 30 else f"{prompt[:20]} … {prompt[-7:]}"
        print(f"{title:24}{short!r:32}{their:13.7f}{our:13.7f}{by:10.1e}{mark}")
    print(
        f"{len(apart)} pairs: at most {max(apart):.1e} apart ({TOLERANCE:.0e} allowed); scores "
        f"spread by {spread:.2g}, and by {stir:.2g} between prompts; "
        f"{said['seconds']:.0f} s upstream, {seconds:.0f} s synpic"
    )
    return max(apart) <= TOLERANCE and spread >= SPREAD and stir >= STIR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:] or list(OPEN)))

"""Makes tests/parity/fixtures/geneval/resized.json: hashes of images that OpenCV resized.

    python tests/parity/oracle_geneval_resize.py OUT

Run outside the product's environment, with opencv-python-headless 4 and numpy. mmdet resizes images
by ``cv2.resize`` with ``INTER_LINEAR``. Images are noise from a seed, so that no picture is kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import cv2
import numpy as np

SIZES = [
    ((512, 512), (800, 800)),
    ((1024, 1024), (800, 800)),
    ((400, 400), (800, 800)),
    ((768, 1344), (762, 1333)),
    ((640, 480), (1067, 800)),
    ((333, 500), (800, 1201)),
    ((1600, 1600), (800, 800)),
    ((1, 300), (4, 1333)),
    ((7, 1), (800, 114)),
    ((2, 3), (533, 800)),
]


def main(out: Path) -> None:
    """Write the fixture."""
    rows = []
    for there, wanted in SIZES:
        pixels = np.random.default_rng(there).integers(0, 256, (*there, 3), np.uint8)
        made = cv2.resize(pixels, wanted[::-1], interpolation=cv2.INTER_LINEAR)
        digest = hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()
        rows.append({"from": there, "to": wanted, "sha256": digest})
    made_by = {"opencv": cv2.__version__, "numpy": np.__version__}
    text = json.dumps({"versions": made_by, "resized": rows}, indent=1)
    (out / "resized.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

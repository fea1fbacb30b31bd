"""The world's models as the registry knows them: where their weights lie and how they draw best.

How they were trained, and how often they are right, is in ``docs/shapes-models.md``.
"""

from __future__ import annotations

from synpic.generate.image_model import KnownModel
from synpic.recipe.settings import ModelSettings
from synpic.shapes.scene import CANVAS

__all__ = ["MMDIT", "MMDIT_SMALL", "PIXART", "UNET"]

_SIZE = f"{CANVAS}x{CANVAS}"

MMDIT = KnownModel(
    ModelSettings(
        checkpoint="package:synpic.shapes/weights/mmdit",
        family="sd3",
        dtype="float32",
        sizes=[_SIZE],
        steps=20,
        guidance=3.0,
        batch_size=32,
        # Its T5 reads nothing; the prompt comes through the CLIPs.
        call={"max_sequence_length": 1},
    ),
    licence="Apache-2.0",
    source="research/shapes of synpic's repository",
)

UNET = KnownModel(
    ModelSettings(
        checkpoint="package:synpic.shapes/weights/unet",
        family="sd",
        dtype="float32",
        sizes=[_SIZE],
        steps=20,
        guidance=2.0,
        batch_size=32,
    ),
    licence="Apache-2.0",
    source="research/shapes of synpic's repository",
)

MMDIT_SMALL = KnownModel(
    MMDIT.settings.model_copy(update={"checkpoint": "package:synpic.shapes/weights/mmdit_small"}),
    licence="Apache-2.0",
    source="research/shapes of synpic's repository",
)

PIXART = KnownModel(
    ModelSettings(
        checkpoint="package:synpic.shapes/weights/pixart",
        family="pixart_sigma",
        dtype="float32",
        sizes=[_SIZE],
        steps=20,
        guidance=3.0,
        batch_size=32,
        # Its T5 was trained on texts of this many tokens. Binning knows sizes of 256 and more.
        call={"max_sequence_length": 16, "use_resolution_binning": False},
    ),
    licence="Apache-2.0",
    source="research/shapes of synpic's repository",
)

"""Colours of what was found, by CLIP ViT-L/14, as GenEval reads them.

Source: ``color_classification`` in evaluation/evaluate_images.py of github.com/djghosh13/geneval at
af4902f, and the functions of ``clip_benchmark`` that it calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from synpic.errors import RewardError
from synpic.score.judges.detection.instances import SeenObject
from synpic.score.judges.geneval import COLOURS
from synpic.score.towers.clip_pixels import ClipPixels
from synpic.score.towers.clip_towers import ClipTowers

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ACTIVATION", "ColourReader", "cut_out"]

ACTIVATION = "quick_gelu"
"""Of OpenAI's CLIP. open_clip 2.20, with which GenEval's numbers were made, runs it under the name
ViT-L-14; later ones run GELU there, which gives other numbers, and warn."""

_GREY = "#999"
"""What is shown in the place of all that is outside a mask."""

_AT_ONCE = 16
"""Objects that are looked at together."""


class ColourReader:
    """One of GenEval's ten colours for each object.

    Args:
        checkpoint: folder or repository of OpenAI's CLIP in transformers' layout, with its
            tokenizer.
        revision: its commit.
        device: where it runs.
        dtype: of the towers; features are compared in float32 in any case.

    Raises:
        RewardError: it is no CLIP, or one without QuickGELU, or its weights do not fit.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, dtype: torch.dtype
    ) -> None:
        self._towers = ClipTowers(checkpoint, revision, device, dtype)
        config = self._towers.config
        for part in ("text_config", "vision_config"):
            found = getattr(getattr(config, part), "hidden_act", None)
            if found != ACTIVATION:
                raise RewardError(
                    f"{checkpoint}: {part}.hidden_act is {found!r}, expected {ACTIVATION!r}",
                    hint="GenEval reads colours by OpenAI's CLIP: name "
                    "openai/clip-vit-large-patch14, or a copy of it",
                )
        self._pixels = ClipPixels(config.vision_config.image_size)
        self._known: dict[str, Tensor] = {}

    def read(self, crops: Sequence[Image.Image], names: Sequence[str]) -> list[str]:
        """The colour of each of n crops.

        Args:
            crops: as :func:`cut_out` makes them.
            names: the class of each.
        """
        import torch
        from torch.nn.functional import normalize

        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(crops), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                pixels = torch.stack([self._pixels(crop) for crop in crops[some]])
                features = normalize(self._towers.see(pixels), dim=-1)
                for feature, name in zip(features, names[some], strict=True):
                    found.append(COLOURS[int((self._colours(name) @ feature).argmax())])
        return found

    def _colours(self, name: str) -> Tensor:
        """What each colour of a class looks like, ``Float[Tensor, "colour width"]``.

        The features of three templates, each normalised, then their mean, normalised.
        """
        from torch.nn.functional import normalize

        if name not in self._known:
            texts = [
                text
                for colour in COLOURS
                for text in (
                    f"a photo of a {colour} {name}",
                    f"a photo of a {colour}-colored {name}",
                    f"a photo of a {colour} object",
                )
            ]
            features = normalize(self._towers.read(texts), dim=-1)
            means = features.reshape(len(COLOURS), -1, features.shape[-1]).mean(1)
            self._known[name] = normalize(means, dim=-1)
        return self._known[name]


def cut_out(image: Image.Image, seen: SeenObject) -> Image.Image:
    """An object on grey (153, 153, 153), cut to its box.

    Args:
        image: RGB, of the size of the mask.
    """
    mask = Image.fromarray(seen.mask)
    blank = Image.new("RGB", image.size, _GREY)
    left, top, right, bottom = map(int, seen.box)
    return Image.composite(image, blank, mask).crop((left, top, right, bottom))

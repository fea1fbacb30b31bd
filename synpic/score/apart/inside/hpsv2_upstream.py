"""The authors' package hpsv2 1.2.0, with the file that its wheel lacks."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["HpsPackage"]


class HpsPackage:
    """``hpsv2.img_score.score``, which takes one picture at a time.

    Args:
        weights: the file of version 2.1 or 2.0.
        device: where it runs.
    """

    def __init__(self, weights: str, device: str) -> None:
        self._weights = weights
        self._module = _imported()
        model, _, preprocess = self._module.create_model_and_transforms(
            "ViT-H-14",
            None,
            precision="amp",
            device=device,
            light_augmentation=True,
            aug_cfg={},
            output_dict=True,
        )
        # Where the package keeps the model that it would otherwise download weights for.
        self._module.model_dict.update(model=model, preprocess_val=preprocess)
        self._module.device = device
        self._read = self._module.torch.load
        self._state: Any = None
        self._module.torch.load = self._once

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """The cosine of each picture with its prompt."""
        return [
            float(self._module.score([image], prompt, cp=self._weights)[0])
            for prompt, image in zip(prompts, images, strict=True)
        ]

    def _once(self, *rest: Any, **more: Any) -> Any:
        """The weights, which the package reads anew for every call."""
        if self._state is None:
            self._state = self._read(*rest, **{**more, "weights_only": True})
        return self._state


def _imported() -> Any:
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None
    assert spec.origin is not None
    folder, opened = Path(spec.origin).parent, gzip.open

    def there(path: Any, *rest: Any, **more: Any) -> Any:
        path = Path(path)
        return opened(path if path.exists() else folder / path.name, *rest, **more)

    # The wheel lacks the file of byte pairs, which open_clip ships.
    gzip.open = there  # type: ignore[assignment]
    try:
        return importlib.import_module("hpsv2.img_score")
    finally:
        gzip.open = opened

"""simple-aesthetics-predictor on small random weights, asked as its README asks it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import CLIPProcessor, CLIPVisionConfig


class Aesthetic:
    """Aesthetic."""

    def __init__(self, root: str) -> None:
        os.chdir(root)
        clip = "openai/clip-vit-large-patch14"
        config = CLIPVisionConfig.from_pretrained(clip)
        package = import_module("aesthetics_predictor")
        self._model: Any = package.AestheticsPredictorV2Linear(config)
        state = {
            key: value
            for key, value in load_file(Path(clip, "model.safetensors")).items()
            if key.startswith(("vision_model.", "visual_projection."))
        }
        head = torch.load("aesthetic/sac+logos+ava1-l14-linearMSE.pth", weights_only=True)
        # As its convert_v2_linear_from_openai_clip does.
        found = self._model.load_state_dict({**state, **head}, strict=False)
        assert not found.unexpected_keys, found
        assert all(key.endswith("position_ids") for key in found.missing_keys), found
        self._model.eval()
        self._processor = CLIPProcessor.from_pretrained(clip)

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """Of pictures of any sizes."""
        inputs = self._processor(images=list(images), return_tensors="pt")
        with torch.no_grad():
            found: list[float] = self._model(**inputs).logits.flatten().tolist()
            return found

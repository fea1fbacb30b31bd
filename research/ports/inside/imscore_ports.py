"""Rewards of imscore on small random weights: their code as it is, what is smaller is named."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file
from torchvision.transforms.functional import to_tensor


class Imscore:
    """A reward of imscore: a tensor of pictures in 0 … 1, and prompts."""

    def __init__(self, root: str) -> None:
        # Repositories are asked for by name: folders of these names come first.
        os.chdir(root)
        self._model: Any = self.open(Path(root)).eval()

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        raise NotImplementedError

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """All pictures at once, which have to be of one size."""
        with torch.no_grad():
            pixels = torch.stack([to_tensor(image) for image in images])
            found: list[float] = self._model.score(pixels, list(prompts)).flatten().tolist()
            return found


def filled(model: Any, state: dict[str, Any], may_lack: Sequence[str] = ()) -> Any:
    """``model`` with weights; every name has to be there."""
    found = model.load_state_dict(state, strict=False)
    lost = [key for key in found.missing_keys if not key.endswith(tuple(may_lack) or ("-",))]
    left = [key for key in found.unexpected_keys if not key.endswith("position_ids")]
    assert not lost + left, (lost, left)
    return model


class PickScore(Imscore):
    """PickScore."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        return import_module("imscore.pickscore.model").PickScorer("yuvalkirstain/PickScore_v1")


class HPSv2(Imscore):
    """With a narrower ViT-H-14."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        open_clip: Any = import_module("open_clip")
        module: Any = import_module("imscore.hps.model")
        open_clip.factory._MODEL_CONFIGS["ViT-H-14"] = json.loads(
            (root / "hpsv2/model.json").read_text()
        )
        made = module.create_model_and_transforms
        module.create_model_and_transforms = lambda name, _, **more: made(name, None, **more)
        state = torch.load(root / "hpsv2/HPS_v2.1_compressed.pt", weights_only=True)["state_dict"]
        whole = module.HPSv2()
        filled(whole.model, state, may_lack=("attn_mask",))
        return whole


class Aesthetic(Imscore):
    """Aesthetic."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        whole = import_module("imscore.aesthetic.model").LAIONAestheticScorer()
        head = root / "aesthetic/sac+logos+ava1-l14-linearMSE.pth"
        filled(whole.mlp, torch.load(head, weights_only=True))
        return whole


class ClipScore(Imscore):
    """ClipScore."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        return import_module("imscore.preference.model").CLIPScore("openai/clip-vit-large-patch14")


class MPS(Imscore):
    """With one layer of the head instead of four."""

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        module: Any = import_module("imscore.mps.model")
        whole = module.CrossModel
        module.CrossModel = lambda dim, layer_num, heads: whole(dim=dim, layer_num=1, heads=heads)
        return filled(module.MPS(), load_file(root / "RE-N-Y/mpsv1/model.safetensors"))


class Blip(Imscore):
    """With two layers in each tower."""

    package = "imreward"
    name = "ImageReward"
    file = "imagereward/ImageReward.pt"

    def open(self, root: Path) -> Any:
        """The package's own class, with weights."""
        module: Any = import_module(f"imscore.{self.package}.model")
        blip: Any = import_module(module.BLIP.__module__)
        tower, described = blip.VisionTransformer, blip.BertConfig.from_dict
        blip.VisionTransformer = lambda **sizes: tower(**{**sizes, "depth": 2})
        blip.BertConfig = SimpleNamespace(
            from_dict=lambda sizes: described({**sizes, "num_hidden_layers": 2})
        )
        state = torch.load(root / self.file, weights_only=True)
        spare = ("vision_proj.weight", "vision_proj.bias", "text_proj.weight", "text_proj.bias")
        return filled(getattr(module, self.name)(), state, may_lack=spare)


class ImageReward(Blip):
    """ImageReward."""


class CycleReward(Blip):
    """CycleReward."""

    package = "cyclereward"
    name = "CycleReward"
    file = "cyclereward/CycleReward-Combo.pth"

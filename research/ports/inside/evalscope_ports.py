"""Rewards of evalscope on small random weights."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

METRICS = "evalscope.metrics.vision.t2v_metrics"


class Evalscope:
    """A model of evalscope's metrics: a file of a picture, and a prompt."""

    name = ""
    kind = "clipscore:CLIPScore"

    def __init__(self, root: str) -> None:
        # What it would take from ModelScope lies in folders of these names.
        os.chdir(root)
        utils: Any = import_module(f"{METRICS}.models.utils")
        utils.snapshot_download = lambda model_id, **_: str(Path(root) / model_id)
        self.ready(Path(root))
        module, _, kind = self.kind.partition(":")
        opened = getattr(import_module(f"{METRICS}.{module}"), kind)
        self._model = opened(self.name, device="cpu", cache_dir=str(Path(root) / "cache"))

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """One picture at a time, as its metrics are asked."""
        pairs = zip(prompts, images, strict=True)
        return [
            float(torch.as_tensor(self._model([image.info["path"]], [prompt])[0]).flatten()[0])
            for prompt, image in pairs
        ]


class PickScore(Evalscope):
    """PickScore."""

    name = "pickscore-v1"

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""
        link = root / "AI-ModelScope/PickScore_v1"
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(root / "yuvalkirstain/PickScore_v1")


def smaller(name: str, file: Path) -> None:
    """Smaller towers for an architecture of open_clip; its activation stays what open_clip says."""
    open_clip: Any = import_module("open_clip")
    described = json.loads(file.read_text())
    described.pop("quick_gelu", None)
    known = open_clip.factory._MODEL_CONFIGS[name]
    open_clip.factory._MODEL_CONFIGS[name] = described | {
        key: value for key, value in known.items() if key == "quick_gelu"
    }


class HPSv2(Evalscope):
    """HPSv2."""

    name = "hpsv2.1"

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""
        from safetensors.torch import save_file

        smaller("ViT-H-14", root / "hpsv2/model.json")
        # On a CPU autocast gives bfloat16, which numpy refuses; on a GPU it gives float16.
        amp: Any = torch.amp
        amp.autocast = lambda **_: nullcontext()
        # It reads a CLIP first and then the weights over it; here both are the same.
        whole = torch.load(root / "hpsv2/HPS_v2.1_compressed.pt", weights_only=True)
        for folder in ("AI-ModelScope/HPSv2", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        save_file(
            whole["state_dict"],
            root / "laion/CLIP-ViT-H-14-laion2B-s32B-b79K/open_clip_model.safetensors",
        )
        torch.save(whole, root / "AI-ModelScope/HPSv2/HPS_v2.1_compressed.pt")


class ClipScore(Evalscope):
    """ClipScore."""

    name = "openai:ViT-L-14"

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""
        smaller("ViT-L-14", root / "ViT-L-14.json")


class MPS(Evalscope):
    """With one layer of the head instead of four."""

    name = "mps"

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""
        folder = f"{METRICS}.models.clipscore_models.build_mps_model"
        clip_model: Any = import_module(f"{folder}.clip_model")
        whole = clip_model.Cross_model
        clip_model.Cross_model = lambda dim, layer_num, heads: whole(
            dim=dim, layer_num=1, heads=heads
        )


class ImageReward(Evalscope):
    """With two layers in each tower."""

    name = "image-reward-v1"
    kind = "itmscore:ITMScore"

    def ready(self, root: Path) -> None:
        """Put smaller sizes in the place of those that it names."""
        folder = f"{METRICS}.models.itmscore_models.image_reward"
        blip_pretrain: Any = import_module(f"{folder}.blip_pretrain")
        tower = blip_pretrain.VisionTransformer
        blip_pretrain.VisionTransformer = lambda **sizes: tower(**{**sizes, "depth": 2})
        blip_pretrain.snapshot_download = lambda name, **_: str(root / name)
        link = root / "ZhipuAI/ImageReward"
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(root / "imagereward")

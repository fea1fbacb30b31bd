"""The authors' packages hpsv2 and image-reward, opened as by synpic's ``*_upstream`` rewards."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

SYNPIC = Path(__file__).parents[3] / "synpic" / "score" / "apart" / "inside"


def of_synpic(name: str) -> Any:
    """A program of synpic's that runs in such an environment."""
    spec = importlib.util.spec_from_file_location(name, SYNPIC / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def HPSv2(root: str) -> Any:  # noqa: N802 - as a class is named
    """With a narrower ViT-H-14."""
    module = of_synpic("hpsv2_upstream")
    module._imported()
    factory = importlib.import_module("hpsv2.src.open_clip.factory")
    factory._MODEL_CONFIGS["ViT-H-14"] = json.loads(Path(root, "hpsv2/model.json").read_text())
    return module.HpsPackage(str(Path(root, "hpsv2/HPS_v2.1_compressed.pt")), "cpu")


def ImageReward(root: str) -> Any:  # noqa: N802
    """With two layers in each tower."""
    module = of_synpic("imagereward_upstream")
    module._restore(None)
    pretrain: Any = importlib.import_module("ImageReward.models.BLIP.blip_pretrain")
    tower = importlib.import_module("ImageReward.models.BLIP.vit").VisionTransformer
    pretrain.create_vit = lambda *_: (
        tower(img_size=224, patch_size=16, embed_dim=1024, depth=2, num_heads=16),
        1024,
    )
    folder = Path(root, "imagereward")
    files = (folder / "ImageReward.pt", folder / "med_config.json")
    words = Path(root, "bert-base-uncased")
    return module.ImageRewardPackage(*map(str, files), str(words), "cpu")

"""The authors' own packages, hpsv2 and image-reward, made to import with the requirements.txt here.

They were written for libraries of 2023. What these have dropped since is put back, so that not a
line of theirs is changed. Nothing here is imported by synpic or its tests.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.metadata
import importlib.util
import json
import os
import warnings
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import nn

__all__ = [
    "hpsv2_model",
    "hpsv2_scores",
    "image_reward",
    "image_reward_scores",
    "restore_transformers",
    "versions",
]


def versions() -> dict[str, str]:
    """Of what decides the numbers."""
    names = ("hpsv2", "image-reward", "open_clip_torch", "transformers", "timm", "torch")
    return {n: importlib.metadata.version(n) for n in (*names, "torchvision", "pillow")}


def _import_hpsv2() -> Any:
    """``hpsv2.img_score``. Its wheel lacks the BPE file, which open_clip ships."""
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    plain = gzip.open

    def open_there(path: Any, *rest: Any, **more: Any) -> Any:
        path = Path(path)
        return plain(path if path.exists() else folder / path.name, *rest, **more)

    gzip.open = open_there  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from hpsv2 import img_score
    finally:
        gzip.open = plain
    return img_score


def hpsv2_model(config: dict[str, Any] | None = None) -> nn.Module:
    """Upstream's model, with random weights, ready to be given to :func:`hpsv2_scores`.

    Args:
        config: a smaller one than ViT-H-14.
    """
    img_score = _import_hpsv2()
    from hpsv2.src.open_clip import factory

    if config:
        factory._MODEL_CONFIGS["ViT-H-14"] = config
    # As in initialize_model of img_score.py, less the weights it downloads and then overwrites.
    model, _, preprocess = img_score.create_model_and_transforms(
        "ViT-H-14",
        None,
        precision="amp",
        device="cpu",
        light_augmentation=True,
        aug_cfg={},
        output_dict=True,
    )
    img_score.model_dict.update(model=model, preprocess_val=preprocess)
    return model  # type: ignore[no-any-return]


def hpsv2_scores(weights: Path, pairs: Sequence[tuple[str, Image]]) -> list[float]:
    """What ``hpsv2.img_score.score`` says, given a file of weights."""
    img_score = _import_hpsv2()
    assert img_score.model_dict, "hpsv2_model comes first"
    found = [float("nan")] * len(pairs)
    for prompt in dict.fromkeys(prompt for prompt, _ in pairs):
        places = [place for place, pair in enumerate(pairs) if pair[0] == prompt]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = img_score.score([pairs[p][1] for p in places], prompt, cp=str(weights))
        for place, score in zip(places, said, strict=True):
            found[place] = float(score)
    return found


def restore_transformers(med: Any = None) -> None:
    """Put back what transformers dropped since BLIP's readers of text were written.

    Args:
        med: the module of such a reader, once it is imported; before that, what it imports.
    """
    import transformers.modeling_utils
    from transformers import BertTokenizer, pytorch_utils

    for name in ("apply_chunking_to_forward", "prune_linear_layer"):
        setattr(transformers.modeling_utils, name, getattr(pytorch_utils, name))
    # Called to prune heads, which nobody does here.
    transformers.modeling_utils.find_pruneable_heads_and_indices = None
    BertTokenizer.additional_special_tokens_ids = property(
        lambda self: self.extra_special_tokens_ids
    )
    if med is None:
        return

    def invert(self: nn.Module, mask: torch.Tensor) -> torch.Tensor:
        return (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min

    def no_heads(self: nn.Module, mask: None, layers: int) -> list[None]:
        return [None] * layers

    med.BertPreTrainedModel.all_tied_weights_keys = {}
    med.BertPreTrainedModel.invert_attention_mask = invert
    med.BertPreTrainedModel.get_head_mask = no_heads


def _import_image_reward() -> Any:
    """``ImageReward``, with what transformers dropped put back."""
    restore_transformers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ImageReward
        from ImageReward.models.BLIP import med
    restore_transformers(med)
    return ImageReward


def image_reward(
    weights: Path | None, described: Path, tokenizer: Path, vision: dict[str, int] | None = None
) -> nn.Module:
    """Upstream's model.

    Args:
        weights: their file; random ones if None.
        described: the file ``med_config.json``.
        tokenizer: a folder named bert-base-uncased, for upstream asks for it by that name.
        vision: of a smaller tower of pictures: ``img_size``, ``patch_size``, ``embed_dim``,
            ``depth`` and ``num_heads``. The head is then narrow at its beginning, too.
    """
    package = _import_image_reward()
    described = described.absolute()
    module = importlib.import_module("ImageReward.ImageReward")
    from ImageReward.models.BLIP import blip_pretrain, vit

    if vision:
        small, width = dict(vision), vision["embed_dim"]
        hidden = json.loads(described.read_text())["hidden_size"]
        blip_pretrain.create_vit = lambda *_: (vit.VisionTransformer(**small), width)
        whole, module.MLP = module.MLP, lambda _: whole(hidden)
        module._transform, transform = (lambda _: transform(small["img_size"])), module._transform
    with chdir(tokenizer.parent):
        if weights is None:
            return module.ImageReward(str(described), "cpu").eval()  # type: ignore[no-any-return]
        return package.load(str(weights.absolute()), "cpu", med_config=str(described))  # type: ignore[no-any-return]


def image_reward_scores(model: Any, pairs: Sequence[tuple[str, Image]]) -> list[float]:
    """What ``ImageReward.score`` says, one pair at a time."""
    with torch.no_grad():
        return [float(np.asarray(model.score(prompt, image))) for prompt, image in pairs]


os.environ["HF_HUB_OFFLINE"] = "1"

"""The authors' package image-reward 1.5, with what transformers dropped since put back."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

__all__ = ["ImageRewardPackage"]


class ImageRewardPackage:
    """``ImageReward.score``, one picture at a time.

    Args:
        weights: the file ``ImageReward.pt``.
        described: the file ``med_config.json``.
        tokenizer: a folder with BERT's tokenizer.
        device: where it runs.
    """

    def __init__(self, weights: str, described: str, tokenizer: str, device: str) -> None:
        _restore(None)
        package = importlib.import_module("ImageReward")
        _restore(importlib.import_module("ImageReward.models.BLIP.med"))
        # The package asks for the tokenizer by this name: a folder of that name comes first.
        folder = Path(tokenizer)
        blip = importlib.import_module("ImageReward.models.BLIP.blip")
        plain = blip.BertTokenizer.from_pretrained
        blip.BertTokenizer.from_pretrained = lambda *_, **more: plain(str(folder), **more)
        with chdir(folder.parent):
            self._model = package.load(weights, device, med_config=described)

    def score(self, prompts: Sequence[str], images: Sequence[Any]) -> list[float]:
        """The rating of each picture for its prompt."""
        torch = importlib.import_module("torch")
        with torch.no_grad():
            pairs = zip(prompts, images, strict=True)
            return [float(self._model.score(prompt, image)) for prompt, image in pairs]


def _restore(med: Any) -> None:
    modeling: Any = importlib.import_module("transformers.modeling_utils")
    if med is None:
        pytorch = importlib.import_module("transformers.pytorch_utils")
        for name in ("apply_chunking_to_forward", "prune_linear_layer"):
            setattr(modeling, name, getattr(pytorch, name))
        # Called to prune heads alone.
        modeling.find_pruneable_heads_and_indices = None
        tokenizer = importlib.import_module("transformers").BertTokenizer
        tokenizer.additional_special_tokens_ids = property(
            lambda self: self.extra_special_tokens_ids
        )
        return
    torch = importlib.import_module("torch")

    def invert(self: Any, mask: Any) -> Any:
        return (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min

    med.BertPreTrainedModel.all_tied_weights_keys = {}
    med.BertPreTrainedModel.invert_attention_mask = invert
    med.BertPreTrainedModel.get_head_mask = lambda self, mask, layers: [None] * layers

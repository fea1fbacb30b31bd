"""GenEval's detector: Mask2Former on a Swin-S, by transformers, with mmdet's weights.

Cheng et al., "Masked-attention Mask Transformer" (arXiv 2112.01527). The class is transformers';
what becomes of images before it and of its outputs is :mod:`.shown` and :mod:`.instances`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synpic.errors import RewardError
from synpic.prompts.suites.objects import CLASSES
from synpic.score.judges.detection.instances import SeenObject, instances
from synpic.score.judges.detection.kept import converted_from, keep, kept
from synpic.score.judges.detection.mmdet_layout import MADE_HERE, from_mmdet
from synpic.score.judges.detection.published import SHORT_NAME, hold_to_name, is_published
from synpic.score.judges.detection.shown import ReadyImage, stacked
from synpic.score.judges.geneval import THRESHOLD
from synpic.score.weights import (
    fill,
    find_file,
    open_pretrained,
    read_tensors,
    reading,
    stilled,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

__all__ = ["ARCHITECTURE", "Detector", "network"]

ARCHITECTURE: Mapping[str, Any] = {
    "backbone_config": {
        "model_type": "swin",
        "embed_dim": 96,
        "depths": [2, 2, 18, 2],
        "num_heads": [3, 6, 12, 24],
        "window_size": 7,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
    "num_labels": len(CLASSES),
    "num_queries": 100,
}
"""Arguments of transformers' ``Mask2FormerConfig``; its defaults are those of mmdet's
configuration in all else."""

_LEFTOVERS = {"*relative_position_index": "numbers of positions, computed from the window"}


class Detector:
    """Objects of COCO's 80 classes in images.

    Args:
        checkpoint: folder or repository that holds mmdet's file, or what was converted from it, or
            another Mask2Former in transformers' layout with 80 labels.
        revision: the commit of a repository.
        device: where it runs.
        dtype: of the network; probabilities and masks are computed in float32 in any case.
        published: the name of mmdet's file, which ends in the first digits of its SHA-256.
        architecture: of what that file holds.

    Attributes:
        published: whether the weights are those of ``published``, on which GenEval's numbers rest.

    Raises:
        RewardError: the file is another than its name says; weights are missing or belong to
            nothing; it is another kind of model, or has other labels.
        CheckpointError: neither is there, or it cannot be reached.
    """

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        dtype: torch.dtype,
        published: str,
        architecture: Mapping[str, Any] = ARCHITECTURE,
    ) -> None:
        file = find_file(checkpoint, revision, published, SHORT_NAME, "config.json")
        if file.name != "config.json":
            self.published = True
            self._network = _of_mmdet(file, published, dtype, architecture)
        else:
            source = converted_from(file.parent)
            self.published = source is not None and is_published(source, published)
            self._network = _of_transformers(checkpoint, revision, dtype)
        self._network.to(device)
        self._device, self._dtype = device, dtype

    def find(self, images: Sequence[ReadyImage]) -> list[list[SeenObject]]:
        """What is in each of n images with a score above GenEval's lower threshold.

        Images of one padded size are shown to the network together, others apart: padding to the
        size of a mate would change what is found.

        Raises:
            ValueError: the network's outputs are not all numbers.
        """
        import torch

        found: list[list[SeenObject]] = [[] for _ in images]
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, image in enumerate(images):
            groups.setdefault(image.sizes.padded, []).append(number)
        with torch.inference_mode():
            for numbers in groups.values():
                some = [images[number] for number in numbers]
                classes, masks = self.logits(stacked(some, self._device))
                for at, number in enumerate(numbers):
                    sizes = images[number].sizes
                    found[number] = instances(classes[at], masks[at], sizes, CLASSES, THRESHOLD)
        return found

    def logits(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Of ``Float[Tensor, "n 3 height width"]``: of the classes and of the masks.

        Returns:
            ``Float[Tensor, "n query class+1"]`` and ``Float[Tensor, "n query h w"]``, the latter at
            a quarter of height and width.
        """
        out = self._network(pixel_values=pixels.to(self._device, self._dtype))
        return out.class_queries_logits, out.masks_queries_logits


def network(architecture: Mapping[str, Any], *, weights: bool = True) -> Any:
    """transformers' class for ``architecture``, in evaluation mode.

    Args:
        weights: with random ones; without any, on the meta device, but for what is computed.
    """
    from contextlib import nullcontext

    from accelerate import init_empty_weights
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation

    config: Any = Mask2FormerConfig(**architecture)
    with nullcontext() if weights else init_empty_weights(include_buffers=False):
        made: Any = Mask2FormerForUniversalSegmentation(config)
    return made.eval()


def _of_mmdet(
    file: Path, published: str, dtype: torch.dtype, architecture: Mapping[str, Any]
) -> Any:
    """With the tensors of mmdet's file, converted once for this machine."""
    digest = hold_to_name(file, published)
    folder = kept(digest)
    if folder is not None:
        return _of_transformers(str(folder), None, dtype)
    made = network(architecture, weights=False)
    fill(made, _converted(file, made), file)
    keep(digest, lambda place: _save(made, place))
    return made.to(dtype)


def _save(made: Any, folder: Path) -> None:
    """In transformers' layout, without its bar."""
    with stilled():
        made.save_pretrained(folder)


def _converted(file: Path, made: Any) -> dict[str, Tensor]:
    """The tensors of mmdet's file as ``made`` names them, with those that it makes itself."""
    from fnmatch import fnmatchcase

    import torch

    whole = made.state_dict()
    own = {key for key in whole if any(fnmatchcase(key, pattern) for pattern in MADE_HERE)}
    found = from_mmdet(read_tensors(file, inside="state_dict"), whole.keys() - own, file)
    for key in own:
        if whole[key].device.type == "meta":
            made_of = torch.ones if key.endswith("weight") else torch.zeros
            found[key] = made_of(whole[key].shape)
        else:
            found[key] = whole[key]
    return found


def _of_transformers(checkpoint: str, revision: str | None, dtype: torch.dtype) -> Any:
    """As transformers opens it.

    Raises:
        RewardError: it is another kind of model, or has other labels.
    """
    from transformers import AutoConfig, Mask2FormerForUniversalSegmentation

    with reading(checkpoint, revision):
        config = AutoConfig.from_pretrained(checkpoint, revision=revision)
    if config.model_type != "mask2former" or config.num_labels != len(CLASSES):
        raise RewardError(
            f"{checkpoint} is a {config.model_type} model with {config.num_labels} labels, "
            f"expected a mask2former with {len(CLASSES)}",
            hint="name a Mask2Former that was trained on the instances of COCO",
        )
    return open_pretrained(
        Mask2FormerForUniversalSegmentation, checkpoint, revision, dtype, leftovers=_LEFTOVERS
    )

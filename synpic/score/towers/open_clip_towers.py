"""The two towers of an open_clip model, by the description that its repository holds.

open_clip's own loader takes a repository as it is today, names what does not fit in torch's words
only, and resizes positions to make weights fit. So its classes and its preprocessing are used, and
the weights are read by ours.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from synpic.errors import CheckpointError, HubUnreachable, RewardError
from synpic.score.weights import fill, find_file, read_tensors, reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["CONFIG", "WEIGHTS", "OpenClipTowers"]

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class OpenClipTowers:
    """Features of images and texts by ``open_clip.CLIP`` or ``open_clip.CustomTextCLIP``.

    Args:
        checkpoint: folder or repository with ``open_clip_config.json`` and weights.
        revision: its commit.
        device: where they run.
        dtype: of the towers.

    Raises:
        RewardError: an architecture that is more than two towers, or that this open_clip does not
            know; weights that are missing or belong to nothing.
        CheckpointError: it lacks a file, or cannot be reached.
    """

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, dtype: torch.dtype
    ) -> None:
        path = find_file(checkpoint, revision, CONFIG)
        architecture, shown = _described(path)
        self._device, self._dtype = device, dtype
        self._tokenizer = _tokenizer(checkpoint, revision, architecture["text_cfg"])
        weights = find_file(checkpoint, revision, *WEIGHTS)
        self._model = _built(architecture, path)
        fill(
            self._model,
            _of_these_towers(read_tensors(weights, inside="state_dict"), self._model),
            weights,
            dtype,
            leftovers={"*position_ids": "numbers of positions"},
        )
        self._model.to(device).eval()

        from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

        # As open_clip has it: what the tower was built for decides, whatever else is written.
        shown = merge_preprocess_dict(PreprocessCfg(), {**shown, "size": None})
        shown["size"] = self._model.visual.image_size
        self.preprocessing: Hashable = ("open_clip", json.dumps(shown, sort_keys=True))
        self._transform = image_transform_v2(PreprocessCfg(**shown), is_train=False)

    def pixels(self, image: Image) -> Tensor:
        """As open_clip's transform for evaluation makes them, resized by Pillow."""
        pixels: Tensor = self._transform(image)
        return pixels

    def see(self, pixels: Tensor) -> Tensor:
        """``Float[Tensor, "n 3 height width"]`` → ``Float[Tensor, "n width"]``, float32."""
        features: Tensor = self._model.encode_image(pixels.to(self._device, self._dtype))
        return features.float()

    def read(self, texts: list[str]) -> Tensor:
        """n texts → ``Float[Tensor, "n width"]``, float32."""
        features: Tensor = self._model.encode_text(self._tokenizer(texts).to(self._device))
        return features.float()


def _described(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Architecture and preprocessing.

    Raises:
        RewardError: no description, or one of what is not two towers.
    """
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        architecture = dict(described["model_cfg"])
        text, vision = dict(architecture["text_cfg"]), dict(architecture["vision_cfg"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RewardError(
            f"{path} does not describe an open_clip model: {type(error).__name__}: {error}",
            hint="delete it, so that it is downloaded again, or put a whole copy in its place",
        ) from error
    if "multimodal_cfg" in architecture:
        raise RewardError(
            f"{path}: a CoCa, whose towers give more than one feature",
            hint="name a CLIP or a SigLIP; for a CoCa, write a reward around it",
        )
    if text.get("hf_model_name"):
        raise RewardError(
            f"{path}: its text tower is {text['hf_model_name']} of transformers, which is described"
            " in another repository",
            hint="name a model whose text tower is open_clip's own; or write a reward around it",
        )
    # No weights but those of the checkpoint, whatever a description asks for.
    vision["timm_model_pretrained"] = False
    return {**architecture, "text_cfg": text, "vision_cfg": vision}, dict(
        described.get("preprocess_cfg") or {}
    )


def _built(architecture: Mapping[str, Any], path: Path) -> Any:
    """The model, without weights.

    Raises:
        RewardError: this open_clip, or its timm, does not know the architecture.
    """
    import open_clip
    from accelerate import init_empty_weights

    arguments = dict(architecture)
    kind = open_clip.CustomTextCLIP if arguments.pop("custom_text", False) else open_clip.CLIP
    try:
        with init_empty_weights(include_buffers=False):
            return kind(**arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise RewardError(
            f"{path}: open_clip {open_clip.__version__} cannot build this: {error}",
            hint="a later open_clip_torch or timm may know it",
        ) from error


def _of_these_towers(tensors: Mapping[str, Tensor], model: Any) -> dict[str, Tensor]:
    """``tensors`` as this version of open_clip names them, whichever wrote them.

    The numbers that scale and shift a cosine take part in none, so they may be of any shape, or
    missing.
    """
    from open_clip import CustomTextCLIP
    from open_clip.model import convert_to_custom_text_state_dict

    named = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    if isinstance(model, CustomTextCLIP):
        named = convert_to_custom_text_state_dict(named)
    for key in ("logit_scale", "logit_bias"):
        named.pop(key, None)
        if getattr(model, key, None) is not None:
            named[key] = getattr(model, key).new_zeros((), device="cpu")
    return named


def _tokenizer(checkpoint: str, revision: str | None, text: Mapping[str, Any]) -> Any:
    """open_clip's own tokenizer, or that of transformers which lies beside the weights.

    Raises:
        CheckpointError: it lies elsewhere.
    """
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    length = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    named = text.get("hf_tokenizer_name")
    if not named:
        return SimpleTokenizer(context_length=length, **options)
    try:
        find_file(checkpoint, revision, "tokenizer_config.json", "tokenizer.json")
    except HubUnreachable:
        raise
    except CheckpointError as error:
        # Elsewhere is a repository that no recipe has pinned.
        raise CheckpointError(
            f"{checkpoint} reads texts by the tokenizer of {named}, and does not hold it",
            hint="put both into one folder, and name that: the tokenizer's files beside the rest",
        ) from error
    with reading(checkpoint, revision):
        return HFTokenizer(
            checkpoint,
            context_length=length,
            tokenizer_mode=text.get("tokenizer_mode"),
            revision=revision,
            **options,
        )

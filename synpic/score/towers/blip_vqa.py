"""BLIP that answers questions about pictures: how likely yes is, where the answer is yes or no.

Li et al., *BLIP* (arXiv 2201.12086), fine-tuned on VQA: a reader of questions that looks at the
picture, and a decoder whose first token is the answer. Computed as ``vqa_prob`` of
github.com/Karine-Huang/T2I-CompBench at 1b70949, ``BLIPvqa_eval/models/blip_vqa.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synpic.errors import RewardError
from synpic.score.towers.blip import PIECES
from synpic.score.weights import fill, find_file, open_pretrained, read_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["AUTHORS_FILE", "TEXT", "VISION", "BlipAnswers"]

AUTHORS_FILE = "model_base_vqa_capfilt_large.pth"
"""What BLIP's authors published; the large of its name is of the model that made its captions."""

VISION: Mapping[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 480,
    "patch_size": 16,
}
"""The tower of pictures, which no file describes: ViT-B/16."""

TEXT: Mapping[str, Any] = {
    "vocab_size": 30524,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
"""The reader of questions, and the decoder of answers."""

TOKENS = 35
"""What is read of a question, with the tokens at its beginning and end."""

YES, NO = 2748, 2053
"""Tokens of BERT."""

BEGIN, ENCODE = "[DEC]", "[ENC]"
"""BLIP's tokens before an answer, and in place of ``[CLS]`` before a question."""

_AT_ONCE = 64
"""Questions. Each holds the features of its picture, 2.8 MB in float32."""

_LEFTOVERS = {"*position_ids": "numbers of positions"}

_TIED = {
    "text_decoder.cls.predictions.decoder.weight": (
        "text_decoder.bert.embeddings.word_embeddings.weight"
    ),
    "text_decoder.cls.predictions.decoder.bias": "text_decoder.cls.predictions.bias",
}


class BlipAnswers:
    """BLIP-VQA, opened.

    ``[CLS]`` of a question becomes ``[ENC]``, which transformers' ``generate`` does not do.

    Args:
        checkpoint: folder or repository in transformers' layout, or with the authors' file.
        revision: its commit.
        tokenizer: from :func:`synpic.score.towers.blip.blip_tokenizer`.
        vision, text: sizes; :data:`VISION` and :data:`TEXT` but in tests.
        device: where it runs.
        dtype: of all but the last softmax.

    Raises:
        RewardError: weights are missing, belong to nothing, or are of another size.
        CheckpointError: it is not there, lacks a file, or cannot be reached.
    """

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        tokenizer: Any,
        vision: Mapping[str, Any],
        text: Mapping[str, Any],
        device: str,
        dtype: torch.dtype,
    ) -> None:
        self._tokenizer, self._device, self._dtype = tokenizer, device, dtype
        found = find_file(checkpoint, revision, "config.json", AUTHORS_FILE)
        if found.name == AUTHORS_FILE:
            model = _from_authors(found, vision, text, dtype)
        else:
            made_for = {**vision, "image_size": _image_size(found)}
            model = _from_transformers(checkpoint, revision, _config(made_for, text), dtype)
        _place_for(model, vision["image_size"] // vision["patch_size"])
        self._model: Any = model.to(device)
        self._begin, self._encode = tokenizer.convert_tokens_to_ids([BEGIN, ENCODE])

    def see(self, pixels: Tensor) -> Tensor:
        """Pictures, ``Float[Tensor, "n 3 side side"]`` → ``Float[Tensor, "n places width"]``."""
        import torch

        with torch.inference_mode():
            features: Tensor = self._model.vision_model(
                pixels.to(self._device, self._dtype)
            ).last_hidden_state
        return features

    def yes(self, questions: Sequence[str], features: Tensor, of: Sequence[int]) -> list[float]:
        """P(yes) / (P(yes) + P(no)) as the first token of each answer, 0 … 1.

        Args:
            questions: n texts.
            features: of pictures, from :meth:`see`.
            of: of each question, the number of its picture.
        """
        found = [0.0] * len(questions)
        for tokens, places in self._of_equal_length(questions):
            for start in range(0, len(places), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                seen = features[[of[place] for place in places[some]]]
                for place, yes in zip(places[some], self._yes(tokens[some], seen), strict=True):
                    found[place] = yes
        return found

    def _of_equal_length(self, questions: Sequence[str]) -> Iterator[tuple[Tensor, list[int]]]:
        """Tokens of questions that are as long as each other, and which questions they are.

        So none is padded: the decoder of transformers 5.23 looks at padding whatever the mask, for
        ``BlipTextLayer`` hands the mask on by a name that ``BlipTextAttention`` does not read.
        """
        import torch

        read = self._tokenizer(list(questions), truncation=True, max_length=TOKENS).input_ids
        places: dict[int, list[int]] = {}
        for place, tokens in enumerate(read):
            places.setdefault(len(tokens), []).append(place)
        for alike in places.values():
            tokens = torch.tensor([read[place] for place in alike], device=self._device)
            tokens[:, 0] = self._encode
            yield tokens, alike

    def _yes(self, tokens: Tensor, features: Tensor) -> list[float]:
        import torch

        begin = torch.full((len(tokens), 1), self._begin, device=self._device)
        with torch.inference_mode():
            read = self._model.text_encoder(
                tokens, encoder_hidden_states=features
            ).last_hidden_state
            logits: Tensor = self._model.text_decoder(begin, encoder_hidden_states=read).logits
            # The quotient of two probabilities of one softmax; no logit is too low for it.
            apart = logits[:, 0, YES].float() - logits[:, 0, NO].float()
            probabilities: list[float] = apart.sigmoid().tolist()
        return probabilities


def _config(vision: Mapping[str, Any], text: Mapping[str, Any]) -> Any:
    """With the authors' values for all that is no size: the default of transformers for the norms
    of the tower, which a converted ``config.json`` may have, is 1e-5."""
    from transformers import BlipConfig

    return BlipConfig(
        vision_config={**vision, "hidden_act": "gelu", "layer_norm_eps": 1e-6},
        text_config={
            **text,
            "encoder_hidden_size": vision["hidden_size"],
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "is_decoder": True,
        },
    )


def _from_transformers(
    checkpoint: str, revision: str | None, config: Any, dtype: torch.dtype
) -> Any:
    from transformers import BlipForQuestionAnswering

    return open_pretrained(BlipForQuestionAnswering, checkpoint, revision, dtype, config=config)


def _from_authors(
    path: Path, vision: Mapping[str, Any], text: Mapping[str, Any], dtype: torch.dtype
) -> Any:
    """The model with the tensors of the authors' file, which has other names for them."""
    from accelerate import init_empty_weights
    from transformers import BlipForQuestionAnswering

    tensors = read_tensors(path, inside="model")
    config = _config(vision, text)
    with init_empty_weights(include_buffers=False):
        model: Any = BlipForQuestionAnswering(config)
    named = {key: _authors_name(key) for key in model.state_dict()}
    for key, twin in _TIED.items():
        if named[key] not in tensors and named[twin] in tensors:
            tensors[named[key]] = tensors[named[twin]]
    ours = {key: tensors.pop(name) for key, name in named.items() if name in tensors}
    fill(model, {**ours, **tensors}, path, dtype, _LEFTOVERS)
    model.tie_weights()
    return model.eval()


def _authors_name(key: str) -> str:
    """What the authors' file calls ``key``."""
    if not key.startswith("vision_model."):
        return key
    key = key.removeprefix("vision_model.")
    for ours, theirs in PIECES.items():
        key = key.replace(ours, theirs)
    return f"visual_encoder.{key}"


def _image_size(path: Path) -> int:
    """For which pictures the weights beside a ``config.json`` have positions.

    Raises:
        RewardError: it is no such file, or describes another kind of model.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind, size = found["model_type"], found["vision_config"].get("image_size", 384)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RewardError(
            f"{path} does not describe a BLIP: {type(error).__name__}: {error}",
            hint="delete it, so that it is downloaded again, or put a whole copy in its place",
        ) from error
    if kind != "blip" or not isinstance(size, int) or size < 1:
        raise RewardError(
            f"{path} describes a {kind} model for pictures of {size}, and no BLIP",
            hint=f"name a BLIP that answers questions, or a folder with {AUTHORS_FILE}",
        )
    return size


def _place_for(model: Any, wide: int) -> None:
    """Positions for ``wide`` × ``wide`` patches: those there are, resized where they are others.

    Bicubic, as ``interpolate_pos_embed`` of BLIP's ``models/vit.py`` does when it reads a file.
    """
    import torch
    from torch.nn.functional import interpolate

    embeddings = model.vision_model.embeddings
    places = embeddings.position_embedding.data
    before = round((places.shape[1] - 1) ** 0.5)
    if before == wide:
        return
    first, rest = places[:, :1].float(), places[:, 1:].float()
    square = rest.reshape(1, before, before, -1).permute(0, 3, 1, 2)
    resized = interpolate(square, size=(wide, wide), mode="bicubic", align_corners=False)
    made = torch.cat([first, resized.flatten(2).transpose(1, 2)], dim=1).to(places.dtype)
    embeddings.position_embedding = torch.nn.Parameter(made, requires_grad=False)
    embeddings.image_size = wide * embeddings.patch_size
    embeddings.num_patches, embeddings.num_positions = wide * wide, wide * wide + 1

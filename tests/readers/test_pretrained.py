"""Weights are whole or refused, by one answer; whatever way whole ones are saved in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from synpic.errors import ModelError
from synpic.readers.pretrained import open_whole
from tests.generate import tiny

MODELS: dict[str, Callable[[], Any]] = {
    "unet": lambda: tiny.unet(cross_attention_dim=8),
    "vae": tiny.vae,
    "sd3 transformer": lambda: tiny.sd3().transformer,
    "pixart transformer": lambda: tiny.pixart_sigma().transformer,
    "clip": tiny.clip_text_encoder,
    "clip with projection": lambda: tiny.clip_text_encoder("CLIPTextModelWithProjection"),
    "t5": tiny.t5_text_encoder,
    "tied": lambda: transformers.BertForMaskedLM(
        transformers.BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1,
                                num_attention_heads=2, intermediate_size=8)
    ),
    "running means": lambda: transformers.ResNetForImageClassification(
        transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1])
    ),
}  # fmt: skip


def opened(model: Any, folder: Path, **options: Any) -> Any:
    return open_whole(type(model), str(folder), error=ModelError, source="it", **options)


def same(one: Any, other: Any) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("name", MODELS)
def test_whole_ones_are_opened_and_others_refused(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    model.save_pretrained(tmp_path / "plain", safe_serialization=True)
    model.save_pretrained(tmp_path / "half", safe_serialization=True, variant="fp16")
    model.save_pretrained(tmp_path / "shards", safe_serialization=True, max_shard_size="2KB")
    assert list((tmp_path / "shards").glob("*.index.json"))
    assert same(opened(model, tmp_path / "plain"), model)
    assert same(opened(model, tmp_path / "half", variant="fp16"), model)
    assert same(opened(model, tmp_path / "shards"), model)

    (file,) = (tmp_path / "plain").glob("*.safetensors")
    weights = load_file(file)
    pickle = "diffusion_pytorch_model.bin" if "diffusion" in file.name else "pytorch_model.bin"
    (tmp_path / "pickle").mkdir()
    (tmp_path / "pickle" / "config.json").write_bytes((tmp_path / "plain/config.json").read_bytes())
    torch.save(weights, tmp_path / "pickle" / pickle)
    assert same(opened(model, tmp_path / "pickle", use_safetensors=False), model)

    learned = {key for key, _ in model.named_parameters()} | {k for k in weights if "running" in k}
    for key in sorted(weights.keys() & learned)[:: max(1, len(learned) // 4)]:
        left = {other: tensor for other, tensor in weights.items() if other != key}
        save_file(left, file, metadata={"format": "pt"})
        with pytest.raises(ModelError, match=rf"^it lacks weights: {key}$"):
            opened(model, tmp_path / "plain")

    index = next((tmp_path / "shards").glob("*.index.json"))
    listed = json.loads(index.read_text())
    lost = next(key for key in sorted(listed["weight_map"]) if key in learned)
    shard = index.parent / listed["weight_map"].pop(lost)
    index.write_text(json.dumps(listed))
    rest = {key: tensor for key, tensor in load_file(shard).items() if key != lost}
    save_file(rest, shard, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"^it lacks weights: {lost}$"):
        opened(model, tmp_path / "shards")


def test_numbers_of_positions_may_be_lacking(tmp_path: Path) -> None:
    """They are computed; old files have them and later ones do not."""
    model = tiny.sd3().transformer
    model.save_pretrained(tmp_path, safe_serialization=True)
    (file,) = tmp_path.glob("*.safetensors")
    weights = load_file(file)
    del weights["pos_embed.pos_embed"]
    save_file(weights, file, metadata={"format": "pt"})
    assert same(opened(model, tmp_path), model)


def test_the_libraries_are_left_as_they_are(tmp_path: Path) -> None:
    kinds: tuple[Any, ...] = (diffusers.ModelMixin, transformers.PreTrainedModel)
    seen = []
    before = [vars(kind)["from_pretrained"] for kind in kinds]

    class Watched(diffusers.UNet2DConditionModel):
        @classmethod
        def from_pretrained(cls, *args: Any, **options: Any) -> Any:
            seen.append([vars(kind)["from_pretrained"] for kind in kinds])
            return super().from_pretrained(*args, **options)

    tiny.unet(cross_attention_dim=8).save_pretrained(tmp_path)
    open_whole(Watched, str(tmp_path), error=ModelError, source="it")
    assert seen == [before]

"""A LoRA that cannot be laid over a model says so, and which it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from synpic.errors import ModelError
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate.loras import save_lora

Folder = Callable[[str], Path]

FILE = "pytorch_lora_weights.safetensors"


def opened(family: str, folder: Path, *loras: Path | dict[str, Any], **settings: Any) -> Any:
    adapters = [one if isinstance(one, dict) else {"checkpoint": str(one)} for one in loras]
    asked = ModelSettings(checkpoint=str(folder), adapters=adapters, steps=1, **settings)
    return FAMILIES.load(family)(asked, str(folder), None, "cpu")


def test_of_another_model(saved: Folder, tmp_path: Path) -> None:
    good = save_lora(saved("sd"), tmp_path / "good", seed=1)
    for kind, told in (("sdxl", "size mismatch"), ("sd3", "no")):
        other = save_lora(saved(kind), tmp_path / kind, seed=1)
        with pytest.raises(ModelError, match=rf"^adapters\[1\]: .*{kind} cannot be laid") as caught:
            opened("sd", saved("sd"), good, other)
        assert told in caught.value.message
        assert "of this very model" in str(caught.value.hint)


def test_of_no_layer_at_all(saved: Folder, tmp_path: Path) -> None:
    save_file({"something": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError, match=r"^adapters\[0\]: .*x\.safetensors cannot be laid over"):
        opened("sd", saved("sd"), tmp_path / "x.safetensors")


def test_cut_short(saved: Folder, tmp_path: Path) -> None:
    lora = save_lora(saved("sd"), tmp_path / "lora", seed=1)
    (lora / FILE).write_bytes((lora / FILE).read_bytes()[:-20])
    with pytest.raises(ModelError, match=rf"^adapters\[0\]: .*{FILE}: .*the file is cut"):
        opened("sd", saved("sd"), lora)
    (lora / FILE).write_bytes((9).to_bytes(8, "little") + b'{"a": 3} ')
    with pytest.raises(ModelError, match=rf"^adapters\[0\]: .*{FILE}: tensors\.a: "):
        opened("sd", saved("sd"), lora)


def test_a_pickle_where_the_recipe_allows_it(saved: Folder, tmp_path: Path) -> None:
    lora = save_lora(saved("sd"), tmp_path / "lora", seed=1)
    torch.save(load_file(lora / FILE), lora / "x.bin")
    (lora / FILE).unlink()
    with pytest.raises(ModelError, match="pickled weights only") as caught:
        opened("sd", saved("sd"), lora)
    assert 'allow = ["pickled weights"]' in str(caught.value.hint)
    with pytest.raises(ModelError, match=r"x\.bin of .* is no safetensors file"):
        opened("sd", saved("sd"), {"checkpoint": str(lora), "file": "x.bin"})
    family = opened(
        "sd",
        saved("sd"),
        {"checkpoint": str(lora), "file": "x.bin"},
        allow=["pickled weights"],
    )
    assert family.pipeline.get_list_adapters() == {"unet": ["adapter_0"]}


def test_in_both_layouts_each_is_told_by_its_file(saved: Folder, tmp_path: Path) -> None:
    lora = save_lora(saved("sd"), tmp_path / "lora", seed=1)
    (lora / "adapter_config.json").write_text("{}")
    assert opened("sd", saved("sd"), lora).pipeline.get_list_adapters() == {"unet": ["adapter_0"]}

    pixart = peft_lora(saved("pixart_sigma"), tmp_path / "pixart")
    save_file({"x": torch.zeros(1)}, pixart / FILE)
    with pytest.raises(ModelError, match=f"{FILE} of .* is in another") as caught:
        opened("pixart_sigma", saved("pixart_sigma"), pixart)
    assert 'file = "adapter_model.safetensors"' in str(caught.value.hint)
    chosen = {"checkpoint": str(pixart), "file": "adapter_model.safetensors"}
    family = opened("pixart_sigma", saved("pixart_sigma"), chosen)
    assert any("lora_A" in name for name, _ in family.pipeline.transformer.named_parameters())


def peft_lora(pipeline: Path, folder: Path) -> Path:
    import diffusers
    import peft

    model = diffusers.PixArtTransformer2DModel.from_pretrained(pipeline / "transformer")
    config = peft.LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False)
    peft.get_peft_model(model, config).save_pretrained(str(folder))
    return folder


def test_in_the_layout_of_peft(saved: Folder, tmp_path: Path) -> None:
    """For a pipeline that takes no other; and not where a layer has another name."""
    lora = peft_lora(saved("pixart_sigma"), tmp_path / "lora")
    family = opened("pixart_sigma", saved("pixart_sigma"), lora)
    layers = [n for n, _ in family.pipeline.transformer.named_parameters() if "lora_A" in n]
    assert len(layers) == 4

    weights = load_file(lora / "adapter_model.safetensors")
    first = sorted(weights)[0]
    for change in ({"elsewhere.lora_A.weight": weights[first]}, {}):
        changed = {name: value for name, value in weights.items() if name != first} | change
        save_file(changed, lora / "adapter_model.safetensors")
        with pytest.raises(ModelError, match=r"^adapters\[0\]: .*it lacks [12] of its tensors"):
            opened("pixart_sigma", saved("pixart_sigma"), lora)
    save_file(weights, lora / "adapter_model.safetensors")
    told = json.loads((lora / "adapter_config.json").read_text())
    (lora / "adapter_config.json").write_text(json.dumps({**told, "target_modules": ["nowhere"]}))
    with pytest.raises(ModelError, match="nowhere"):
        opened("pixart_sigma", saved("pixart_sigma"), lora)
    with pytest.raises(ModelError, match=r"^adapters\[0\]: .*in peft's layout, and Stable"):
        opened("sd", saved("sd"), lora)

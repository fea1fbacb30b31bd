"""Every tensor of a LoRA reaches its layer, under whatever names; or the LoRA is refused."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import peft
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file
from torch import Tensor

from synpic.errors import ModelError
from synpic.generate.adapters.lora import add_adapters
from synpic.generate.checkpoint import Checkpoint
from synpic.recipe.settings import ModelSettings

Folder = Callable[[str], Path]
Layers = dict[tuple[str, str], tuple[Tensor, Tensor, float]]
"""Component and layer → down, up, alpha."""
Named = dict[str, Tensor]

RANK = 2


def layers_of(pipeline: Any) -> Layers:
    """A random LoRA for some layers of every kind, in all that may be adapted."""
    ends = {
        "unet": ("mid_block.attentions.0.proj_in", "attn1.to_q", "mid_block.resnets.0.conv1"),
        "transformer": ("attn1.to_q", "attn.to_q", "attn.add_k_proj"),
        "text_encoder": ("layers.0.self_attn.q_proj", "layers.0.self_attn.out_proj", "0.mlp.fc1"),
    }
    ends["text_encoder_2"] = ends["text_encoder"]
    found: Layers = {}
    generator = torch.Generator().manual_seed(0)
    for component, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            for path, layer in part.named_modules():
                if path.endswith(ends.get(component, ("nothing",))):
                    out, inner, *kernel = layer.weight.shape
                    down = torch.randn(RANK, inner, *kernel, generator=generator)
                    up = torch.randn(out, RANK, *[1] * len(kernel), generator=generator)
                    found[component, path] = down, up, float(1 + len(found) % 3)
    return found


def as_peft(layers: Layers) -> Named:
    named = {}
    for (component, path), (down, up, _) in layers.items():
        named[f"{component}.{path}.lora_A.weight"] = down
        named[f"{component}.{path}.lora_B.weight"] = up
    return named


def as_old_peft(layers: Layers) -> Named:
    """As transformers before 5 named the layers of CLIP."""
    named = as_peft(layers)
    return {
        name.replace("text_encoder.", "text_encoder.text_model."): one
        for name, one in named.items()
    }


def as_diffusers(layers: Layers) -> Named:
    """As diffusers saved them before it used peft."""
    named = {}
    for (component, path), (down, up, _) in layers.items():
        head, _, end = path.rpartition(".")
        if component == "unet" and end.startswith("to_"):
            stem = f"{head}.processor.{end}_lora"
        elif component == "unet":
            stem = f"{path}.lora"
        elif end.endswith("_proj"):
            stem = f"text_model.{head}.to_{end.removesuffix('_proj')}_lora"
        else:
            stem = f"text_model.{path}.lora_linear_layer"
        named[f"{component}.{stem}.down.weight"] = down
        named[f"{component}.{stem}.up.weight"] = up
    return named


def as_kohya(layers: Layers, *, alphas: bool = True) -> Named:
    first = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
    if any(component == "text_encoder_2" for component, _ in layers):
        first |= {"text_encoder": "lora_te1_text_model_"}
        first |= {"text_encoder_2": "lora_te2_text_model_"}
    named = {}
    for (component, path), (down, up, alpha) in layers.items():
        stem = first[component] + path.removeprefix("text_model.").replace(".", "_")
        named |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
        if alphas:
            named[f"{stem}.alpha"] = torch.tensor(alpha)
    return named


def as_kohya_without_alphas(layers: Layers) -> Named:
    return as_kohya(layers, alphas=False)


def as_kohya_with_some_alphas(layers: Layers) -> Named:
    named = as_kohya(layers)
    return {n: t for n, t in named.items() if not (n.endswith(".alpha") and "_to_q" in n)}


def as_peft_with_biases(layers: Layers) -> Named:
    named = as_peft(layers)
    for (component, path), (_, up, _) in layers.items():
        named[f"{component}.{path}.lora_B.bias"] = torch.ones(len(up))
    return named


def as_dora_of_the_denoiser(layers: Layers) -> Named:
    named = as_dora(layers)
    return {n: t for n, t in named.items() if n.startswith("transformer.") or "magnitude" not in n}


def as_dora(layers: Layers) -> Named:
    named = as_peft(layers)
    for (component, path), (_, up, _) in layers.items():
        named[f"{component}.{path}.lora_magnitude_vector.weight"] = torch.ones(len(up))
    return named


NAMINGS: Mapping[str, tuple[str, Callable[[Layers], Named]]] = {
    "peft": ("sd", as_peft),
    "old peft": ("sd", as_old_peft),
    "diffusers": ("sd", as_diffusers),
    "kohya": ("sd", as_kohya),
    "kohya without alphas": ("sd", as_kohya_without_alphas),
    "kohya with some alphas": ("sd", as_kohya_with_some_alphas),
    "biases": ("sd", as_peft_with_biases),
    "dora": ("sd3", as_dora),
    "dora of the denoiser": ("sd3", as_dora_of_the_denoiser),
    "peft, SDXL": ("sdxl", as_peft),
    "kohya, SDXL": ("sdxl", as_kohya),
    "peft, SD3": ("sd3", as_peft),
    "peft's own layout": ("pixart_sigma", as_peft),
}


@pytest.fixture(scope="module")
def opened(saved: Folder) -> Callable[[str], Any]:
    """A builder's name → its pipeline, once. Not to be changed."""
    return functools.cache(lambda name: diffusers.DiffusionPipeline.from_pretrained(saved(name)))


@pytest.fixture
def pipelines(opened: Callable[[str], Any]) -> Callable[[str], Any]:
    """A builder's name → a pipeline to lay LoRAs over."""
    return lambda name: copy.deepcopy(opened(name))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lora")


def write(kind: str, named: Named, place: Path) -> str:
    """Write a LoRA; the name of its file, in the folder ``place``."""
    if kind != "pixart_sigma":
        save_file(dict(named), place / "lora.safetensors")
        return "lora.safetensors"
    inner = {name.replace("transformer.", "base_model.model.", 1): t for name, t in named.items()}
    save_file(inner, place / "adapter_model.safetensors")
    peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=["attn1.to_q"]).save_pretrained(
        str(place)
    )
    return "adapter_model.safetensors"


def lay(pipeline: Any, file: str, place: Path, scale: float = 1.0) -> Any:
    adapters = [{"checkpoint": str(place), "file": file, "scale": scale}]
    add_adapters(pipeline, ModelSettings(checkpoint="x", adapters=adapters), Checkpoint)
    return pipeline


def adapted(pipeline: Any) -> set[tuple[str, str]]:
    return {
        (component, path)
        for component, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        for path, layer in part.named_modules()
        if isinstance(layer, BaseTunerLayer)
    }


@pytest.mark.parametrize("naming", NAMINGS)
def test_all_of_it_is_applied(naming: str, pipelines: Callable[[str], Any], place: Path) -> None:
    kind, name = NAMINGS[naming]
    layers = layers_of(pipelines(kind))
    file = write(kind, name(layers), place)
    pipeline = lay(pipelines(kind), file, place, scale=0.5)
    for (component, path), (down, up, alpha) in layers.items():
        layer = getattr(pipeline, component).get_submodule(path)
        assert torch.equal(layer.lora_A["adapter_0"].weight, down)
        assert torch.equal(layer.lora_B["adapter_0"].weight, up)
        strength = alpha / RANK if naming.startswith("kohya") else 1.0
        strength = 2.0 if kind == "pixart_sigma" else strength
        if naming == "kohya without alphas" or (naming.endswith("some alphas") and "to_q" in path):
            strength = 1.0
        assert layer.scaling["adapter_0"] == pytest.approx(0.5 * strength)
    assert adapted(pipeline) == set(layers)


def drop(named: Named, key: str) -> Named:
    return {name: one for name, one in named.items() if name != key}


def rename(named: Named, key: str) -> Named:
    return {
        re.sub(r"\d", "7", name, count=1) if name == key else name: t for name, t in named.items()
    }


def elsewhere(named: Named, key: str) -> Named:
    return {f"elsewhere.{name}" if name == key else name: t for name, t in named.items()}


def whole_layer_elsewhere(named: Named, key: str) -> Named:
    stem = key.partition(".lora")[0].partition("_lora")[0].removesuffix(".alpha")
    return {n.replace(stem, f"{stem}_9") if n.startswith(stem) else n: t for n, t in named.items()}


def reshape(named: Named, key: str) -> Named:
    one = named[key]
    return {**named, key: one.flatten() if one.dim() > 1 else torch.cat([one.reshape(-1)] * 2)}


def widen(named: Named, key: str) -> Named:
    one = named[key]
    return {
        **named,
        key: torch.cat([one.reshape(-1, 1)] * 2, 1) if one.dim() < 2 else torch.cat([one, one], 1),
    }


def spoil(named: Named, key: str) -> Named:
    return {**named, key: torch.full_like(named[key], torch.nan)}


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("naming", NAMINGS)
@given(data=st.data())
def test_any_tensor_damaged_is_refused(
    naming: str, data: st.DataObject, opened: Callable[[str], Any], place: Path
) -> None:
    kind, name = NAMINGS[naming]
    pipeline = opened(kind)
    named = name(layers_of(pipeline))
    key = data.draw(st.sampled_from(sorted(named)))
    damages = [rename, elsewhere, whole_layer_elsewhere, reshape, widen, spoil]
    if not key.endswith(".alpha"):  # which a layer need not have
        damages.append(drop)
    damage = data.draw(st.sampled_from(damages))
    damaged = damage(named, key)
    file = write(kind, {n: t.contiguous() for n, t in damaged.items()}, place)
    with pytest.raises(ModelError, match=rf"^adapters\[0\]: {place} cannot be laid") as caught:
        lay(pipeline, file, place)
    assert not adapted(pipeline), "it is refused before anything is changed"
    stem = key.split(".lora")[0].split("_lora")[0].removesuffix(".alpha")
    if key.endswith(".alpha") and damage is rename:
        stem = re.sub(r"\d", "7", stem, count=1)
    assert stem.removeprefix("transformer.") in caught.value.message


def test_half_of_it_for_another_model(pipelines: Callable[[str], Any], place: Path) -> None:
    layers = layers_of(pipelines("sd"))
    named = as_peft(layers)
    renamed = {
        name.replace("up_blocks.0.attentions.0", "up_blocks.0.attentions.7"): one
        for name, one in named.items()
    }
    count = len(renamed.keys() - named.keys())
    first = next(name for name in renamed if name not in named)
    with pytest.raises(ModelError) as caught:
        lay(pipelines("sd"), write("sd", renamed, place), place)
    assert f"{count} of its {len(named)} tensors fit nothing there: {first}" in caught.value.message


def test_two_of_them_in_all_components(pipelines: Callable[[str], Any], place: Path) -> None:
    layers = layers_of(pipelines("sdxl"))
    files = []
    for number, name in enumerate((as_kohya, as_peft)):
        (place / str(number)).mkdir()
        write("sdxl", name(layers), place / str(number))
        files.append({"checkpoint": str(place / str(number)), "scale": 1.0 - number / 2})
    pipeline = pipelines("sdxl")
    before = {name: one.clone() for name, one in pipeline.text_encoder.state_dict().items()}
    add_adapters(pipeline, ModelSettings(checkpoint="x", adapters=files), Checkpoint)
    for (component, path), (down, _, alpha) in layers.items():
        layer = getattr(pipeline, component).get_submodule(path)
        assert layer.scaling == pytest.approx({"adapter_0": alpha / RANK, "adapter_1": 0.5})
        assert all(torch.equal(layer.lora_A[name].weight, down) for name in layer.scaling)
    after = {
        name.replace(".base_layer", ""): one
        for name, one in pipeline.text_encoder.state_dict().items()
    }
    assert all(torch.equal(after[name], one) for name, one in before.items())


def test_in_half_precision(pipelines: Callable[[str], Any], place: Path) -> None:
    layers = layers_of(pipelines("sd"))
    file = write("sd", as_kohya(layers), place)
    lay(pipelines("sd").to(torch.bfloat16), file, place)
    half = {name: one.half() for name, one in load_file(place / file).items()}
    lay(pipelines("sd").to(torch.bfloat16), write("sd", half, place), place)


def test_a_pipeline_that_lacks_the_component(pipelines: Callable[[str], Any], place: Path) -> None:
    pipeline = pipelines("sd3")
    layers = layers_of(pipeline)
    pipeline.text_encoder_2 = None
    with pytest.raises(ModelError, match=r"6 of its .* tensors fit nothing there: text_encoder_2"):
        lay(pipeline, write("sd3", as_peft(layers), place), place)


def test_the_adapter_s_name_in_its_names(pipelines: Callable[[str], Any], place: Path) -> None:
    named = {
        name.replace(".weight", ".default.weight"): one
        for name, one in as_peft(layers_of(pipelines("sd"))).items()
        if name.startswith("unet")
    }
    with pytest.raises(ModelError, match=r"^adapters\[0\]: .*\.lora_A\.default\.weight"):
        lay(pipelines("sd"), write("sd", named, place), place)


def lokr_of(pipeline: Any, prefix: str = "diffusion_model.") -> Named:
    """A random LoKr of a Z-Image, as ai-toolkit names it: one layer whole, one in ranks."""
    whole, parted = (f"{prefix}layers.{number}.attention.to_q" for number in (0, 1))
    out, inner = pipeline.transformer.layers[0].attention.to_q.weight.shape
    generator = torch.Generator().manual_seed(0)
    shapes = {
        f"{whole}.lokr_w1": (4, 4),
        f"{whole}.lokr_w2": (out // 4, inner // 4),
        f"{parted}.lokr_w1": (4, 4),
        f"{parted}.lokr_w2_a": (out // 4, 1),
        f"{parted}.lokr_w2_b": (1, inner // 4),
    }
    named = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {**named, f"{whole}.alpha": torch.tensor(7.0), f"{parted}.alpha": torch.tensor(0.5)}


@pytest.fixture
def z_image() -> Any:
    """A pipeline that LoKrs are laid over; nothing is drawn with it."""
    torch.manual_seed(0)
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2,
        cap_feat_dim=16, axes_dims=[4, 6, 6], axes_lens=[8, 8, 8],
    )  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    nothing: Any = None
    return diffusers.ZImagePipeline(scheduler, nothing, nothing, nothing, transformer)


def test_a_lokr_is_applied(z_image: Any, place: Path) -> None:
    named = lokr_of(z_image)
    lay(z_image, write("z_image", named, place), place, scale=0.5)
    wholes = {
        0: (named["diffusion_model.layers.0.attention.to_q.lokr_w2"], 1.0),  # LyCORIS: no alpha
        1: (
            named["diffusion_model.layers.1.attention.to_q.lokr_w2_a"]
            @ named["diffusion_model.layers.1.attention.to_q.lokr_w2_b"],
            0.5,
        ),
    }
    for number, (right, strength) in wholes.items():
        layer = z_image.transformer.layers[number].attention.to_q
        left = named[f"diffusion_model.layers.{number}.attention.to_q.lokr_w1"]
        x = torch.randn(1, 3, left.shape[1] * right.shape[1])
        change = layer(x) - layer.base_layer(x)
        expected = 0.5 * strength * x @ torch.kron(left, right).T
        torch.testing.assert_close(change, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("damage", [drop, rename, elsewhere, widen, spoil])
def test_a_damaged_lokr_is_refused(
    damage: Callable[[Named, str], Named], z_image: Any, place: Path
) -> None:
    named = lokr_of(z_image)
    for key in named:
        if damage is drop and key.endswith(".alpha"):
            continue
        pipeline = copy.deepcopy(z_image)
        with pytest.raises(ModelError, match=r"^adapters\[0\]: "):
            lay(pipeline, write("z_image", damage(named, key), place), place)


class Packed(torch.nn.Linear):
    """As bitsandbytes has a layer in four bits: two numbers a byte, in one column."""

    def __init__(self, inner: int, out: int) -> None:
        super().__init__(inner, out)
        packed = torch.zeros(inner * out // 2, 1, dtype=torch.uint8)
        self.weight = torch.nn.Parameter(packed, requires_grad=False)


@pytest.mark.parametrize("name", [as_peft, as_kohya])
def test_over_weights_in_four_bits(
    name: Callable[[Layers], Named], pipelines: Callable[[str], Any], place: Path
) -> None:
    pipeline = pipelines("sd")
    layers = layers_of(pipeline)
    for component, path in layers:
        head, _, end = path.rpartition(".")
        if end.startswith("to_"):
            parent = getattr(pipeline, component).get_submodule(head)
            plain = getattr(parent, end)
            setattr(parent, end, Packed(plain.in_features, plain.out_features))
    damaged = {n: widen(name(layers), n)[n] if "to_q" in n else t for n, t in name(layers).items()}
    damaged = {n: t.contiguous() for n, t in damaged.items() if not n.endswith(".alpha")}
    with pytest.raises(ModelError, match=r"size mismatch|do not go together"):
        lay(copy.deepcopy(pipeline), write("sd", damaged, place), place)
    lay(pipeline, write("sd", name(layers), place), place)
    assert adapted(pipeline) == set(layers)


def test_a_lokr_of_three_projections_together(place: Path) -> None:
    """diffusers fuses them in Flux.2's transformer as it loads it."""
    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=16, timestep_guidance_channels=8,
        axes_dims_rope=(4, 4, 4, 4),
    )  # fmt: skip
    nothing: Any = None
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    pipeline = diffusers.Flux2Pipeline(scheduler, nothing, nothing, nothing, transformer)
    stem = "diffusion_model.double_blocks.0.img_attn.qkv"
    named = {f"{stem}.lokr_w1": torch.randn(4, 4), f"{stem}.lokr_w2": torch.randn(24, 8)}
    lay(pipeline, write("flux2", named, place), place)
    assert adapted(pipeline) == {("transformer", "transformer_blocks.0.attn.to_qkv")}

"""What `synpic validate` says of models, with weights that nobody could open."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from synpic import Workspace
from synpic.engine.progress import Event
from synpic.errors import CheckpointError, Unfinished
from synpic.generate.checkpoint import Checkpoint
from synpic.pipeline.steps import generate_candidates
from synpic.pipeline.validation import validate
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.cli.conftest import in_process
from tests.generate import tiny
from tests.generate.by_recipe import workspace_of
from tests.generate.loras import save_lora
from tests.generate.test_families import KINDS, SANA

Folder = Callable[[str], Path]


@pytest.fixture
def hollow(copied: Folder) -> Folder:
    """A builder's name → a checkpoint whose weights are cut short: who opens one fails."""

    def make(name: str) -> Path:
        folder = copied(name)
        hollow_out(folder)
        return folder

    return make


def hollow_out(folder: Path) -> Path:
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:7])
    return folder


def problems(root: Path, **settings: Any) -> list[tuple[str, str | None]]:
    return validate(workspace_of(root, m={"steps": 2, **settings})).problems


@pytest.mark.parametrize("kind", [*KINDS, "cascade_decoder"])
def test_a_sound_model_has_no_problem_and_no_weight_is_read(
    kind: str, hollow: Folder, tmp_path: Path
) -> None:
    family = KINDS.get(kind, "stable_cascade")
    more: dict[str, Any] = {"call": SANA} if kind == "sana" else {}
    if kind == "cascade_decoder":
        more = {"prior": hollow("cascade_prior")}
    sizes = [f"{tiny.side(kind)}x{2 * tiny.side(kind)}"]
    assert problems(
        tmp_path / "set", checkpoint=hollow(kind), family=family, sizes=sizes, **more
    ) == []  # fmt: skip


def test_adapters_components_and_schedulers_that_fit(hollow: Folder, tmp_path: Path) -> None:
    base = hollow("sd")
    lora = hollow_out(save_lora(tiny.save("sd", tmp_path / "b"), tmp_path / "lora", seed=1))
    other = hollow_out(tiny.save("sd", tmp_path / "other", seed=1))
    found = problems(
        tmp_path / "set",
        checkpoint=base,
        adapters=[{"checkpoint": lora}],
        components={"unet": {"checkpoint": other}, "vae": {"checkpoint": other / "vae"}},
        scheduler="UniPCMultistepScheduler",
        scheduler_options={"use_karras_sigmas": True},
    )
    assert found == []


@pytest.mark.parametrize(
    ("kind", "settings", "told", "advice"),
    [
        ("sd", {"call": {"guidance_rescal": 0.5}}, "call.guidance_rescal: .*Did you", "leave"),
        ("sd", {"call": {"generator": 1}}, "call.generator: synpic sets this", "leave it out"),
        ("cascade_decoder", {}, "checkpoint: .*from a prompt alone: it wants image_emb", "family"),
        ("sd", {"call": {"width": 32}}, "call.width: the recipe has a key", "use `sizes`"),
        ("sd", {"call": {"num_inference_steps": 3}}, "call.num_inf.*has a key", "use `steps`"),
        ("stable_cascade", {"call": {"prior_guidance_scale": 3}}, "has a key", "use `guidance`"),
        ("sd", {"call": {"latents": [0.5]}}, "call.latents: it takes tensors", "leave it out"),
        ("sd", {"call": {"prompt_embeds": [0.5]}}, "call.prompt_embeds: .*tensors", "leave it"),
        ("stable_cascade", {"family": "auto"}, "family: .*is a Stable Cascade", "stable_cascade"),
        ("ddpm", {}, "checkpoint: DDPMPipeline takes no prompt", "another"),
        ("ddpm", {"guidance": 3.0}, "guidance: DDPMPipeline takes no guidance_scale", "leave"),
        ("ddpm", {"sizes": ["8x8"]}, "sizes: DDPMPipeline takes no width", "leave"),
        ("ddpm", {"negative_prompt": "x"}, "negative_prompt: DDPMPipeline takes no neg", "leave"),
        ("sd", {"scheduler": "DPMSolverMultistep"}, "scheduler: 'DPM.*Scheduler'", "class name"),
        ("sd", {"scheduler_options": {"beta_strat": 1}}, "scheduler_options.beta_strat", "beta_s"),
        ("sd", {"scheduler_options": {"beta_schedule": "steep"}}, "scheduler_options: DDIM", "cha"),
        ("sd", {"scheduler": "FlowMatchEulerDiscreteScheduler"}, "flow matching, and", "DDIMS"),
        ("sd3", {"scheduler": "DDIMScheduler"}, "DDIMScheduler is for diffusion, and", "use_flow"),
        ("sana", {"scheduler": "DDIMScheduler"}, "scheduler: DDIM.*flow matching", "FlowMatch"),
        ("sd", {"sizes": ["512x516"]}, "sizes: StableDiffusionPipeline cannot draw 512x516", "8"),
        ("sd3", {"sizes": ["18x16"]}, "sizes: StableDiffusion3Pipeline cannot draw", "4: 1.x16 is"),
        ("sd3", {"sizes": ["68x64"]}, "sizes: 68x64 is too large", "up to 64"),
        ("pixart_sigma", {"sizes": ["18x16"]}, "sizes: PixArtSigmaPipeline", "multiples of 4"),
        ("flux", {"sizes": ["18x16"]}, "sizes: FluxPipeline cannot draw 18x16", "multiples of 4"),
        ("sana", {"sizes": ["48x32"]}, "sizes: SanaPipeline cannot draw 48x32", "of 32"),
        ("stable_cascade", {"sizes": ["1344x768"]}, "sizes: .* cannot draw 1344x768", "1280x768"),
        ("cascade_decoder", {"family": "stable_cascade"}, "prior: .*second stage", "cascade-prior"),
        ("sd", {"prior": "../sd"}, "prior: only the family stable_cascade", "leave it out"),
        ("sd", {"family": "sdxl"}, "family: .*sd is a StableDiffusionPipeline", "auto"),
        ("sd", {"variant": "fp16"}, "variant: .*has no files of variant=fp16", "leave out"),
        ("sd", {"without": ["vae"]}, "without: StableDiffusionPipeline does not draw", "leave"),
        ("sd3", {"without": ["text_encoder_2"]}, "without: .*mean 'text_encoder_3", "tokenizer_3"),
        ("sd3", {"without": ["tokenizer_3"]}, "without: text_encoder_3 cannot read without",
         "leave out text_encoder_3 too"),
        ("sd", {"components": {"tokenizer": {"checkpoint": "../sd", "subfolder": "nut"}}},
         "components.tokenizer: .*sd/nut holds no CLIPTokenizer", "subfolder"),
        ("sd", {"components": {"tokenizer": {"checkpoint": "../sd/vae"}}}, "holds no CLIPTok",
         "subfolder"),
        ("sd", {"components": {"unnet": {"checkpoint": "../sd"}}}, "unnet: .*'unet'", "it has"),
        ("sd", {"components": {"scheduler": {"checkpoint": "../sd"}}}, "scheduler has no", "use"),
        ("sd", {"components": {"safety_checker": {"checkpoint": "../sd"}}}, "black", "safety"),
        ("sd", {"components": {"unet": {"checkpoint": "../sd/vae"}}}, "components.unet: .*is a ",
         "another"),
        ("sd", {"components": {"unet": {"checkpoint": "../sd/tokenizer"}}}, "has no config.json",
         "name a component's folder"),
        ("sd", {"components": {"unet": {"checkpoint": "../sd", "subfolder": "nut"}}},
         "sd/nut has no config.json", "subfolder.*unet, vae"),
        ("sd", {"components": {"unet": {"checkpoint": "../gone"}}}, "unet: ../gone: no such",
         "relative to the recipe"),
        ("sd", {"adapters": [{"checkpoint": "../gone"}]}, r"s\[0\]: ../gone: no such", "rel"),
        ("sd", {"adapters": [{"checkpoint": "gone.safetensors"}]}, r"s\[0\]: .*no such file",
         "relative"),
        ("sd", {"adapters": [{"checkpoint": "../sd/tokenizer"}]}, r"s\[0\]: .*has no safeten",
         "it holds: .*tokenizer"),
        ("sd", {"adapters": [{"checkpoint": "../sd/unet", "file": "x.safetensors"}]},
         r"adapters\[0\]: .*no file x.safetensors", "diffusion_pytorch_model"),
        ("sd", {"adapters": [{"checkpoint": "../sd/unet", "file": "x.bin"}]},
         r"adapters\[0\]: x.bin of .* is no safetensors file", "pickled weights"),
        ("pixart_sigma", {"adapters": [{"checkpoint": "../pixart_sigma/vae"}]},
         r"adapters\[0\]: PixArtSigmaPipeline takes a LoRA in peft's", "synpic train"),
        ("stable_cascade", {"adapters": [{"checkpoint": "../stable_cascade/vqgan"}]},
         r"adapters\[0\]: StableCascadeCombinedPipeline takes no LoRA", "leave it out"),
        ("stable_cascade", {"vae_tiling": True}, "vae_tiling: ", "leave out"),
    ],
)  # fmt: skip
def test_what_is_wrong(
    kind: str, settings: dict[str, Any], told: str, advice: str, hollow: Folder, tmp_path: Path
) -> None:
    asked = {"family": KINDS.get(kind, "auto"), **settings}
    found = problems(tmp_path / "set", checkpoint=hollow(kind), **asked)
    messages = [message for message, _ in found]
    assert len(found) == 1 or kind == "ddpm", messages
    message, hint = next(((m, h) for m, h in found if _found(told, m)), (None, None))
    assert message is not None, messages
    assert message.startswith("models.m."), message
    assert _found(advice, str(hint)), hint


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def test_everything_wrong_is_said_at_once(hollow: Folder, tmp_path: Path) -> None:
    found = problems(
        tmp_path / "set",
        checkpoint=hollow("sd"),
        scheduler="NoSuchScheduler",
        sizes=["17x16"],
        call={"nonsense": 1},
        components={"nonsense": {"checkpoint": "../sd"}},
    )
    keys = [message.partition(": ")[0] for message, _ in found]
    assert keys == [
        "models.m.call.nonsense",
        "models.m.sizes",
        "models.m.components.nonsense",
        "models.m.scheduler",
    ]


def test_a_component_of_another_shape(hollow: Folder, tmp_path: Path) -> None:
    xl = hollow_out(tiny.save("sdxl", tmp_path / "xl"))
    found = problems(
        tmp_path / "set", checkpoint=hollow("sd"), components={"unet": {"checkpoint": xl}}
    )
    assert "components.unet: " in found[0][0]
    assert "cross_attention_dim is 16, the checkpoint's own 8" in found[0][0]


def test_an_encoder_that_lacks_its_projection(hollow: Folder, tmp_path: Path) -> None:
    # Of one model_type and one width: what is missing would be random numbers.
    old = hollow("sd")
    found = problems(
        tmp_path / "set", checkpoint=hollow("sd3"), components={"text_encoder": {"checkpoint": old}}
    )
    ((message, _),) = found
    assert "components.text_encoder: " in message
    assert "is a CLIPTextModel, and a CLIPTextModelWithProjection belongs there" in message
    # The other way round nothing is missing.
    new = hollow_out(tiny.save("sdxl", tmp_path / "xl"))
    component = {"checkpoint": new, "subfolder": "text_encoder_2"}
    found = problems(tmp_path / "other", checkpoint=old, components={"text_encoder": component})
    assert not any("belongs there" in message for message, _ in found)


def test_stages_that_a_card_names_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "combined"
    folder.mkdir()
    index = {"_class_name": "KandinskyV22CombinedPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))
    assert problems(tmp_path / "one", checkpoint=folder) == []
    (folder / "README.md").write_text("---\nprior:\n- other/prior\n---\n")
    ((message, hint),) = problems(tmp_path / "two", checkpoint=folder)
    assert "checkpoint: " in message
    assert "would open those that its README.md names" in message
    assert "no README.md" in str(hint)


def test_a_class_by_either_of_its_names(hollow: Folder, tmp_path: Path) -> None:
    # PixArt-Σ's checkpoints say Transformer2DModel, of which diffusers has since made another.
    folder = hollow("pixart_sigma")
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "Transformer2DModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    tuned = hollow_out(tiny.save("pixart_sigma", tmp_path / "tuned", seed=1))
    components = {"transformer": {"checkpoint": tuned}}
    assert problems(tmp_path / "set", checkpoint=folder, components=components) == []


# -- files -------------------------------------------------------------------------------------


def test_a_variant_of_some_components(copied: Folder, tmp_path: Path) -> None:
    folder = hollow_out(copied("sd"))
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    assert problems(tmp_path / "one", checkpoint=folder, variant="fp16") == []
    ((message, hint),) = problems(tmp_path / "two", checkpoint=folder)
    assert "unet has no weights by the name of" in message
    assert "diffusion_pytorch_model.fp16.safetensors; say which with `variant`" in str(hint)
    ((message, hint),) = problems(tmp_path / "three", checkpoint=folder, variant="bf16")
    assert "no files of variant=bf16" in message
    assert hint == "it has `variant` fp16"


def test_weights_in_several_files(copied: Folder, tmp_path: Path) -> None:
    folder = hollow_out(copied("sd3"))
    whole = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    shards = [
        whole.with_name(f"diffusion_pytorch_model-{n:05}-of-00003.safetensors") for n in (1, 2, 3)
    ]
    for shard in shards:
        shutil.copy(whole, shard)
    whole.unlink()
    assert problems(tmp_path / "one", checkpoint=folder) == []
    shards[1].unlink()
    ((message, _),) = problems(tmp_path / "two", checkpoint=folder)
    assert "transformer lacks 1 of its 3 files of weights" in message


def spread(folder: Path, *names: str) -> None:
    """Put the one file of weights in ``folder`` under other names, as a publisher has them."""
    (weights,) = folder.glob("*.safetensors")
    data = weights.read_bytes()
    weights.unlink()
    for name in names:
        (folder / name).write_bytes(data)


def test_layouts_that_publishers_use(copied: Folder, tmp_path: Path) -> None:
    numbers = iter(range(100))

    def found(folder: Path, **settings: Any) -> list[tuple[str, str | None]]:
        return problems(tmp_path / str(next(numbers)), checkpoint=folder, **settings)

    # Every precision beside the other, and files of other libraries and tools.
    xl = hollow_out(copied("sdxl"))
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
        spread(xl / part, f"{stem}.safetensors", f"{stem}.fp16.safetensors")
        (xl / part / "model.onnx").touch()
        (xl / part / "flax_model.msgpack").touch()
    (xl / "sd_xl_base_1.0.safetensors").touch()
    assert found(xl, family="sdxl") == found(xl, family="sdxl", variant="fp16") == []

    # Shards; of a variant under the present names, or under those of old.
    for pattern in (
        "model.fp16-0000{}-of-00002.safetensors",
        "model-0000{}-of-00002.fp16.safetensors",
    ):
        sd3 = hollow_out(copied("sd3"))
        spread(
            sd3 / "text_encoder_3",
            *(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)),
            *(pattern.format(n) for n in (1, 2)),
        )
        assert found(sd3, family="sd3") == found(sd3, family="sd3", variant="fp16") == []
        shutil.rmtree(sd3)

    # A variant of some parts, in both stages.
    decoder, prior = hollow_out(copied("cascade_decoder")), hollow_out(copied("cascade_prior"))
    for stage, part in ((decoder, "decoder"), (prior, "prior")):
        spread(stage / part, "diffusion_pytorch_model.bf16.safetensors")
    assert found(decoder, family="stable_cascade", prior=prior, variant="bf16") == []
    ((message, hint),) = found(decoder, family="stable_cascade", prior=prior, variant="fp16")
    assert "no files of variant=fp16" in message
    assert hint == "it has `variant` bf16"


def test_a_gated_repository(hollow: Folder, tmp_path: Path, monkeypatch: Any) -> None:
    def closed(self: Checkpoint, name: str) -> None:
        raise CheckpointError("maker/base is gated", hint="accept its terms")

    monkeypatch.setattr(Checkpoint, "json", closed)
    found = problems(tmp_path / "set", checkpoint=hollow("sd"))
    assert found == [("models.m: maker/base is gated", "accept its terms")]


def test_pickles_are_read_only_where_the_recipe_says_so(copied: Folder, tmp_path: Path) -> None:
    folder = copied("sd")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    ((message, hint),) = problems(tmp_path / "one", checkpoint=folder)
    assert "unet has no safetensors: its weights are pickled" in message
    assert 'allow = ["pickled weights"]' in str(hint)
    trusted = workspace_of(
        tmp_path / "two", m={"checkpoint": folder, "steps": 1, "allow": ["pickled weights"]}
    )
    assert validate(trusted).problems == []
    generate_candidates(trusted, device="cpu").raise_if_unfinished()


def test_code_is_run_only_where_the_recipe_says_so(copied: Folder, tmp_path: Path) -> None:
    folder = copied("sd")
    ran = tmp_path / "ran"
    (folder / "pipeline.py").write_text(
        "from pathlib import Path\n"
        "from diffusers import StableDiffusionPipeline\n"
        f"Path({str(ran)!r}).touch()\n"
        "class Mine(StableDiffusionPipeline):\n"
        "    pass\n"
    )
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = ["pipeline", "Mine"]
    (folder / "model_index.json").write_text(json.dumps(index))
    ((message, hint),) = problems(tmp_path / "one", checkpoint=folder)
    assert message.startswith("models.m.allow: ")
    assert "brings code of its own, for its pipeline (Mine)" in message
    assert 'allow = ["remote code"]' in str(hint)
    with pytest.raises(Unfinished):
        generate_candidates(
            workspace_of(tmp_path / "two", m={"checkpoint": folder, "steps": 1}), device="cpu"
        ).raise_if_unfinished()
    assert not ran.exists()
    trusted = workspace_of(
        tmp_path / "three", m={"checkpoint": folder, "steps": 1, "allow": ["remote code"]}
    )
    assert validate(trusted).problems == []
    assert not ran.exists()
    generate_candidates(trusted, device="cpu").raise_if_unfinished()
    assert ran.exists()
    # Its arguments are known when it has run.
    family = FAMILIES.load("auto")
    settings = ModelSettings(checkpoint=str(folder), allow=["remote code"], call={"nonsense": 1})
    assert family.problems(settings, str(folder), None) == []
    with pytest.raises(Exception, match=r"call\.nonsense: Mine takes no nonsense"):
        family(settings, str(folder), None, "cpu")


def test_a_component_that_brings_code(hollow: Folder, tmp_path: Path) -> None:
    folder = hollow("sd")
    (folder / "unet" / "mine.py").write_text("raise SystemExit('it ran')")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["mine", "MyUNet"]
    (folder / "model_index.json").write_text(json.dumps(index))
    ((message, _),) = problems(tmp_path / "set", checkpoint=folder)
    assert "for its unet (mine.MyUNet)" in message


# -- at the surface ----------------------------------------------------------------------------


def test_generate_says_it_before_weights_are_read(hollow: Folder, tmp_path: Path) -> None:
    bad = {"checkpoint": hollow("sd"), "steps": 2, "call": {"nonsense": 1}, "samples": 2}
    workspace = workspace_of(tmp_path / "set", bad=bad)
    events: list[Event] = []
    report = generate_candidates(workspace, device="cpu", listener=events.append)
    (outcome,) = report.outcomes
    assert "nonsense" in str(outcome)
    assert "cannot be opened" not in str(outcome)  # what a weight that is cut short would say
    with pytest.raises(Unfinished):
        report.raise_if_unfinished()


def test_validate_shows_problems_with_their_hints(hollow: Folder, tmp_path: Path) -> None:
    model = {"checkpoint": hollow("sd"), "scheduler": "DDIMSchedule", "sizes": ["20x16"]}
    workspace_of(tmp_path / "set", m={**model, "samples": 2})
    ended = in_process("validate", "-C", tmp_path / "set")
    assert ended.exit_code == 1
    told = " ".join(ended.output.split())
    assert "models.m.scheduler: 'DDIMSchedule' is not in diffusers. Did you mean" in told
    assert "models.m.sizes: " in told
    assert "multiples of 8" in told


def test_a_family_that_says_nothing_is_not_asked(workspace: Workspace) -> None:
    assert validate(workspace).problems == []

"""What a file of weights lacks is not made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from synpic.errors import ModelError
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate import tiny

Folder = Callable[[str], Path]


def lose(folder: Path, end: str) -> str:
    """Take one parameter out of the weights in ``folder``; its name."""
    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    name = next(name for name in sorted(weights) if name.endswith(end))
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    return name


def open_it(folder: Path, **keys: object) -> None:
    settings = ModelSettings(checkpoint=str(folder), steps=1, **keys)
    FAMILIES.load("auto")(settings, str(folder), None, "cpu")


@pytest.mark.parametrize(
    ("kind", "part", "end"),
    [
        ("sd", "text_encoder", "q_proj.bias"),
        ("sd3", "text_encoder_2", "text_projection.weight"),
        ("sd", "unet", "conv_out.weight"),
        ("sd", "vae", "post_quant_conv.bias"),
    ],
)
def test_of_the_checkpoint_s_own(kind: str, part: str, end: str, copied: Folder) -> None:
    folder = copied(kind)
    open_it(folder)
    lost = lose(folder / part, end)
    with pytest.raises(ModelError, match=rf"^checkpoint: .*{part} lacks weights: ") as caught:
        open_it(folder)
    assert lost.split(".")[-2] in caught.value.message


def test_of_a_component(copied: Folder, saved: Folder, tmp_path: Path) -> None:
    other = tiny.save("sd", tmp_path / "other", seed=1)
    lose(other / "text_encoder", "q_proj.bias")
    with pytest.raises(ModelError, match=r"^components\.text_encoder: .*lacks weights: "):
        open_it(saved("sd"), components={"text_encoder": {"checkpoint": str(other)}})


def test_names_of_old_are_whole(copied: Folder) -> None:
    """Published checkpoints have them: the libraries know what is meant."""

    def rename(folder: Path, change: Callable[[str], str]) -> None:
        (file,) = folder.glob("*.safetensors")
        weights = {change(name): value.clone() for name, value in load_file(file).items()}
        save_file(weights, file, metadata={"format": "pt"})

    sd, sd3 = copied("sd"), copied("sd3")
    rename(sd / "text_encoder", lambda name: f"text_model.{name.removeprefix('text_model.')}")
    rename(sd / "vae", lambda name: name.replace("to_q.", "query.").replace("to_k.", "key."))
    open_it(sd)
    shared = "encoder.embed_tokens.weight"
    rename(sd3 / "text_encoder_3", lambda name: shared if name == "shared.weight" else name)
    open_it(sd3)

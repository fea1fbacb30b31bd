"""What a recipe leaves out comes from the registry, and where weights are is one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from torch import zeros

from synpic import Workspace, ids
from synpic.errors import CheckpointError, ModelError, RecipeError
from synpic.generate.image_model import KnownModel, complete, resolve_model
from synpic.recipe import Recipe, parse_recipe
from synpic.recipe.settings import ModelSettings
from synpic.registry import MODELS
from synpic.train.trainable_checkpoint import find_checkpoint
from synpic.workspace import RecipeLock, Snapshot

KNOWN = KnownModel(
    ModelSettings(
        checkpoint="maker/model",
        revision="v1",
        variant="fp16",
        prior="maker/prior",
        prior_revision="v2",
        adapters=[{"checkpoint": "maker/style", "scale": 0.5}],
        components={"vae": {"checkpoint": "maker/vae"}},
        steps=20,
        call={"eta": 0.5},
    )
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    load = type(MODELS).load
    monkeypatch.setattr(
        type(MODELS),
        "load",
        lambda self, name, *beside: KNOWN if name == "known" else load(self, name, *beside),
    )


def completed(**keys: Any) -> ModelSettings:
    return complete("m", ModelSettings(model="known", **keys))


def test_nothing_given_is_as_registered() -> None:
    assert completed() == KNOWN.settings.model_copy(update={"model": "known"})


def test_key_by_key() -> None:
    made = completed(
        steps=3,
        call={"clip_skip": 1},
        components={"unet": {"checkpoint": "a/b", "subfolder": "unet"}},
    )
    assert (made.steps, made.variant, made.checkpoint) == (3, "fp16", "maker/model")
    assert made.call == {"eta": 0.5, "clip_skip": 1}
    assert {name: one.checkpoint for name, one in made.components.items()} == {
        "vae": "maker/vae",
        "unet": "a/b",
    }
    assert made.components["unet"].subfolder == "unet"


def test_no_variant_is_written_as_an_empty_one() -> None:
    assert completed(variant="").variant is None
    assert complete("m", ModelSettings(checkpoint="a/b", variant="")).variant is None


def at(root: Path, recipe: Recipe) -> Snapshot:
    """What a command would work from, if ``recipe`` were at ``root``."""
    workspace = Workspace(root)
    return Snapshot(workspace, recipe, "", RecipeLock.read(workspace.store))


def test_a_registered_variant_is_asked_of_a_folder_that_has_it(tmp_path: Path) -> None:
    """What `synpic train` writes has none; its fingerprint is what it always was."""
    folder = tmp_path / "train"
    (folder / "unet").mkdir(parents=True)
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    plain.write_bytes(b"")
    place = {"checkpoint": str(folder)}
    keys: dict[str, Any] = {**place, "adapters": [], "components": {"vae": place}}
    numbers = iter(range(9))

    def variant(**more: str) -> tuple[str | None, str | None]:
        settings = ModelSettings(model="known", **keys, **more)
        recipe = parse_recipe('[prompts]\nfile = "p.txt"\n[models.m]\ncheckpoint = "x/y"\n')
        recipe = recipe.model_copy(update={"models": {"m": settings}})
        root = tmp_path / str(next(numbers))
        (model,) = resolve_model("m", at(root, recipe))
        return model.fingerprint_inputs["variant"], model.located(Workspace(root))[0].variant

    assert variant() == ("fp16", None)
    assert variant(variant="fp16") == ("fp16", "fp16")  # asked for: validate says what is wrong
    assert variant(variant="") == (None, None)
    plain.rename(plain.with_suffix(".fp16.safetensors"))
    assert variant() == ("fp16", "fp16")


def test_adapters_replace_those_that_are_registered() -> None:
    made = completed(adapters=[{"checkpoint": "a/b"}])
    assert [(one.checkpoint, one.scale) for one in made.adapters] == [("a/b", 1.0)]
    assert completed(adapters=[]).adapters == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"checkpoint": "a/b"}, ("a/b", None, None, None)),
        ({"checkpoint": "a/b", "prior": "c/d"}, ("a/b", None, "c/d", None)),
        ({"prior": "c/d"}, ("maker/model", "v1", "c/d", None)),
        ({"revision": "v9"}, ("maker/model", "v9", "maker/prior", "v2")),
        ({"prior_revision": "v9"}, ("maker/model", "v1", "maker/prior", "v9")),
    ],
)
def test_a_revision_belongs_to_its_checkpoint(
    given: dict[str, Any], found: tuple[str | None, ...]
) -> None:
    made = completed(**given)
    assert (made.checkpoint, made.revision, made.prior, made.prior_revision) == found


def test_stable_cascade_is_two_repositories() -> None:
    settings = complete("stable_cascade", ModelSettings())
    assert settings.prior == "stabilityai/stable-cascade-prior"
    own = complete("stable_cascade", ModelSettings(checkpoint="./both"))
    assert own.prior is None


def test_training_reads_a_checkpoint_as_it_is() -> None:
    with pytest.raises(ModelError, match=r"model\.adapters: the registered model known has them"):
        find_checkpoint(ModelSettings(model="known"))


def test_the_prior_is_in_the_fingerprint_and_the_lock(tmp_path: Path) -> None:
    for name in ("decoder", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    found = {}
    for prior in ("one", "two"):
        text = (
            f'[prompts]\nworld = "shapes"\ncount = 1\n[models.m]\nfamily = "stable_cascade"\n'
            f'checkpoint = "./decoder"\nprior = "./{prior}"\n'
        )
        snapshot = at(tmp_path, parse_recipe(text))
        (model,) = resolve_model("m", snapshot)
        found[prior] = model.fingerprint
    assert found["one"] != found["two"]
    assert {entry.source for entry in snapshot.lock.entries} == {"./decoder", "./one", "./two"}


def test_settings_that_came_later_change_no_older_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "x").write_text("x")
    recipe = parse_recipe(
        '[prompts]\nworld = "shapes"\ncount = 1\n[models.m]\ncheckpoint = "./base"\n'
        'sizes = ["16x8"]\nsteps = 3\nguidance = 4\n'
    )
    (model,) = resolve_model("m", at(tmp_path, recipe))
    assert model.fingerprint == ids.fingerprint(
        {
            "family": "auto",
            "checkpoint": {"sha256": ids.folder_hash(tmp_path / "base")},
            "steps": 3,
            "guidance": 4.0,
            "size": [16, 8],
            "dtype": "float32",
            "images": {"format": "png"},
        }
    )


# -- a single file -----------------------------------------------------------------------------


def resolved(root: Path, source: str) -> str:
    text = (
        f'[prompts]\nworld = "shapes"\ncount = 1\n[models.m]\ncheckpoint = "./base"\n'
        f'adapters = [{{ checkpoint = "{source}" }}]\n'
    )
    recipe = parse_recipe(text)
    (model,) = resolve_model("m", at(root, recipe))
    return model.fingerprint


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "x").write_text("x")
    save_file({"a": zeros(3)}, tmp_path / "style.safetensors")
    found = resolved(tmp_path, "style.safetensors")
    (tmp_path / "other.safetensors").write_bytes((tmp_path / "style.safetensors").read_bytes())
    assert resolved(tmp_path, "./other.safetensors") == found
    save_file({"a": zeros(4)}, tmp_path / "style.safetensors")
    with pytest.raises(CheckpointError, match=r"models\.m\.adapters\[0\]: style.* has changed"):
        resolved(tmp_path, "style.safetensors")
    (tmp_path / "style.safetensors").unlink()
    assert resolved(tmp_path, "style.safetensors") == found  # missed when it is to be loaded
    recipe = parse_recipe(
        '[prompts]\nworld = "shapes"\ncount = 1\n[models.m]\ncheckpoint = "./base"\n'
        'adapters = [{ checkpoint = "style.safetensors" }]\n'
    )
    (model,) = resolve_model("m", at(tmp_path, recipe))
    with pytest.raises(CheckpointError, match=r"adapters\[0\]: style.safetensors: the file is g"):
        model.sources.located(Workspace(tmp_path), model.settings)


def test_what_is_written_in_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="scale"):
        parse_recipe('[models.m]\nadapters = [{ checkpoint = "a/b", scale = 1000 }]\n')
    with pytest.raises(RecipeError, match="pickled weights"):
        parse_recipe('[models.m]\nallow = ["anything"]\n')

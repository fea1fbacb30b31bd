"""What is known of diffusers' classes without importing them is what the classes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synpic.generate.facts import by_import as facts_of_classes
from synpic.generate.facts import lookup as facts
from synpic.generate.facts.table import FactsTable, TimestepFacts, diffusers_version

PIPELINES = [
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "PixArtSigmaPipeline",
    "SanaPipeline",
    "StableCascadeCombinedPipeline",
]
COMPONENTS = [
    ("diffusers", "AutoencoderKL"),
    ("diffusers", "UNet2DConditionModel"),
    ("diffusers", "StableCascadeUNet"),
    ("wuerstchen", "PaellaVQModel"),
    ("transformers", "CLIPTextModelWithProjection"),
    ("transformers", "T5EncoderModel"),
]


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a diffusers that synpic has no table of."""
    monkeypatch.setattr(facts, "_pipelines", dict)
    monkeypatch.setattr(facts, "_components", dict)


def test_the_version_that_is_tested_has_a_table() -> None:
    pins = Path(__file__).parents[2].joinpath("constraints.txt").read_text()
    (pinned,) = re.findall(r"^diffusers==(\S+)$", pins, re.MULTILINE)
    table = Path(facts.__file__).with_name(f"diffusers-{pinned}.json")
    assert FactsTable.model_validate_json(table.read_bytes()).diffusers == pinned


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_s_facts_are_its_class_s(name: str) -> None:
    assert name in facts._pipelines()
    assert facts.pipeline_facts(name) == facts_of_classes.of_pipeline_called(name)


@pytest.mark.parametrize(("library", "kind"), COMPONENTS)
def test_a_component_s_facts_are_its_class_s(library: str, kind: str) -> None:
    assert any(name.endswith(f".{kind}") for name in facts._components())
    found = facts.component_facts(library, kind)
    assert found == facts_of_classes.of_component_called(library, kind)
    assert found is not None
    assert found.weights


@pytest.mark.slow
def test_the_table_is_what_the_installed_classes_say() -> None:
    """Else: make facts."""
    if not facts._pipelines():
        pytest.skip(f"no table of diffusers {diffusers_version()}: classes are asked")
    text = facts_of_classes.encode(facts_of_classes.table())
    there = Path(facts.__file__).with_name(f"diffusers-{diffusers_version()}.json")
    assert text.splitlines() == there.read_text(encoding="utf-8").splitlines()


@pytest.mark.usefixtures("no_table")
def test_without_a_table_classes_are_imported() -> None:
    found = facts.pipeline_facts("FlaxStableDiffusionPipeline")
    assert found is not None
    assert found.name == "StableDiffusionPipeline"
    assert "guidance_scale" in found.takes
    vae = facts.component_facts("diffusers", "AutoencoderKL")
    assert vae is not None
    assert vae.methods == ["enable_slicing", "enable_tiling"]


@pytest.mark.parametrize("name", ["NoSuchPipeline", "AutoencoderKL", None, 3, ["a", "b"]])
def test_what_is_no_pipeline(name: object) -> None:
    assert facts.pipeline_facts(name) is None


def test_what_is_no_component() -> None:
    assert facts.component_facts("transformers", "NoSuchModel") is None
    assert facts.component_facts(None, None) is None
    # Of old checkpoints; no library has the class any more.
    extractor = facts.component_facts("transformers", "CLIPFeatureExtractor")
    assert extractor is not None
    assert not extractor.weights


def test_how_pipelines_ask_for_timesteps() -> None:
    def of(name: str) -> TimestepFacts | None:
        found = facts.pipeline_facts(name)
        assert found is not None
        return found.timesteps

    assert of("StableDiffusionPipeline") == TimestepFacts(steps=50)
    assert of("StableDiffusion3Pipeline") == TimestepFacts(steps=28, mu="dynamic")
    assert of("FluxPipeline") == TimestepFacts(steps=28, sigmas="unless flow", mu="always")
    assert of("ChromaPipeline") == TimestepFacts(steps=35, sigmas="always", mu="always")
    latent = of("LatentConsistencyModelPipeline")
    assert latent == TimestepFacts(steps=4, more={"original_inference_steps": None})
    assert of("StableCascadeCombinedPipeline") is None

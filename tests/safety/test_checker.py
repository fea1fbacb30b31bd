"""What is flagged, against transformers called by hand; and what cannot be checked is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from synpic.errors import CheckpointError, RecipeError, SafetyError
from synpic.recipe import SafetySettings, parse_recipe
from synpic.safety import (
    Checker,
    WantedSafety,
    check_safety,
    describe_safety,
    open_safety,
    resolve_safety,
)
from synpic.workspace import Workspace

Save = Callable[..., Path]

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (11, 13, 3), dtype=np.uint8))
    for seed in range(6)
]
PROMPTS = [f"prompt {number}" for number in range(6)]


def looked_at(folder: Path) -> torch.Tensor:
    """Logits of ``IMAGES``, one at a time."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModelForImageClassification.from_pretrained(folder)
    with torch.inference_mode():
        each = [model(**processor(images=[one], return_tensors="pt")).logits for one in IMAGES]
    return torch.cat(each)


def read(folder: Path, prompts: list[str]) -> torch.Tensor:
    """Logits of ``prompts``, one at a time, cut off at 16 tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.inference_mode():
        each = [
            model(**tokenizer(one, truncation=True, max_length=16, return_tensors="pt")).logits
            for one in prompts
        ]
    return torch.cat(each)


def between(values: torch.Tensor) -> float:
    """A threshold in the middle of the widest gap: half are above it, or about half."""
    ordered = values.sort().values
    gap = int((ordered[1:] - ordered[:-1]).argmax())
    assert ordered[gap + 1] - ordered[gap] > 1e-4
    return float(ordered[gap] + ordered[gap + 1]) / 2


def wanted(workspace: Workspace, **settings: Any) -> WantedSafety:
    """What a recipe with these keys in [safety] would ask for."""
    snapshot = workspace.snapshot()
    recipe = snapshot.recipe.model_copy(update={"safety": SafetySettings(**settings)})
    found = resolve_safety(replace(snapshot, recipe=recipe))
    assert found is not None
    return found


@pytest.fixture
def opened(workspace: Workspace) -> Callable[..., Checker]:
    def opened(**settings: Any) -> Checker:
        paths = {key: str(value) for key, value in settings.items() if isinstance(value, Path)}
        return open_safety(wanted(workspace, **{**settings, **paths}), workspace, "cpu")

    return opened


def test_an_image_is_flagged_when_its_classes_together_are_likely(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    folder = save_images(labels=("drawing", "Hentai", "neutral", "porn"))
    sure = looked_at(folder).softmax(-1)[:, [1, 3]].sum(-1)
    threshold = between(sure)
    checker = opened(images=folder, labels=["hentai", "PORN"], threshold=threshold)
    assert checker.looks
    found = checker.flags(PROMPTS, IMAGES)
    assert found == (sure >= threshold).tolist()
    assert 0 < sum(found) < len(found)
    # Company does not matter.
    alone = [checker.flags([p], [i])[0] for p, i in zip(PROMPTS, IMAGES, strict=True)]
    assert alone == found


def test_classes_that_do_not_exclude_each_other_flag_one_by_one(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    folder = save_images(labels=("gore", "nsfw", "text"), problem_type="multi_label_classification")
    sure = looked_at(folder).sigmoid()[:, [0, 1]].amax(-1)
    threshold = between(sure)
    checker = opened(images=folder, labels=["gore", "nsfw"], threshold=threshold)
    assert checker.flags(PROMPTS, IMAGES) == (sure >= threshold).tolist()


def test_a_classifier_of_one_output_is_not_always_sure(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    folder = save_images(labels=("nsfw",))
    sure = looked_at(folder).sigmoid()[:, 0]
    threshold = between(sure)
    assert (
        opened(images=folder, threshold=threshold).flags(PROMPTS, IMAGES)
        == (sure >= threshold).tolist()
    )


def test_prompts_are_read_as_far_as_the_classifier_can(
    opened: Callable[..., Checker], save_prompts: Save
) -> None:
    folder = save_prompts()
    prompts = [
        "a",
        "a quick brown fox",
        "zz top",
        "of cabbages and kings 123",
        "0-1",
        "x" * 100_000,
    ]
    sure = read(folder, prompts).softmax(-1)[:, 1]
    threshold = between(sure)
    checker = opened(prompts=folder, threshold=threshold)
    assert not checker.looks
    assert checker.flags(prompts, IMAGES) == (sure >= threshold).tolist()


def test_a_prompt_is_read_once(
    opened: Callable[..., Checker], save_prompts: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synpic.safety.classifiers import PromptClassifier

    asked: list[str] = []
    own = PromptClassifier.probabilities

    def counted(self: PromptClassifier, prompts: list[str]) -> list[float]:
        asked.extend(prompts)
        return own(self, prompts)

    monkeypatch.setattr(PromptClassifier, "probabilities", counted)
    checker = opened(prompts=save_prompts())
    first = checker.flags(["a", "b", "a", "b"], IMAGES[:4])
    assert checker.flags(["b", "c"], IMAGES[:2])[0] == first[1]
    assert asked == ["a", "b", "c"]


def test_any_of_the_checks_flags(
    opened: Callable[..., Checker], save_images: Save, save_prompts: Save, workspace: Workspace
) -> None:
    workspace.store.write("words.txt", b"prompt 3\n")
    eyes, ears = save_images(), save_prompts()
    seen = looked_at(eyes).softmax(-1)[:, 1]
    heard = read(ears, PROMPTS).softmax(-1)[:, 1]
    threshold = between(torch.cat([seen, heard]))
    checker = opened(images=eyes, prompts=ears, words="words.txt", threshold=threshold)
    expected = [
        bool(s >= threshold or h >= threshold or number == 3)
        for number, (s, h) in enumerate(zip(seen, heard, strict=True))
    ]
    assert checker.flags(PROMPTS, IMAGES) == expected
    assert opened(words="words.txt").flags(PROMPTS, IMAGES) == [n == 3 for n in range(6)]


def test_labels_are_checked_before_weights(workspace: Workspace, save_images: Save) -> None:
    folder = save_images(labels=("safe", "unsafe"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(SafetyError) as caught:
        check_safety(wanted(workspace, images=str(folder)), workspace)
    assert "'nsfw'" in caught.value.message
    assert "safe, unsafe" in caught.value.message
    check_safety(wanted(workspace, images=str(folder), labels=["UNSAFE"]), workspace)


def test_every_classifier_needs_one_of_the_labels(
    workspace: Workspace, save_images: Save, save_prompts: Save
) -> None:
    both = {"images": str(save_images()), "prompts": str(save_prompts(labels=("fine", "toxic")))}
    with pytest.raises(SafetyError, match=r"ears has none of nsfw.*fine, toxic"):
        check_safety(wanted(workspace, **both), workspace)
    check_safety(wanted(workspace, **both, labels=["nsfw", "toxic"]), workspace)


def test_what_is_no_classifier_is_refused(
    workspace: Workspace, save_images: Save, save_prompts: Save, weights: Path
) -> None:
    ears = str(save_prompts())
    with pytest.raises(SafetyError, match="BertForSequenceClassification"):
        check_safety(wanted(workspace, images=ears), workspace)
    with pytest.raises(SafetyError, match="predicts a number"):
        folder = save_prompts("number", labels=("nsfw",), problem_type="regression")
        check_safety(wanted(workspace, prompts=str(folder)), workspace)
    with pytest.raises(SafetyError, match=r"config\.json cannot be read"):
        check_safety(wanted(workspace, images=str(weights)), workspace)
    with pytest.raises(CheckpointError, match="no such folder"):
        check_safety(wanted(workspace, images="./nowhere"), workspace)


def test_a_head_that_was_never_trained_is_refused(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_images()
    tensors = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(SafetyError, match=r"lacks weights: classifier"):
        opened(images=folder)


def test_neither_pickles_nor_code_of_a_repository_are_run(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    pickled = save_images("pickled")
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(SafetyError, match="cannot be opened"):
        opened(images=pickled)
    remote = save_images("remote")
    config = json.loads((remote / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C"}}
    (remote / "config.json").write_text(json.dumps(config))
    (remote / "mine.py").write_text("raise SystemExit('code was run')")
    with pytest.raises(SafetyError, match="cannot be opened"):
        opened(images=remote)


def test_a_classifier_that_gives_no_number_does_not_pass_anything(
    opened: Callable[..., Checker], save_images: Save
) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_images()
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.bias"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="no probability"):
        opened(images=folder).flags(PROMPTS, IMAGES)


def test_what_checked_is_described_by_content(workspace: Workspace, save_images: Save) -> None:
    workspace.store.write("words.txt", b"gore\n")
    settings = {"images": str(save_images()), "words": "words.txt"}
    (found,) = describe_safety(wanted(workspace, **settings)).values()
    assert found["images"].keys() == {"sha256"}
    assert "eyes" not in json.dumps(found)
    workspace.store.write("words.txt", b"more\n")
    (other,) = describe_safety(wanted(workspace, **settings)).values()
    assert other["words"] != found["words"]
    assert other["images"] == found["images"]
    assert describe_safety(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "threshold = 0.5",
        'words = "w.txt"\nimages_revision = "main"',
        'words = "w"\nlabels = []',
    ],
)
def test_a_table_that_checks_nothing_is_refused(text: str) -> None:
    whole = f'[prompts]\nfile = "p.txt"\n[models.a]\ncheckpoint = "x/y"\n[safety]\n{text}\n'
    with pytest.raises(RecipeError, match="safety"):
        parse_recipe(whole)

"""BLIP-VQA on a small random BLIP, against what T2I-CompBench's own code said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from synpic.errors import CheckpointError, EvaluationError, RewardError
from synpic.score.judges.blip_vqa import BlipVqa, phrases_of, question_about
from synpic.score.judges.judge import Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.towers import blip_vqa
from synpic.score.towers.blip_vqa import AUTHORS_FILE
from synpic.shapes.judge import Reading, read
from synpic.shapes.meaning import Asked, Meaning, illustrate
from synpic.shapes.scene import render
from tests.parity.blip_vqa_inputs import (
    MED,
    PHRASES,
    VISION,
    authors_weights,
    pictures,
    vocabulary,
)

ORACLE = json.loads(
    (Path(__file__).parents[2] / "parity" / "fixtures" / "blip_vqa.json").read_text()
)
ASKED = ORACLE["asked"]


class Small(BlipVqa):
    """BLIP-VQA of the sizes of the fixture."""

    _vision: ClassVar[Mapping[str, Any]] = {
        "hidden_size": VISION["embed_dim"],
        "intermediate_size": 4 * VISION["embed_dim"],
        "num_hidden_layers": VISION["depth"],
        "num_attention_heads": VISION["num_heads"],
        "image_size": VISION["img_size"],
        "patch_size": VISION["patch_size"],
    }
    _text: ClassVar[Mapping[str, Any]] = {key: MED[key] for key in blip_vqa.TEXT}


def weights() -> dict[str, torch.Tensor]:
    return authors_weights({name: tuple(shape) for name, shape in ORACLE["shapes"].items()})


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the authors' file."""
    folder = tmp_path_factory.mktemp("authors")
    torch.save({"model": weights()}, folder / AUTHORS_FILE)
    return folder


def opened(checkpoint: Path, tokenizer: Path, **options: Any) -> BlipVqa:
    return Small(str(checkpoint), None, "cpu", str(tokenizer), **options)


@pytest.fixture(scope="module")
def judge(checkpoint: Path, tokenizer: Path) -> BlipVqa:
    return opened(checkpoint, tokenizer)


def verdicts(
    judge: BlipVqa, phrases: Sequence[Sequence[str]], images: Sequence[int]
) -> list[Verdict]:
    seen = pictures()
    return judge.judge(
        [Requirement("", "color", {"phrases": list(some)}) for some in phrases],
        [judge.pixels(seen[image]) for image in images],
    )


def probabilities(judge: BlipVqa) -> list[float]:
    """Unrounded, of all that the oracle was asked."""
    seen = pictures()
    features = judge._blip.see(torch.stack([judge.pixels(image) for image in seen]))
    texts = [question_about(PHRASES[one["phrase"]]) for one in ASKED]
    return judge._blip.yes(texts, features, [one["image"] for one in ASKED])


def expected() -> list[float]:
    return [one["yes"] for one in ASKED]


def test_is_what_upstream_says(judge: BlipVqa) -> None:
    assert probabilities(judge) == pytest.approx(expected(), abs=1e-5)
    assert np.std(expected()) > 0.1, "or little would be shown"


def test_what_is_written_and_multiplied_is_what_upstream_writes(judge: BlipVqa) -> None:
    for image, found in enumerate(verdicts(judge, [PHRASES] * 4, range(4))):
        written = [float(one["written"]) for one in ASKED if one["image"] == image]
        assert [part.probability for part in found.parts] == written
        product = torch.tensor(written).prod().item()
        assert found.score == float(f"{product:.4f}")
        assert found.correct is None
        assert [part.correct for part in found.parts] == [one > 0.5 for one in written]
        assert found.reason.count(";") == max(0, sum(one <= 0.5 for one in written) - 1)


def test_questions_are_upstreams() -> None:
    assert [question_about(phrase) for phrase in PHRASES] == ORACLE["questions"]


def test_what_shares_the_batch_changes_nothing(
    judge: BlipVqa, monkeypatch: pytest.MonkeyPatch
) -> None:
    phrases = [PHRASES[:3], PHRASES[3:4], PHRASES, PHRASES[1:5]]
    together = verdicts(judge, phrases, [3, 1, 0, 2])
    alone = [verdicts(judge, [phrases[at]], [image])[0] for at, image in enumerate([3, 1, 0, 2])]
    backwards = verdicts(judge, phrases[::-1], [2, 0, 1, 3])[::-1]
    monkeypatch.setattr(blip_vqa, "_AT_ONCE", 5)
    for other in (alone, backwards, verdicts(judge, phrases, [3, 1, 0, 2])):
        for one, two in zip(together, other, strict=True):
            # Rounded to four places; one may fall on the other side of a half.
            assert one.score == pytest.approx(two.score, abs=2e-4)
            assert [p.question for p in one.parts] == [p.question for p in two.parts]
    assert judge.judge([], []) == []


def transformers_layout(folder: Path, side: int | None = None) -> Path:
    """As conversions are: defaults in the configuration, and positions for other pictures."""
    whole = opened_model(folder / "authors")
    if side is not None:
        blip_vqa._place_for(whole, side // VISION["patch_size"])
        whole.config.vision_config.image_size = side
    whole.config.vision_config.layer_norm_eps = 1e-5
    whole.save_pretrained(folder / "hub")
    return folder / "hub"


def opened_model(folder: Path) -> Any:
    folder.mkdir()
    torch.save({"model": weights()}, folder / AUTHORS_FILE)
    return blip_vqa._from_authors(folder / AUTHORS_FILE, Small._vision, Small._text, torch.float32)


def test_transformers_layout_gives_the_same(tmp_path: Path, tokenizer: Path) -> None:
    found = probabilities(opened(transformers_layout(tmp_path), tokenizer))
    assert found == pytest.approx(expected(), abs=1e-5)


def test_positions_for_other_pictures_are_resized(tmp_path: Path, tokenizer: Path) -> None:
    hub = transformers_layout(tmp_path, side=40)
    judge = opened(hub, tokenizer)
    found = probabilities(judge)
    assert found == pytest.approx(expected(), abs=0.05)
    assert found != pytest.approx(expected(), abs=1e-4)
    # As transformers resizes them itself, where it is asked to.
    from transformers import BlipForQuestionAnswering

    model: Any = BlipForQuestionAnswering.from_pretrained(hub)
    model.vision_model.post_layernorm.eps = 1e-6
    for layer in model.vision_model.encoder.layers:
        layer.layer_norm1.eps = layer.layer_norm2.eps = 1e-6
    pixels = torch.stack([judge.pixels(image) for image in pictures()])
    with torch.inference_mode():
        theirs = model.vision_model(pixels, interpolate_pos_encoding=True).last_hidden_state
    assert torch.allclose(judge._blip.see(pixels), theirs, atol=1e-5)


def away(judge: BlipVqa) -> float:
    """How far the worst probability is from the oracle's."""
    return float(np.abs(np.subtract(probabilities(judge), expected())).max())


def test_each_of_upstreams_choices_shows(checkpoint: Path, tokenizer: Path) -> None:
    """What one could well do otherwise, and what it would be away by; right is below 1e-5."""
    from torchvision import transforms
    from transformers.activations import QuickGELUActivation

    class Cropped(Small):
        def pixels(self, image: Image.Image) -> torch.Tensor:
            side = min(image.size)
            return super().pixels(transforms.functional.center_crop(image, [side, side]))

    class Unnormalised(Small):
        def pixels(self, image: Image.Image) -> torch.Tensor:
            found = transforms.functional.to_tensor(
                image.resize((48, 48), Image.Resampling.BICUBIC)
            )
            return transforms.functional.normalize(found, [0.5] * 3, [0.5] * 3)

    class Bilinear(Small):
        def pixels(self, image: Image.Image) -> torch.Tensor:
            return super().pixels(image.resize((48, 48), Image.Resampling.BILINEAR))

    for kind in (Cropped, Unnormalised, Bilinear):
        assert away(kind(str(checkpoint), None, "cpu", str(tokenizer))) > 1e-3, kind

    quick = opened(checkpoint, tokenizer)
    for layer in quick._blip._model.vision_model.encoder.layers:
        layer.mlp.activation_fn = QuickGELUActivation()
    assert away(quick) > 1e-3
    unmarked = opened(checkpoint, tokenizer)
    unmarked._blip._encode = 101  # [CLS], which transformers leaves
    assert away(unmarked) > 1e-3
    loose = opened(checkpoint, tokenizer)
    for layer in loose._blip._model.vision_model.encoder.layers:
        layer.layer_norm1.eps = layer.layer_norm2.eps = 1e-2
    assert away(loose) > 1e-4


def test_phrases_given_win_over_the_rule() -> None:
    prompt = "a red apple and a green leaf"
    assert phrases_of(Requirement(prompt)) == ["a red apple", "a green leaf"]
    assert phrases_of(Requirement(prompt, "", {"phrases": ["apple"]})) == ["apple"]
    assert len(phrases_of(Requirement(prompt, "", {"phrases": ["a"] * 12}))) == 8


@pytest.mark.parametrize("given", [[], "a red apple", ["a", 3], [" "], {"a": 1}])
def test_phrases_that_are_none_are_refused(given: object) -> None:
    with pytest.raises(EvaluationError, match=r"phrases is .*, a list of texts expected"):
        BlipVqa.check(Requirement("a red apple", "", {"phrases": given}))


def test_a_prompt_without_a_noun_phrase_is_refused() -> None:
    with pytest.raises(EvaluationError, match="'sitting, standing': no noun phrase") as error:
        BlipVqa.check(Requirement("sitting, standing"))
    assert "phrases" in str(error.value.hint)
    BlipVqa.check(BlipVqa.canary(None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "visual_encoder.blocks.1.attn.qkv.weight",
        "text_decoder.bert.encoder.layer.0.output.dense.bias",
    ],
)
def test_a_missing_weight_is_named(tmp_path: Path, tokenizer: Path, name: str) -> None:
    kept = {key: tensor for key, tensor in weights().items() if key != name}
    torch.save({"model": kept}, tmp_path / AUTHORS_FILE)
    with pytest.raises(RewardError, match="lacks weights"):
        opened(tmp_path, tokenizer)


def test_foreign_and_misshapen_weights_are_named(tmp_path: Path, tokenizer: Path) -> None:
    torch.save({"model": {**weights(), "itm_head.weight": torch.zeros(2)}}, tmp_path / AUTHORS_FILE)
    with pytest.raises(RewardError, match=r"foreign weights: itm_head\.weight"):
        opened(tmp_path, tokenizer)
    grown = weights()
    grown["visual_encoder.pos_embed"] = torch.zeros(1, 50, VISION["embed_dim"])
    torch.save({"model": grown}, tmp_path / AUTHORS_FILE)
    with pytest.raises(RewardError, match=r"is \(1, 50, 24\), \(1, 37, 24\) expected"):
        opened(tmp_path, tokenizer)


def test_ties_that_a_file_leaves_out_are_restored(tmp_path: Path, tokenizer: Path) -> None:
    kept = {key: tensor for key, tensor in weights().items() if ".decoder." not in key}
    torch.save({"model": kept}, tmp_path / AUTHORS_FILE)
    assert away(opened(tmp_path, tokenizer)) < 1e-5


def test_a_folder_with_neither_layout_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    with pytest.raises(CheckpointError, match=f"holds no config.json or {AUTHORS_FILE}"):
        opened(tmp_path, tokenizer)
    for text in ("{", "[]", '{"model_type": "blip"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(RewardError, match="does not describe a BLIP"):
            opened(tmp_path, tokenizer)
    (tmp_path / "config.json").write_text('{"model_type": "clip", "vision_config": {}}')
    with pytest.raises(RewardError, match="describes a clip model"):
        opened(tmp_path, tokenizer)


class Knowing:
    """In BLIP's place, a program that reads scenes of the embedded world without fail."""

    def see(self, pixels: torch.Tensor) -> list[Reading]:
        return [read(Image.fromarray(one.numpy())) for one in pixels]

    def yes(
        self, questions: Sequence[str], features: list[Reading], of: Sequence[int]
    ) -> list[float]:
        found = []
        for question, number in zip(questions, of, strict=True):
            _, colour, shape = question.removesuffix("?").split()
            shown = [(thing.colour, thing.shape) for thing in features[number].found]
            found.append(0.98 if (colour, shape) in shown else 0.01)
        return found


def test_images_of_other_prompts_fall_to_chance() -> None:
    """Of 40 scenes of two things; another scene shows both of them by chance alone."""
    rng = np.random.default_rng(0)
    shapes, colours = ["circle", "square", "star"], ["red", "green", "blue"]
    meanings = []
    for _ in range(40):
        (a, b), (c, d) = rng.choice(shapes, 2, replace=False), rng.choice(colours, 2, replace=False)
        meanings.append(Meaning((Asked(str(a), str(c)), Asked(str(b), str(d)))))
    asked = [
        Requirement(" and ".join(f"a {one.colour} {one.shape}" for one in meaning.things))
        for meaning in meanings
    ]
    images = [torch.from_numpy(render(illustrate(meaning, rng))) for meaning in meanings]
    judge = object.__new__(BlipVqa)
    judge._blip = Knowing()  # type: ignore[assignment]
    own = [one.score or 0 for one in judge.judge(asked, images)]
    swapped = [one.score or 0 for one in judge.judge(asked, images[1:] + images[:1])]
    both = [
        set(one.things) <= set(other.things)
        for one, other in zip(meanings, meanings[1:] + meanings[:1], strict=True)
    ]
    assert min(own) == pytest.approx(0.98**2, abs=1e-4)
    assert [one > 0.5 for one in swapped] == both
    assert np.mean(swapped) < 0.2

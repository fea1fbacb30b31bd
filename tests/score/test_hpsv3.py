"""HPSv3 on a small random Qwen2-VL, against what the authors' class said of it."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from transformers import Qwen2VLConfig

from synpic.errors import CheckpointError, MissingExtra, RewardError
from synpic.pipeline.validation import validate
from synpic.recipe import RewardSettings
from synpic.score import hpsv3_text
from synpic.score.hpsv3 import Hpsv3
from synpic.score.hpsv3_text import Hpsv3Text, read_text
from synpic.score.reward import WantedReward
from synpic.score.towers import hpsv3_tower
from tests.conftest import edit
from tests.parity.inputs import named_weight, picture
from tests.publish.fixtures import build
from tests.score import tiny_hpsv3 as tiny

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "hpsv3.json"
ORACLE: dict[str, Any] = json.loads(FIXTURE.read_text())
MADE_UP, THEIRS = ORACLE["made-up"], ORACLE["theirs"]
PROMPTS = [prompt for prompt, *_ in tiny.PAIRS]
PICTURES = [picture(seed, *size) for seed, (_, *size) in enumerate(tiny.PAIRS)]
TOLERANCE = 1e-5


class Small(Hpsv3):
    """HPSv3 with an instruction of ours."""

    @staticmethod
    def _instruction() -> Hpsv3Text:
        return Hpsv3Text(tiny.INSTRUCTION, tiny.ENDING)


def weights() -> dict[str, torch.Tensor]:
    """Under the names of the authors' file, of which the oracle kept the shapes."""
    return {name: named_weight(name, tuple(shape)) for name, shape in ORACLE["tensors"].items()}


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_processor(tmp_path_factory.mktemp("qwen2-vl"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hpsv3")
    save_file(weights(), folder / tiny.WEIGHTS)
    return folder


def opened(checkpoint: Path, processor: Path, kind: type[Hpsv3] = Small, **options: Any) -> Hpsv3:
    return kind(str(checkpoint), None, "cpu", str(processor), **options)


@pytest.fixture(scope="module")
def reward(checkpoint: Path, processor: Path) -> Hpsv3:
    return opened(checkpoint, processor)


def first(rows: Sequence[Sequence[float]]) -> list[float]:
    return [row[0] for row in rows]


def far(one: Sequence[float], other: Sequence[float]) -> float:
    """How far apart scores are, of the two that are furthest, relative to their size."""
    return max(abs(a - b) / max(abs(b), 1e-3) for a, b in zip(one, other, strict=True))


def test_is_what_upstream_says(reward: Hpsv3) -> None:
    """One batch of wide, tall and square images, their prompts from none to long."""
    found = reward.score(PROMPTS, PICTURES)
    assert found == pytest.approx(first(MADE_UP["together"]), rel=TOLERANCE)
    assert found == pytest.approx(first(MADE_UP["alone"]), rel=TOLERANCE)
    assert max(found) - min(found) > 10 * TOLERANCE, "or little would be shown"


def test_what_shares_the_batch_changes_nothing(reward: Hpsv3) -> None:
    expected = first(MADE_UP["alone"])
    for size in (1, 3):
        for start in range(len(PROMPTS) - size, -1, -size):
            some = slice(start, start + size)
            scores = reward.score(PROMPTS[some], PICTURES[some])
            assert scores == pytest.approx(expected[some], rel=TOLERANCE)
    turned = reward.score(PROMPTS[::-1], PICTURES[::-1])[::-1]
    assert turned == pytest.approx(expected, rel=TOLERANCE)
    assert reward.score([], []) == []


def test_sigma_is_the_second_output_as_the_authors_loss_reads_it(
    checkpoint: Path, processor: Path
) -> None:
    found = opened(checkpoint, processor, output="sigma").score(PROMPTS, PICTURES)
    expected = [math.exp(row[1]) for row in MADE_UP["alone"]]
    assert found == pytest.approx(expected, rel=TOLERANCE)


def test_mrope_is_an_option_and_gives_other_numbers(checkpoint: Path, processor: Path) -> None:
    found = opened(checkpoint, processor, positions="mrope").score(PROMPTS, PICTURES)
    assert found == pytest.approx(first(MADE_UP["mrope"]), rel=TOLERANCE)
    assert far(found, first(MADE_UP["alone"])) > 1000 * TOLERANCE


def scores_with(reward: Hpsv3, monkeypatch: pytest.MonkeyPatch, **changed: Any) -> list[float]:
    """Scores of all pairs where the tower is given something else than the reward means to."""
    tower = reward._tower

    def altered(**inputs: Any) -> Any:
        return tower(**{**inputs, **{key: make(inputs) for key, make in changed.items()}})

    with monkeypatch.context() as patch:
        patch.setattr(reward, "_tower", altered)
        return reward.score(PROMPTS, PICTURES)


def test_wrong_masks_and_sides_of_padding_would_be_noticed(
    reward: Hpsv3, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = first(MADE_UP["alone"])

    def everything(inputs: dict[str, Any]) -> Any:
        rows, length = inputs["input_ids"].shape
        return {"full_attention": torch.zeros(rows, 1, length, length)}

    def left(name: str) -> Any:
        def make(inputs: dict[str, Any]) -> Any:
            there = inputs["attention_mask"].bool()
            value = torch.zeros_like(inputs[name])
            value[there.flip(1)] = inputs[name][there]
            return value

        return make

    # None at all: each token would see those after it.
    unmasked = scores_with(reward, monkeypatch, attention_mask=everything)
    # Padded on the left, and read where a row ends that is padded on the right.
    turned = scores_with(
        reward, monkeypatch, input_ids=left("input_ids"), attention_mask=left("attention_mask")
    )
    for wrong in (unmasked, turned):
        assert far(wrong, expected) > 1000 * TOLERANCE


def test_the_authors_own_instruction_is_read_from_their_package(
    checkpoint: Path, processor: Path
) -> None:
    if find_spec("hpsv3") is None:
        pytest.skip("hpsv3 is not installed: pip install --no-deps hpsv3==1.0.0")
    found = opened(checkpoint, processor, Hpsv3).score(PROMPTS, PICTURES)
    assert found == pytest.approx(first(THEIRS["alone"]), rel=TOLERANCE)
    assert far(found, first(MADE_UP["alone"])) > 1000 * TOLERANCE


def package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, version: str = "1.0.0"
) -> None:
    """A distribution called hpsv3, installed before any other."""
    about = folder / f"hpsv3-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hpsv3\nVersion: {version}\n")
    file = folder / hpsv3_text.FILE
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))


def source(instruction: str = tiny.INSTRUCTION, ending: str = tiny.ENDING) -> str:
    return (
        "raise SystemExit('run')\nimport nothing_of_this_name\n"
        f"INSTRUCTION = {instruction!r}\nOTHER = [1]\nprompt_with_special_token = {ending!r}\n"
    )


def test_the_text_is_taken_from_a_file_that_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, source())
    joined = f"{tiny.INSTRUCTION}\0{tiny.ENDING}".encode()
    monkeypatch.setattr(hpsv3_text, "SHA256", hashlib.sha256(joined).hexdigest())
    text = read_text()
    assert text == Hpsv3Text(tiny.INSTRUCTION, tiny.ENDING)
    assert "a {red} circle\n" in text.around("a {red} circle")
    assert "hpsv3" not in sys.modules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (source(instruction=tiny.INSTRUCTION.replace(": \n", ":\n")), "another instruction"),
        (source(ending=tiny.ENDING.strip()), "another instruction"),
        ("INSTRUCTION = 1\n", "has no text INSTRUCTION"),
        ("INSTRUCTION = 'a'\n", "has no text prompt_with_special_token"),
        ("def (", "cannot be read"),
    ],
)
def test_another_text_than_theirs_is_refused(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, text)
    with pytest.raises(RewardError, match=says) as error:
        read_text()
    assert error.value.hint == "pip install --no-deps hpsv3==1.0.0"


def test_without_the_package_one_line_says_what_to_do(
    checkpoint: Path, processor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hpsv3_text, "PACKAGE", "hpsv3-that-is-not-there")
    with pytest.raises(RewardError, match="which is not installed") as error:
        opened(checkpoint, processor, Hpsv3)
    assert error.value.hint == "pip install --no-deps hpsv3==1.0.0"


def test_validate_misses_the_package_before_anything_is_downloaded(
    checkpoint: Path, processor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(tmp_path / "set", score=lambda *_: None)
    place = f'checkpoint = "{checkpoint}"\noptions = {{ processor = "{processor}" }}\n'
    text = (made.folder / "recipe.toml").read_text().split("[rewards")[
        0
    ] + f"[rewards.hpsv3]\n{place}"
    edited = edit(made, text)
    monkeypatch.setattr(hpsv3_text, "PACKAGE", "hpsv3-that-is-not-there")
    found = [problem for problem in validate(edited).problems if "hpsv3" in problem[0]]
    assert [hint for _, hint in found] == ["pip install --no-deps hpsv3==1.0.0"]
    monkeypatch.setattr(Hpsv3, "_instruction", Small._instruction)
    assert [one for one in validate(edited).problems if "hpsv3" in one[0]] == []


def test_the_published_file_has_as_many_tensors_as_it_has() -> None:
    """736 of Qwen2-VL-7B with a token more and the head, of which one is not needed."""
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": 151_658,
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        vision_config={"hidden_size": 3584},
    )
    wanted = hpsv3_tower.shapes(config)
    assert len(wanted) + len(hpsv3_tower.LEFTOVERS) == 736
    assert wanted["rm_head.5.weight"] == (2, 16)
    assert wanted["model.embed_tokens.weight"] == (151_658, 3584)


def test_marks_in_a_prompt_are_the_failure_of_its_images(reward: Hpsv3) -> None:
    for mark in ("<|Reward|>", "<|image_pad|>", "<|im_end|>"):
        with pytest.raises(ValueError, match="does not read as text"):
            reward.score([f"a cat {mark}"], PICTURES[:1])


def test_sizes_are_those_of_the_authors(reward: Hpsv3) -> None:
    """Counted by hand: 200,704 pixels in proportion, in multiples of 28; rounded up from below."""
    for size, (width, height) in {
        (448, 448): (448, 448),
        (30, 31): (448, 476),
        (1200, 40): (2464, 84),
        (2048, 1024): (616, 308),
        (6000, 30): (6356, 56),
    }.items():
        values, grid = reward.pixels(Image.new("RGB", size))
        assert grid.tolist() == [1, height // 14, width // 14]
        assert values.shape == (int(grid.prod()), 3 * 2 * 14 * 14)
    with pytest.raises(ValueError, match="aspect ratio"):
        reward.pixels(Image.new("RGB", (2010, 10)))


def test_pixels_are_resized_by_pillow_and_normalised(reward: Hpsv3) -> None:
    shown = ImageOps.fit(PICTURES[5], (448, 448))
    values, _ = reward.pixels(shown)
    mean, std = 0.48145466, 0.26862954
    corner = values[0].reshape(3, 2, 14, 14)[0]
    red = torch.tensor([[shown.getpixel((x, y))[0] for x in range(14)] for y in range(14)])  # type: ignore[index]
    assert corner[0] == pytest.approx((red.numpy() / 255 - mean) / std, abs=1e-6)
    assert torch.equal(corner[0], corner[1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"output": "both"}, "output is 'both', expected 'mean' or 'sigma'"),
        ({"positions": "3d"}, "positions is '3d', expected 'sequential' or 'mrope'"),
        ({"quantization": "2bit"}, "quantization is '2bit', expected 'none' or '8bit' or '4bit'"),
        ({"dtype": "int8"}, "'int8' is not one that rewards run in"),
    ],
)
def test_options_out_of_range_are_named(
    options: dict[str, Any], says: str, checkpoint: Path, processor: Path
) -> None:
    with pytest.raises(RewardError) as error:
        opened(checkpoint, processor, **options)
    assert says in error.value.message


def test_options_are_part_of_the_fingerprint() -> None:
    def fingerprint(**options: Any) -> str:
        settings = RewardSettings(options=options)
        return WantedReward("hpsv3", "hpsv3", settings, Hpsv3.info, None).fingerprint

    given: list[dict[str, str]] = [
        {},
        {"positions": "mrope"},
        {"output": "sigma"},
        {"quantization": "8bit"},
        {"quantization": "4bit"},
        {"dtype": "bfloat16"},
    ]
    assert len({fingerprint(**one) for one in given}) == len(given)


def changed(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, folder / tiny.WEIGHTS)
    return folder


@pytest.mark.parametrize(
    "name",
    ["visual.blocks.1.mlp.fc1.bias", "model.layers.0.mlp.up_proj.weight", "rm_head.5.bias"],
)
def test_weights_are_there_in_full(name: str, tmp_path: Path, processor: Path) -> None:
    kept = {key: tensor for key, tensor in weights().items() if key != name}
    with pytest.raises(RewardError, match=f"lacks weights: {name}$"):
        opened(changed(tmp_path, kept), processor)
    with pytest.raises(RewardError, match=r"foreign weights: rm_head\.7\.bias$"):
        opened(changed(tmp_path, {**weights(), "rm_head.7.bias": torch.zeros(2)}), processor)


def test_a_vocabulary_of_another_tokenizer_is_refused(tmp_path: Path, processor: Path) -> None:
    tensors = weights()
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][:-1].clone()
    with pytest.raises(RewardError, match=r"is \(275, 32\), \(276, 32\) expected"):
        opened(changed(tmp_path, tensors), processor)


def test_a_folder_without_the_file_is_refused(tmp_path: Path, processor: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no HPSv3\.safetensors"):
        opened(tmp_path, processor)


def test_the_language_models_head_is_known_and_not_needed(
    checkpoint: Path, tmp_path: Path, processor: Path, reward: Hpsv3
) -> None:
    tensors = load_file(checkpoint / tiny.WEIGHTS)
    del tensors["lm_head.weight"]
    scores = opened(changed(tmp_path, tensors), processor).score(PROMPTS[:2], PICTURES[:2])
    assert scores == pytest.approx(reward.score(PROMPTS[:2], PICTURES[:2]), rel=TOLERANCE)


def test_in_bfloat16_the_head_is_in_float32(checkpoint: Path, processor: Path) -> None:
    made = opened(checkpoint, processor, dtype="bfloat16")
    assert {p.dtype for p in made._tower.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in made._head.parameters()} == {torch.float32}
    scores = made.score(PROMPTS, PICTURES)
    assert scores == pytest.approx(first(MADE_UP["alone"]), abs=0.2)
    assert len(set(scores)) == len(scores)


def test_quantization_needs_bitsandbytes(
    checkpoint: Path, processor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hpsv3_tower, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match='quantization = "4bit" needs bitsandbytes') as error:
        opened(checkpoint, processor, quantization="4bit")
    assert error.value.hint == "pip install 'synpic[8bit]'"


def test_what_is_quantized_is_the_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpsv3_tower, "find_spec", lambda _: True)
    in_4 = hpsv3_tower.quantization_config("4bit", torch.bfloat16)
    assert (in_4.load_in_4bit, in_4.load_in_8bit) == (True, False)
    assert (in_4.bnb_4bit_quant_type, in_4.bnb_4bit_compute_dtype) == ("nf4", torch.bfloat16)
    in_8 = hpsv3_tower.quantization_config("8bit", torch.float16)
    assert (in_8.load_in_4bit, in_8.load_in_8bit) == (False, True)
    assert in_4.llm_int8_skip_modules == in_8.llm_int8_skip_modules == ["visual"]


def test_rows_are_read_one_by_one_in_8_bits(
    checkpoint: Path, processor: Path, reward: Hpsv3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LLM.int8() looks for what stands out in the whole batch."""
    monkeypatch.setattr(hpsv3_tower, "_quantized", lambda *_: reward._tower)
    made = opened(checkpoint, processor, quantization="8bit")
    seen: list[int] = []
    read = made._read

    def counted(rows: Any, pixels: Any) -> Any:
        seen.append(len(rows))
        return read(rows, pixels)

    monkeypatch.setattr(made, "_read", counted)
    assert made.score(PROMPTS[:3], PICTURES[:3]) == pytest.approx(
        first(MADE_UP["alone"])[:3], rel=TOLERANCE
    )
    assert seen == [1, 1, 1]

"""VQAScore by a small random CLIP-T5, against what upstream's own classes said of it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from synpic.errors import CheckpointError, RewardError
from synpic.score.t5_tokens import T5Tokens
from synpic.score.vqascore import VQAScore, VQAScoreXL

FIXTURE = Path(__file__).parent.parent / "parity" / "fixtures" / "vqascore"
CHECKPOINT, TOKENIZER, VISION = (FIXTURE / n for n in ("checkpoint", "tokenizer", "vision"))
ORACLE = json.loads((FIXTURE / "expected.json").read_text())
INDEX = "model.safetensors.index.json"
PART_OF_SCORE = 1e-5
"""A random T5 spreads its guesses over all tokens: scores are small, and compared by ratio."""


def opened(
    checkpoint: Path = CHECKPOINT,
    tokenizer: Path = TOKENIZER,
    vision: Path = VISION,
    **options: Any,
) -> VQAScore:
    return VQAScore(
        str(checkpoint), None, "cpu", str(tokenizer), None, str(vision), None, **options
    )


def pairs_of(told: dict[str, Any]) -> tuple[list[str], list[Image.Image]]:
    """Every prompt with every picture."""
    images = [Image.open(FIXTURE / "images" / name).convert("RGB") for name in told["images"]]
    return [prompt for prompt in told["prompts"] for _ in images], images * len(told["prompts"])


def near(scores: float | list[float], part: float = PART_OF_SCORE) -> Any:
    return pytest.approx(scores, rel=part, abs=0)


def all_tensors() -> dict[str, Tensor]:
    shards = sorted(CHECKPOINT.glob("*.safetensors"))
    return {key: value for shard in shards for key, value in load_file(shard).items()}


def saved(folder: Path, tensors: dict[str, Tensor], **config: Any) -> Path:
    """A checkpoint in one file, with what else its configuration says; None takes a key away."""
    folder.mkdir(exist_ok=True)
    described = json.loads((CHECKPOINT / "config.json").read_text()) | config
    kept = {key: value for key, value in described.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def reward() -> VQAScore:
    return opened()


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[Image.Image]]:
    return pairs_of(ORACLE)


@pytest.fixture(scope="module")
def few() -> tuple[list[str], list[Image.Image]]:
    return pairs_of({"prompts": ORACLE["prompts"][:2], "images": ORACLE["images"][:2]})


def test_is_what_upstream_says(
    reward: VQAScore, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    prompts, images = pairs
    # Prompt by prompt: in a batch with the longest all would be as long.
    batches = [slice(start, start + 4) for start in range(0, len(prompts), 4)]
    scores = [score for some in batches for score in reward.score(prompts[some], images[some])]
    assert scores == near(ORACLE["scores"])
    assert max(ORACLE["scores"]) > 3 * min(ORACLE["scores"]), "they tell prompts apart"


def test_what_shares_the_batch_changes_nothing(
    reward: VQAScore, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    prompts, images = pairs
    for size in (1, 7):
        for start in range(len(prompts) - size, -1, -size):
            # The last prompts are long: their mates are padded to 2048 tokens.
            some = slice(start, start + size)
            assert reward.score(prompts[some], images[some]) == near(ORACLE["scores"][some])
    assert reward.score([], []) == []


@pytest.mark.parametrize("told", ORACLE["templates"], ids=lambda told: told["answer"])
def test_other_questions_and_answers_of_several_lengths(told: dict[str, Any]) -> None:
    reward = opened(question=told["question"], answer=told["answer"])
    assert reward.score(*pairs_of(told)) == near(told["scores"])


def test_a_tower_in_the_checkpoint_counts_and_the_other_is_not_read(tmp_path: Path) -> None:
    vision, told = tmp_path / "vision", ORACLE["own_tower"]
    shutil.copytree(VISION, vision, ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = {**all_tensors(), **load_file(FIXTURE / "tower.safetensors")}
    reward = opened(saved(tmp_path / "own", tensors), vision=vision)
    assert reward.score(*pairs_of(told)) == near(told["scores"])

    # Half a tower is none: the other half is not taken from elsewhere.
    del tensors["vision_tower.vision_tower.vision_model.pre_layrnorm.bias"]
    with pytest.raises(RewardError, match=r"lacks weights: vision_tower\.\S+pre_layrnorm\.bias$"):
        opened(saved(tmp_path / "half", tensors))


def test_a_picture_tower_may_be_half_of_a_whole_clip(
    tmp_path: Path, few: tuple[list[str], list[Image.Image]], reward: VQAScore
) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

    vision = CLIPVisionConfig.from_pretrained(VISION).to_dict()
    text = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "vocab_size": 9}
    config = CLIPConfig(
        vision_config=vision, text_config={**text, "num_hidden_layers": 1}, projection_dim=4
    )
    whole = CLIPModel(config)
    tower = load_file(VISION / "model.safetensors")
    tensors = {**whole.state_dict(), **tower}
    config.save_pretrained(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(VISION / "preprocessor_config.json", tmp_path)
    assert opened(vision=tmp_path).score(*few) == near(reward.score(*few))


@pytest.mark.parametrize("kind", ["one", "one .bin", "several .bin", "one name for words"])
def test_weights_may_lie_in_one_file_or_in_several_of_either_kind(
    kind: str, tmp_path: Path, few: tuple[list[str], list[Image.Image]], reward: VQAScore
) -> None:
    tensors = all_tensors()
    if kind == "one name for words":
        # safetensors keeps one name of those that share memory, and not always the same.
        tensors["decoder.embed_tokens.weight"] = tensors.pop("shared.weight")
        del tensors["embed_tokens.weight"]
    saved(tmp_path, tensors)
    if kind.endswith(".bin"):
        (tmp_path / "model.safetensors").unlink()
        names = list(tensors)
        parts = [names] if kind == "one .bin" else [names[::2], names[1::2]]
        for number, part in enumerate(parts):
            file = "pytorch_model.bin" if len(parts) == 1 else f"pytorch_model-{number}.bin"
            torch.save({name: tensors[name] for name in part}, tmp_path / file)
        if len(parts) == 2:
            where = {n: f"pytorch_model-{p}.bin" for p in (0, 1) for n in parts[p]}
            index = tmp_path / "pytorch_model.bin.index.json"
            index.write_text(json.dumps({"weight_map": where}))
    assert opened(tmp_path).score(*few) == near(reward.score(*few))


@pytest.mark.parametrize(
    "key",
    ["lm_head.weight", "mm_projector.2.bias", "encoder.final_layer_norm.weight", "shared.weight"],
)
def test_weights_that_are_missing_are_named(key: str, tmp_path: Path) -> None:
    tensors = all_tensors()
    del tensors[key]
    tensors.pop("embed_tokens.weight" if key == "shared.weight" else key, None)
    with pytest.raises(RewardError, match=rf"lacks weights: {key}$"):
        opened(saved(tmp_path, tensors))


@pytest.mark.parametrize("key", ["mm_projector.4.weight", "encoder.block.2.x", "lm_head.bias"])
def test_weights_that_belong_to_nothing_are_named(key: str, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match=rf"has foreign weights: {key}$"):
        opened(saved(tmp_path, {**all_tensors(), key: torch.zeros(2)}))


def test_known_leftovers_of_old_checkpoints_are_let_be(
    tmp_path: Path, few: tuple[list[str], list[Image.Image]], reward: VQAScore
) -> None:
    old = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    numbers = "vision_tower.vision_tower.vision_model.embeddings.position_ids"
    more = {old: torch.ones(32, 3), numbers: torch.arange(17)[None]}
    assert opened(saved(tmp_path, {**all_tensors(), **more})).score(*few) == near(
        reward.score(*few)
    )


def test_files_that_an_index_misses_or_muddles_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(CHECKPOINT, folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no model-00002-of-00002"):
        opened(folder)
    for text in ("{", "[]", '{"weight_map": [1]}'):
        (folder / INDEX).write_text(text)
        with pytest.raises(RewardError, match=f"{INDEX} does not say where weights are"):
            opened(folder)
    (folder / INDEX).unlink()
    with pytest.raises(CheckpointError, match=r"holds no model\.safetensors or "):
        opened(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_heads": None}, "does not describe a CLIP-T5: KeyError: 'num_heads'"),
        ({"mm_vision_select_layer": None}, "KeyError: 'mm_vision_select_layer'"),
        ({"tie_word_embeddings": None}, "tie_word_embeddings is True, False expected"),
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear', 'mlp2x_gelu' expected"),
        ({"mm_vision_select_feature": "cls_patch"}, "'cls_patch', 'patch' expected"),
        ({"d_ff": 25}, r"is \(24, 16\), \(25, 16\) expected"),
    ],
)
def test_what_is_built_otherwise_is_refused(
    config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RewardError, match=message):
        opened(saved(tmp_path, all_tensors(), **config))


def test_a_tokenizer_that_knows_more_words_is_refused(tmp_path: Path) -> None:
    tensors = {**all_tensors(), "lm_head.weight": torch.zeros(ORACLE["tokens"] - 1, 16)}
    with pytest.raises(RewardError, match=r"lm_head\.weight has 202 rows, and the tokenizer 203"):
        opened(saved(tmp_path, tensors))


def test_rows_beyond_the_tokenizer_have_no_say(
    tmp_path: Path, few: tuple[list[str], list[Image.Image]], reward: VQAScore
) -> None:
    tensors = all_tensors()
    assert len(tensors["lm_head.weight"]) > ORACLE["tokens"]
    tensors["lm_head.weight"][ORACLE["tokens"] :] = 50
    assert opened(saved(tmp_path, tensors)).score(*few) == near(reward.score(*few))


def test_the_end_of_what_is_longer_than_2048_tokens_is_not_read(
    reward: VQAScore, pairs: tuple[list[str], list[Image.Image]]
) -> None:
    # A word that is a token each time it is said, a prompt that fills 2048 tokens, and its ends.
    words = "a " * 2048
    tail, other, start = (words + "red", words + "blue circle", "red " + words)
    whole, longer, changed = reward.score([tail, other, start], [pairs[1][0]] * 3)
    assert whole == near(longer, 1e-6)
    assert whole != near(changed, 1e-4)

    # Short of the limit, the last words count.
    one, two = reward.score([words[:1000] + "red", words[:1000] + "blue circle"], [pairs[1][0]] * 2)
    assert one != near(two, 1e-4)


def test_in_bfloat16_all_but_the_head_is(pairs: tuple[list[str], list[Image.Image]]) -> None:
    reward = opened(dtype="bfloat16")
    scores = reward.score(pairs[0][:24], pairs[1][:24])
    assert scores == near(ORACLE["scores"][:24], 0.1)
    assert len(set(scores)) == 24, "no ties"
    of = {
        part: {tensor.dtype for tensor in module.parameters()}
        for part, module in reward._model._parts.items()
    }
    bfloat16 = {torch.bfloat16}
    assert of == {
        "reader": bfloat16,
        "projector": bfloat16,
        "vision": bfloat16,
        "head": {torch.float32},
    }


def test_the_head_keeps_what_the_file_says_in_bfloat16_too(tmp_path: Path) -> None:
    tensors = all_tensors()
    head = tensors["lm_head.weight"].float() + 1e-6
    reward = opened(saved(tmp_path, {**tensors, "lm_head.weight": head}), dtype="bfloat16")
    assert torch.equal(reward._model._parts["head"].weight, head[: ORACLE["tokens"]])


def test_the_words_are_in_memory_once(reward: VQAScore) -> None:
    reader = reward._model._parts["reader"]
    places = {part.embed_tokens.weight.data_ptr() for part in (reader.encoder, reader.decoder)} | {
        reader.shared.weight.data_ptr()
    }
    assert len(places) == 1


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_dtype_in_which_t5_does_not_run_is_refused(dtype: str) -> None:
    with pytest.raises(RewardError, match=r"float16|'int8' is not one that rewards run in"):
        opened(dtype=dtype)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": "Is it {prompt}?"}, "question 'Is it {prompt}\\?' cannot be filled in"),
        ({"question": "Is it {} and {}?"}, "cannot be filled in: IndexError"),
        ({"answer": "{"}, "answer '{' cannot be filled in: ValueError"),
        ({"question": "Is it good?"}, "neither question nor answer has a {}"),
    ],
)
def test_templates_that_say_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RewardError, match=message):
        opened(**options)


def test_braces_may_be_meant_in_a_template_and_in_a_prompt(
    reward: VQAScore, few: tuple[list[str], list[Image.Image]]
) -> None:
    image = few[1][0]
    (within,) = opened(question="{{{}}}?").score(["b"], [image])
    (spelled,) = opened(question="{}?").score(["{b}"], [image])
    assert within == near(spelled)
    one, other = reward.score(["a {} and {name}", "a [] and [name]"], [image] * 2)
    assert one == near(other), "this tokenizer knows neither sign"


def test_the_whole_picture_is_seen_in_a_square_of_the_mean_colour(reward: VQAScore) -> None:
    rng = np.random.RandomState(1)
    for width, height in ((28, 28), (40, 17), (17, 40), (3, 90)):
        array = rng.randint(0, 256, (height, width, 3)).astype(np.uint8)
        side = max(width, height)
        square = np.empty((side, side, 3), np.uint8)
        square[:] = [int(mean * 255) for mean in (0.48145466, 0.4578275, 0.40821073)]
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = array
        pixels = reward.pixels(Image.fromarray(array))
        assert (tuple(pixels.shape), pixels.dtype) == ((3, 28, 28), torch.float32)
        assert torch.equal(pixels, reward.pixels(Image.fromarray(square)))


def test_pixels_are_those_of_the_processor_alone(reward: VQAScore, tmp_path: Path) -> None:
    assert reward.preprocessing == opened(dtype="bfloat16").preprocessing
    hash(reward.preprocessing)
    vision = tmp_path / "vision"
    shutil.copytree(VISION, vision)
    processor = json.loads((vision / "preprocessor_config.json").read_text())
    processor["image_mean"] = [0.5, 0.5, 0.5]
    (vision / "preprocessor_config.json").write_text(json.dumps(processor))
    assert reward.preprocessing != opened(vision=vision).preprocessing


def test_tokens_are_those_of_the_slow_tokenizer() -> None:
    tokens = T5Tokens(str(TOKENIZER), None)
    assert len(tokens) == ORACLE["tokens"]
    for prompt, ids in zip(ORACLE["prompts"], ORACLE["ids"], strict=True):
        assert tokens(prompt) == ids, prompt


def test_a_tokenizer_of_another_model_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red circle and a green star"] * 9),
        model_writer=model,
        vocab_size=20,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path = tmp_path / "spiece.model"
    path.write_bytes(model.getvalue())
    with pytest.raises(RewardError, match=r"numbers its <pad>, </s> and <unk> \(-1, 2, 0\)"):
        T5Tokens(str(tmp_path), None)
    for damaged in (b"", b"no such file", model.getvalue()[:-500]):
        path.write_bytes(damaged)
        with pytest.raises(RewardError, match=r"spiece\.model"):
            T5Tokens(str(tmp_path), None)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"holds no spiece\.model"):
        opened(tokenizer=tmp_path)


@pytest.mark.parametrize(("kind", "size"), [(VQAScore, "xxl"), (VQAScoreXL, "xl")])
def test_declares_what_it_is(kind: type[VQAScore], size: str) -> None:
    info = kind.info
    assert info.checkpoint == f"zhiqiulin/clip-flant5-{size}"
    assert f"-{size} " in info.summary
    assert info.companions["tokenizer"].repository == f"google/flan-t5-{size}"
    assert info.companions["vision"].repository == "openai/clip-vit-large-patch14-336"
    assert info.reads_prompt
    assert all([info.files, info.licence, info.paper, info.score_range, info.text_limit])
    assert info.verified
    assert all(companion.files for companion in info.companions.values())


def test_what_is_declared_is_what_is_read() -> None:
    from synpic.score.cached import matching

    info = VQAScore.info
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    read = ["config.json", INDEX, *shards]
    pickles = ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"]
    assert matching([*read, *pickles, "generation_config.json"], info.files) == read
    assert matching(["config.json", *pickles], info.files) == ["config.json", *pickles]
    assert matching(["spiece.model", "tokenizer.json"], info.companions["tokenizer"].files) == [
        "spiece.model"
    ]

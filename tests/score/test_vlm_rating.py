"""``vlm_rating``: what is expected of an answer, and transformers' own ``generate`` beside ours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from synpic.errors import RewardError
from synpic.score.vlm.questions import VlmAnswer
from synpic.score.vlm.ratings import ANSWER, RUBRIC, rating_template
from synpic.score.vlm_rating import VlmRating
from tests.parity.inputs import picture
from tests.score.endpoint_server import let_answer
from tests.score.tiny_vlms import save_vlm

PROMPTS = ["a cat", "three green stars, " * 12, "café 🚀", "a red circle"]
PICTURES = [picture(0, 64, 48), picture(1, 32, 32), picture(2, 100, 20), picture(3, 90, 140)]
DIGITS = ("1", "2", "3", "4", "5")
UNIFIED = "Alignment Score (1-5): {alignment}\nStyle Score (1-5): {style}"


def written(*tokens: str | dict[str, float]) -> VlmAnswer:
    """An answer of these tokens; a dictionary has alternatives with P."""
    places = [
        {token: -0.001} if isinstance(token, str) else {t: math.log(p) for t, p in token.items()}
        for token in tokens
    ]
    return VlmAnswer(places)


SURE = {"4": 0.7, "5": 0.2, "3": 0.1}
"""Expected: 4.1."""
SPLIT = {" 2": 0.5, "2": 0.1, "4": 0.2, "x": 0.1, "9": 0.1}
"""Expected: 2.5, of what is a rating."""


@pytest.mark.parametrize(
    ("template", "answer", "expected"),
    [
        ("{overall}", written(SURE), {"overall": 4.1}),
        ("{overall}", written("\n", SPLIT), {"overall": 2.5}),
        ("{a}{b}", written(SURE, SPLIT), {"a": 4.1, "b": 2.5}),
        (
            ANSWER,
            written(
                "Al", "ignment", ":", " ", SURE, "\n", "Coherence", ":", SPLIT, "\nStyle:", SURE
            ),
            {"alignment": 4.1, "coherence": 2.5, "style": 4.1},
        ),
        # Decimals: of the first digit. Cases and spaces say nothing.
        (
            UNIFIED,
            written(
                *("Here:", "\n", "alignment", "Score", " (", "1", "-", "5", "):", " "),
                *(SURE, ".", {"7": 0.6, "1": 0.4}, "2", "\n"),
                *("Style", " Score", " (1", "-5", ")", ": ", SPLIT, ".", "3"),
            ),
            {"alignment": 4.1, "style": 2.5},
        ),
    ],
)
def test_what_is_expected_of_an_answer(
    template: str, answer: VlmAnswer, expected: dict[str, float]
) -> None:
    for axis in ("mean", *expected):
        rating = rating_template("r", template, axis, [1, 5], None)
        assert rating.expected(answer) == pytest.approx(expected)
        assert rating.expected(answer.slim()) == pytest.approx(expected)
        want = expected.get(axis, sum(expected.values()) / len(expected))
        assert rating.score(answer) == pytest.approx(want)


@pytest.mark.parametrize(
    ("template", "answer", "says"),
    [
        (UNIFIED, written("It", " is", " fine"), "no 'alignmentscore.*It is fine"),
        (UNIFIED, written("Alignment Score (1-5):", SURE), "no 'stylescore"),
        ("A: {a}", written("A", ":"), "ends before the rating of a"),
        ("A: {a}", written("A:", {"good": 0.9, "bad": 0.1}), "no rating of a.*'good', 'bad'"),
        ("{a}", VlmAnswer([]), "ends before the rating of a"),
        ("{a}", written({"9": 0.9, "0": 0.1}), "no rating of a is among"),
    ],
)
def test_an_answer_without_a_rating_is_none(template: str, answer: VlmAnswer, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        rating_template("r", template, "mean", [1, 5], None).score(answer)


def test_an_answer_has_as_many_tokens_as_it_may_need() -> None:
    assert rating_template("r", "{overall}", "mean", [1, 5], None).tokens == 1
    assert rating_template("r", ANSWER, "mean", [1, 5], None).tokens == 96
    assert rating_template("r", ANSWER, "mean", [1, 5], 200).tokens == 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rubric": "Is it good?"}, "has no {} for the prompt"),
        ({"rubric": 3}, "expected a text"),
        ({"answer": "Rating: N"}, "has no place for a rating"),
        ({"answer": "Rating: {}"}, "has a place ''"),
        ({"answer": "{a} {a}"}, "has a place 'a'"),
        ({"answer": "{mean}"}, "has a place 'mean'"),
        ({"answer": "{a"}, "cannot be read"),
        ({"answer": 1}, "expected a text"),
        ({"axis": "alignement"}, "has no place in the answer. Did you mean 'alignment'?"),
        ({"axis": 3}, "has no place in the answer"),
        ({"scale": [1, 10]}, "of one digit each"),
        ({"scale": [5, 1]}, "of one digit each"),
        ({"scale": 5}, "of one digit each"),
        ({"max_tokens": 0}, "expected 1 … 4096"),
        ({"max_pixels": 0}, "expected a whole number from 1"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RewardError) as error:
        VlmRating("nowhere", None, "cpu", **options)
    assert says in error.value.message


def by_hand(folder: Path, prompt: str, image: Image.Image, tokens: int) -> list[float]:
    """The expected rating at each of the first places, by transformers' ``generate``."""
    processor: Any = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    content = [{"type": "image"}, {"type": "text", "text": RUBRIC.format(prompt)}]
    chat = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    inputs = processor(text=[chat], images=[[image]], return_tensors="pt")
    made = model.generate(
        **inputs,
        max_new_tokens=tokens,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    ids = [processor.tokenizer(one, add_special_tokens=False)["input_ids"][0] for one in DIGITS]
    chances = [step[0].double().softmax(-1)[ids] for step in made.logits]
    values = torch.arange(1.0, 6.0, dtype=torch.float64)
    return [float((values * one).sum() / one.sum()) for one in chances]


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    saved: dict[str, Path] = {}

    def folder(architecture: str) -> Path:
        if architecture not in saved:
            made = save_vlm(architecture, tmp_path_factory.mktemp(architecture) / "vlm")
            saved[architecture] = let_answer(made, DIGITS, 20, ("", *DIGITS), RUBRIC)
        return saved[architecture]

    return folder


@pytest.mark.parametrize("architecture", ["qwen3_vl", "llava", "idefics3"])
def test_it_is_what_generate_expects(architecture: str, rated: Any) -> None:
    folder = rated(architecture)
    # Already as large as the model takes it: how an image is resized is the processor's business.
    image = picture(5, 32, 32)
    first, second = by_hand(folder, "a cat", image, 2)
    scores = {
        axis: VlmRating(str(folder), None, "cpu", answer="{a}{b}", axis=axis, max_tokens=2).score(
            ["a cat"], [image]
        )[0]
        for axis in ("a", "b", "mean")
    }
    assert scores == pytest.approx(
        {"a": first, "b": second, "mean": (first + second) / 2}, abs=2e-5
    )


def test_a_score_does_not_depend_on_its_batch(rated: Any) -> None:
    folder = str(rated("qwen3_vl"))

    def opened() -> VlmRating:
        return VlmRating(folder, None, "cpu", answer="{a}{b}", max_tokens=2)

    together = opened().score(PROMPTS, PICTURES)
    alone = [opened().score([p], [i])[0] for p, i in zip(PROMPTS, PICTURES, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5)
    assert max(alone) - min(alone) > 0.01


def test_two_axes_share_a_model_and_its_answers(
    rated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(rated("llava"))
    one, other = (
        VlmRating(folder, None, "cpu", answer="{a}{b}", axis=axis, max_tokens=2) for axis in "ab"
    )
    assert one._vlm is other._vlm
    calls: list[int] = []
    generate = one._vlm._model.generate

    def counted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        return generate(*given, **named)

    monkeypatch.setattr(one._vlm._model, "generate", counted)
    assert one.score(PROMPTS, PICTURES) != other.score(PROMPTS, PICTURES)
    assert len(calls) == 1


def test_an_answer_in_other_words_is_the_failure_of_its_image(rated: Any) -> None:
    reward = VlmRating(str(rated("llava")), None, "cpu", max_tokens=3)
    with pytest.raises(ValueError, match="the answer has no 'alignment:'"):
        reward.score(["a cat"], PICTURES[:1])

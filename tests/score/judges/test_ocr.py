"""Text in images: read by a small random GOT-OCR 2.0, and compared by Flow-GRPO's rule."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import GotOcr2ForConditionalGeneration, GotOcr2Processor

import synpic
from synpic import Workspace, validate
from synpic.errors import EvaluationError, RewardError
from synpic.score.judges.judge import Requirement
from synpic.score.judges.ocr import Ocr, edit_distance, quoted_text, text_likeness
from tests.conftest import MakeRecipe, edit
from tests.score.tiny_got import TOKENS, save_got
from tests.score.tiny_vlms import save_vlm

COLOURS = ("red", "white", "blue")
PROMPTS = ['a sign that says "OPEN"', 'a wall with "Q r 7"', 'the word "x"']


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_got(tmp_path_factory.mktemp("got"))


@pytest.fixture(scope="module")
def judge(checkpoint: Path) -> Ocr:
    return Ocr(str(checkpoint), None, "cpu", max_tokens=12)


def pictures() -> list[Image.Image]:
    made = [Image.new("RGB", (64, 40 + 9 * at), colour) for at, colour in enumerate(COLOURS)]
    for at, image in enumerate(made):
        image.paste("black", (0, 0, 20 * at, 30))
    return made


def read(judge: Ocr, images: list[Image.Image]) -> list[str]:
    asked = [Requirement(prompt) for prompt in PROMPTS[: len(images)]]
    verdicts = judge.judge(asked, [judge.pixels(one) for one in images])
    return [verdict.parts[0].answer for verdict in verdicts]


def test_what_is_read_is_what_transformers_reads(judge: Ocr, checkpoint: Path) -> None:
    processor: Any = GotOcr2Processor.from_pretrained(checkpoint)
    model: Any = GotOcr2ForConditionalGeneration.from_pretrained(checkpoint).eval()
    wanted = []
    for image in pictures():
        inputs = processor(images=image, num_image_tokens=TOKENS, return_tensors="pt")
        out = model.generate(
            **inputs,
            do_sample=False,
            tokenizer=processor.tokenizer,
            stop_strings="<|im_end|>",
            max_new_tokens=12,
        )
        rest = out[0, inputs["input_ids"].shape[1] :]
        wanted.append(processor.decode(rest, skip_special_tokens=True))
    assert len(set(wanted)) > 1, "the picture is seen"
    assert read(judge, pictures()) == wanted
    assert [read(judge, [one])[0] for one in pictures()] == wanted, "alone as in a batch"


def test_a_verdict_has_what_was_read_and_how_near_it_is(judge: Ocr) -> None:
    image = pictures()[0]
    [text] = read(judge, [image])
    there = Requirement(f'a sign that says "{text.replace(chr(34), " ")[:3] or "x"}"')
    [verdict] = judge.judge([Requirement('the word "OPEN"')], [judge.pixels(image)])
    assert verdict.score == text_likeness("OPEN", text)
    assert verdict.correct is (verdict.score == 1)
    assert bool(verdict.reason) is not verdict.correct
    with pytest.raises(ValueError, match="no text in quotes"):
        judge.judge([Requirement("a dog")], [judge.pixels(image)])
    wanted = quoted_text(there.prompt) or ""
    assert judge.judge([there], [judge.pixels(image)])[0].score == text_likeness(wanted, text)


def test_as_a_reward(checkpoint: Path, judge: Ocr) -> None:
    reward = synpic.reward("ocr", checkpoint=checkpoint, max_tokens=12, device="cpu")
    texts = read(judge, pictures())
    wanted = [quoted_text(one) or "" for one in PROMPTS]
    expected = [text_likeness(*one) for one in zip(wanted, texts, strict=True)]
    assert reward.score(PROMPTS, pictures()) == pytest.approx(expected)
    with pytest.raises(RewardError, match="has no text in quotes"):
        reward.score("a dog", pictures()[:1])


@cache
def by_definition(first: str, second: str) -> int:
    if not first or not second:
        return len(first) + len(second)
    return min(
        by_definition(first[1:], second) + 1,
        by_definition(first, second[1:]) + 1,
        by_definition(first[1:], second[1:]) + (first[0] != second[0]),
    )


@given(st.text("abé", max_size=7), st.text("abé", max_size=7))
def test_edit_distance_is_that_of_its_definition(first: str, second: str) -> None:
    assert edit_distance(first, second) == by_definition(first, second)


@given(st.text(string.ascii_letters, min_size=1, max_size=9), st.text(max_size=20))
def test_likeness_is_a_share_and_whole_where_the_text_is_there(wanted: str, other: str) -> None:
    assert 0 <= text_likeness(wanted, other) <= 1
    assert text_likeness(wanted, f"{other} {wanted.upper()} {other}") == 1
    assert text_likeness(wanted, "") == 0


@pytest.mark.parametrize(
    ("wanted", "found", "likeness"),
    [
        ("Hello World", "hello\nworld", 1.0),
        ("Hello World", "HELLO WORLD and more", 1.0),
        ("Hello", "Hallo", 0.8),
        ("Hello", "Helo", 0.8),
        ("ab", "a thousand other letters", 0.0),
    ],
)
def test_likeness_of_cases_by_hand(wanted: str, found: str, likeness: float) -> None:
    assert text_likeness(wanted, found) == pytest.approx(likeness)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ('New York with "Hello World" in fireworks, "not this"', "Hello World"),
        ("a sign: “Café”", "Café"),
        ("a dog", None),
        ('"', None),
        ('a sign ""', None),
        ('a sign "  "', None),
    ],
)
def test_the_first_text_in_quotes_is_asked_for(prompt: str, text: str | None) -> None:
    assert quoted_text(prompt) == text
    if text is None:
        with pytest.raises(EvaluationError, match="no text in quotes"):
            Ocr.check(Requirement(prompt))


def test_a_prompt_without_quotes_is_an_error_before_anything_is_spent(
    workspace: Workspace, recipe: MakeRecipe, checkpoint: Path
) -> None:
    table = f'[rewards.ocr]\ncheckpoint = "{checkpoint}"\n'
    found = validate(edit(workspace, recipe(more=table))).problems
    ((message, _),) = found
    assert message.startswith("rewards.ocr: prompt 'prompt 0-0': it has no text in quotes")


def test_what_cannot_read_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(RewardError, match="max_tokens is 0, expected 1"):
        Ocr(str(checkpoint), None, "cpu", max_tokens=0)
    other = save_vlm("qwen2_vl", tmp_path / "other")
    with pytest.raises(RewardError, match="is of the kind qwen2_vl, and ocr reads with GOT-OCR"):
        Ocr(str(other), None, "cpu")

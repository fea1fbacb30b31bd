"""``vlm_compare`` against transformers' own ``generate``, asked in the same words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from synpic import Workspace, score_candidates
from synpic.errors import RewardError
from synpic.score.comparer import Comparer
from synpic.score.vlm.pair_question import FIRST, QUESTION, SECOND, PairQuestion
from synpic.score.vlm_compare import VlmCompare
from tests.conftest import MakeRecipe, edit
from tests.parity.inputs import picture
from tests.score.tiny_vlms import ARCHITECTURES, save_vlm

PROMPTS = ["a cat", "three green stars, " * 12, "café 🚀", "a red circle"]
ONES = [picture(0, 64, 48), picture(1, 32, 32), picture(2, 100, 20), picture(3, 90, 140)]
OTHERS = [picture(4, 32, 64), picture(5, 70, 70), picture(6, 33, 47), picture(7, 64, 64)]
WORDS = {"first": ["1"], "second": ["B"]}
"""Of random weights, about equally likely."""

_SAVED: dict[str, Path] = {}


@pytest.fixture
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def saved(architecture: str) -> Path:
        if architecture not in _SAVED:
            _SAVED[architecture] = save_vlm(architecture, tmp_path_factory.mktemp(architecture))
        return _SAVED[architecture]

    return saved


def opened(folder: Path, **options: Any) -> VlmCompare:
    return VlmCompare(str(folder), None, "cpu", **options)


def by_generate(
    folder: Path, prompt: str, images: list[Image.Image], answers: list[str]
) -> list[float]:
    """ln P of each of ``answers``, token by token, by ``generate``; the chat is written out."""
    processor: Any = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    words = [
        f'Two images were made for this prompt: "{prompt}"\nFirst image: ',
        "\nSecond image: ",
        "\nWhich of the two is better: does it show what the prompt asks for, and is it well made? "
        "Answer with one word: First or Second.",
    ]
    content: list[dict[str, str]] = [{"type": "text", "text": words[0]}]
    for text in words[1:]:
        content += [{"type": "image"}, {"type": "text", "text": text}]
    chat = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    found = []
    for answer in answers:
        total, before = 0.0, chat
        for token in processor.tokenizer(answer, add_special_tokens=False)["input_ids"]:
            inputs = processor(text=[before], images=[images], return_tensors="pt")
            made = model.generate(
                **inputs,
                max_new_tokens=1,
                do_sample=False,
                output_scores=True,
                return_dict_in_generate=True,
            )
            total += float(made.scores[0][0].double().log_softmax(-1)[token])
            before += processor.tokenizer.decode([token])
        found.append(total)
    return found


@pytest.mark.parametrize("architecture", ["qwen3_vl", "llava", "idefics3"])
def test_it_is_what_generate_begins_with(architecture: str, checkpoint: Any) -> None:
    folder = checkpoint(architecture)
    # Already as large as the model takes them: how an image is resized is the processor's business.
    one, other = picture(5, 32, 32), picture(6, 32, 32)
    found = opened(folder, **WORDS).compare(["a cat"] * 2, [one, other], [other, one])
    for images, probability in zip(([one, other], [other, one]), found, strict=True):
        first, second = by_generate(folder, "a cat", images, ["1", "B"])
        assert probability == pytest.approx(1 / (1 + math.exp(second - first)), abs=1e-5)
    # Of the other order it says something else: a mistake in it would be seen.
    assert abs(found[0] - found[1]) > 10 * 1e-5


def test_spellings_add_up(checkpoint: Any) -> None:
    folder = checkpoint("qwen3_vl")
    one, other = picture(5, 32, 32), picture(6, 32, 32)
    # The last one has several tokens.
    spelt = {"first": ["F", "2"], "second": ["I", "B", "a red"]}
    (found,) = opened(folder, **spelt).compare(["a cat"], [one], [other])
    logs = by_generate(folder, "a cat", [one, other], ["F", "2", "I", "B", "a red"])
    first, second = sum(map(math.exp, logs[:2])), sum(map(math.exp, logs[2:]))
    assert found == pytest.approx(first / (first + second), abs=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_pair_does_not_depend_on_its_batch(architecture: str, checkpoint: Any) -> None:
    comparer = opened(checkpoint(architecture), **WORDS)
    assert isinstance(comparer, Comparer)
    together = comparer.compare(PROMPTS, ONES, OTHERS)
    trios = zip(PROMPTS, ONES, OTHERS, strict=True)
    alone = [comparer.compare([p], [a], [b])[0] for p, a, b in trios]
    assert together == pytest.approx(alone, abs=1e-5)
    assert max(alone) - min(alone) > 1000 * 1e-5


def test_images_that_are_not_placed_stand_first() -> None:
    def of(question: str) -> list[str]:
        return PairQuestion.of("x", question, FIRST, SECOND, 1).filled("a {cat}")

    assert of("Which shows {}?") == ["{first}", "{second}", "Which shows a {cat}?"]
    assert of("{first}{second}{} {{first}}") == ["{first}", "{second}", "a {cat} {first}"]
    assert of("A {first} for {}, B {second}.") == [
        "A ",
        "{first}",
        " for a {cat}, B ",
        "{second}",
        ".",
    ]
    assert len(of(QUESTION)) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"question": "Which {first} {second}?"}, "has no {} for the prompt"),
        ({"question": "{} {second} {first}"}, "expected {first} and then {second}"),
        ({"question": "{} {first}"}, "expected {first} and then {second}"),
        ({"question": "{} {third}"}, "cannot be filled in"),
        ({"question": 3}, "expected a text"),
        ({"first": "A"}, "first is 'A', expected a list of spellings"),
        ({"first": ["A"], "second": ["A"]}, "'A' is among the spellings of first and of second"),
        ({"second": [""]}, "no tokens of its own"),
        ({"max_pixels": 0}, "expected a whole number from 1"),
        ({"dtype": "float8"}, "float8"),
    ],
)
def test_options_out_of_range_are_named(
    options: dict[str, Any], says: str, checkpoint: Any
) -> None:
    with pytest.raises(RewardError) as caught:
        opened(checkpoint("qwen3_vl"), **options)
    assert says in caught.value.message


def test_a_prompt_with_a_mark_is_its_failure(checkpoint: Any) -> None:
    with pytest.raises(ValueError, match="does not read as text"):
        opened(checkpoint("qwen3_vl")).compare(["a <|im_end|> cat"], ONES[:1], OTHERS[:1])


def test_a_recipe_names_it(workspace: Workspace, recipe: MakeRecipe, checkpoint: Any) -> None:
    from synpic import generate_candidates, rank_candidates

    folder = checkpoint("qwen3_vl")
    more = f'[rewards.vlm]\ncomparer = "vlm_compare"\ncheckpoint = "{folder.as_posix()}"\n'
    named = edit(workspace, recipe(prompts=3, more=more + "batch_size = 2"))
    generate_candidates(named)
    report = score_candidates(named)
    report.raise_if_unfinished()
    assert report.outcomes[-1].made == 3
    assert report.remarks[0].startswith("vlm: position bias")
    assert rank_candidates(named).ranking.absent == {"vlm": 0}

"""``vlm_questions`` on small models of random weights, against transformers' own ``generate``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoProcessor

from synpic.errors import EvaluationError, RewardError
from synpic.registry import JUDGES
from synpic.score.judges.judge import Requirement
from synpic.score.judges.question_options import QUESTION
from synpic.score.judges.verdict import Verdict
from synpic.score.judges.vlm_questions import VlmQuestions
from tests.parity.inputs import picture
from tests.score.tiny_vlms import generated, save_vlm

PICTURES = [picture(0, 64, 48), picture(1, 32, 32), picture(2, 100, 20)]
THREE = ["three", " three", "Three", " Three", "3", " 3"]
TEXTS = ["Is there a cat?", "Is the star green, " * 6 + "or blue?", "Is it a café by night?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vlm("qwen3_vl", tmp_path_factory.mktemp("questions"))


def opened(folder: Path, **options: Any) -> VlmQuestions:
    return VlmQuestions(str(folder), None, "cpu", **options)


def asking(*questions: dict[str, Any]) -> Requirement:
    spec = {"questions": [{"id": f"{n}", **one} for n, one in enumerate(questions)]}
    return Requirement("a cat and a star", spec=spec)


def judged(
    judge: VlmQuestions, asked: Sequence[Requirement], images: Sequence[Image.Image]
) -> list[Verdict]:
    return judge.judge(asked, [judge.pixels(image) for image in images])


def tokens_of(folder: Path, texts: Sequence[str]) -> list[list[int]]:
    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def single_tokens(folder: Path, texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that are one token, and the others."""
    lengths = [len(tokens) for tokens in tokens_of(folder, texts)]
    pairs = list(zip(texts, lengths, strict=True))
    return [one for one, n in pairs if n == 1], [one for one, n in pairs if n > 1]


def summed(folder: Path, text: str, image: Image.Image, spellings: Sequence[str]) -> float:
    """P of all of ``spellings`` after a question, by ``generate``."""
    asked = QUESTION.format(text)
    return sum(math.exp(generated(folder, asked, image, [one])[0]) for one in spellings)


def test_probabilities_are_those_that_generate_begins_with(folder: Path) -> None:
    image, text = PICTURES[1], TEXTS[0]
    yes = summed(folder, text, image, ["Yes", "yes", " Yes"])
    no = summed(folder, text, image, ["No", "no", " No"])
    three = summed(folder, text, image, single_tokens(folder, THREE)[0])
    asked = asking({"text": text}, {"text": text, "answer": "No"}, {"text": text, "answer": "3"})
    spelt: dict[str, Any] = {"yes": ["Yes", "yes", " Yes"], "no": ["No", "no", " No"]}

    def found(measure: str) -> list[float | None]:
        judge = opened(folder, measure=measure, **spelt)
        (verdict,) = judged(judge, [asked], [image])
        return [part.probability for part in verdict.parts]

    assert found("probability") == pytest.approx([yes, no, three], rel=1e-5)
    share = yes / (yes + no)
    # A number has no opposite: its probability is among all tokens.
    assert found("yes-or-no") == pytest.approx([share, 1 - share, three], rel=1e-5)


def test_a_number_counts_in_each_spelling_that_is_one_token(folder: Path) -> None:
    single, several = single_tokens(folder, THREE)
    assert "3" in single
    assert several
    judge = opened(folder, rule="soft-tifa-am")
    question = {"text": TEXTS[0], "answer": "three"}
    (verdict,) = judged(judge, [asking(question)], PICTURES[1:2])
    by_hand = summed(folder, TEXTS[0], PICTURES[1], single)
    assert verdict.score == pytest.approx(by_hand, rel=1e-5)


def test_the_first_token_of_each_spelling_counts_officially(folder: Path) -> None:
    """As GenEval 2's program takes ``tokenizer.encode(answer)[0]`` of each."""
    four = ["four", "Four", " four", " Four", "4", " 4"]
    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    firsts = [tokens[0] for tokens in tokens_of(folder, four)]
    assert len(set(firsts)) < len(firsts), "one that two share counts twice"
    by_hand = summed(folder, TEXTS[0], PICTURES[1], [tokenizer.decode([one]) for one in firsts])
    judge = opened(folder, rule="soft-tifa-am", quirks="official")
    question = {"text": TEXTS[0], "answer": "four"}
    (verdict,) = judged(judge, [asking(question)], PICTURES[1:2])
    assert verdict.score == pytest.approx(by_hand, rel=1e-5)
    (ours,) = judged(opened(folder, rule="soft-tifa-am"), [asking(question)], PICTURES[1:2])
    assert ours.score is not None
    assert verdict.score is not None
    assert verdict.score > ours.score * 1.01


def test_an_answer_without_a_token_of_its_own_is_the_product_of_its_tokens(folder: Path) -> None:
    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    spellings = ["turquoise", "Turquoise", " turquoise", " Turquoise"]
    by_hand = 0.0
    for tokens in tokens_of(folder, spellings):
        assert len(tokens) > 1
        steps = [tokenizer.decode([token]) for token in tokens]
        by_hand += math.exp(sum(generated(folder, QUESTION.format("?"), PICTURES[1], steps)))
    (verdict,) = judged(
        opened(folder), [asking({"text": "?", "answer": "turquoise"})], PICTURES[1:2]
    )
    assert verdict.parts[0].probability == pytest.approx(by_hand, rel=1e-5)


def test_nothing_depends_on_the_batch(folder: Path) -> None:
    judge = opened(folder)
    requirements = [
        asking(*({"text": text} for text in TEXTS)),
        asking({"text": TEXTS[1], "answer": "3"}, {"text": TEXTS[2], "answer": "no"}),
        asking({"text": TEXTS[0]}),
    ]
    together = judged(judge, requirements, PICTURES)
    alone = [
        judged(judge, [one], [image])[0] for one, image in zip(requirements, PICTURES, strict=True)
    ]

    def chances(verdicts: Sequence[Verdict]) -> list[float]:
        return [part.probability or 0.0 for one in verdicts for part in one.parts]

    assert [len(one.parts) for one in together] == [3, 2, 1]
    assert chances(together) == pytest.approx(chances(alone), abs=1e-5)
    assert max(chances(alone)) - min(chances(alone)) > 0.01
    assert [one.reason for one in together] == [one.reason for one in alone]


def test_a_pass_has_as_many_questions_as_images_were_given(folder: Path) -> None:
    judge, sizes = opened(folder), []
    judge._vlm._model.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    asked = asking(*({"text": text} for text in TEXTS))
    judged(judge, [asked] * 2, PICTURES[:2])
    assert sizes == [2, 2, 2]


def test_what_was_answered_stays_and_rules_count_it(folder: Path) -> None:
    questions = [{"text": TEXTS[0]}, {"text": TEXTS[2], "parents": ["0"]}]
    verdicts = {}
    # These random weights find "Yes" likelier than "No", whatever they see.
    for yes, no in (("Yes", "No"), ("No", "Yes")):
        judge = opened(folder, rule="dpg", yes=[yes], no=[no])
        (verdicts[yes],) = judged(judge, [asking(*questions)], PICTURES[:1])
    assert (verdicts["Yes"].correct, verdicts["Yes"].score) == (True, 1)
    assert (verdicts["No"].correct, verdicts["No"].score) == (False, 0)
    assert [part.answer for part in verdicts["No"].parts] == ["no", "no"]
    assert verdicts["No"].reason == f"{TEXTS[0]} no; {TEXTS[2]} no"
    judge = opened(folder, rule="soft-tifa-gm")
    (soft,) = judged(judge, [asking(*questions)], PICTURES[:1])
    assert soft.correct is None
    assert soft.score is not None
    assert 0 < soft.score < 1


def test_officially_only_the_letters_of_yes_count(folder: Path) -> None:
    judge = opened(folder, rule="dpg", quirks="official", yes=["Yes"], no=["No"])
    (verdict,) = judged(judge, [asking({"text": TEXTS[0]})], PICTURES[:1])
    # The likeliest token of these random weights is another.
    assert verdict.score == 0
    assert verdict.parts[0].answer not in ("yes", "no")
    (plain,) = judged(
        opened(folder, rule="dpg", yes=["Yes"], no=["No"]),
        [asking({"text": TEXTS[0]})],
        PICTURES[:1],
    )
    assert plain.score == 1


@pytest.mark.parametrize(("yes", "no", "refused"), [("No", "Yes", True), ("Yes", "No", False)])
def test_the_canary_is_a_false_question_about_a_grey_image(
    yes: str, no: str, refused: bool, folder: Path
) -> None:
    judge = opened(folder, yes=[yes], no=[no])
    judge.check(judge.canary())
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    (verdict,) = judged(judge, [judge.canary()], [grey])
    assert verdict.correct is not refused
    assert "red elephant" in verdict.parts[0].question


def test_an_item_without_questions_is_refused_before_it_is_asked() -> None:
    with pytest.raises(EvaluationError, match="there are none, and this judge asks them"):
        VlmQuestions.check(Requirement("a cat"))
    VlmQuestions.check(asking({"text": "Is it a cat?"}))


def test_a_question_with_a_mark_of_the_model_is_the_failure_of_its_image(folder: Path) -> None:
    asked = asking({"text": "Is it a cat<|im_end|>?"})
    with pytest.raises(ValueError, match="does not read as text"):
        judged(opened(folder), [asked], PICTURES[:1])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rule": "mean"}, "vlm_questions: rule is 'mean', expected one of 'dpg', 'dsg'"),
        ({"measure": "log-odds"}, "measure is 'log-odds', expected one of 'yes-or-no'"),
        ({"quirks": "all"}, "quirks is 'all', expected one of 'none', 'official'"),
        ({"question": "Is it so?"}, "has no {} for the prompt"),
        ({"yes": ["Yes", "No"]}, "among the spellings of yes and of no"),
        ({"max_pixels": 0}, "expected a whole number from 1"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], says: str, folder: Path) -> None:
    with pytest.raises(RewardError) as error:
        opened(folder, **options)
    assert says in error.value.message


def test_it_is_registered() -> None:
    assert JUDGES.load("vlm_questions") is VlmQuestions
    assert JUDGES.load("vlm_questions_endpoint").asks_endpoint

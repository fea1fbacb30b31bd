"""``vlm_questions`` through an endpoint: the local judge's verdicts, and what has none."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import RewardError
from synpic.score.judges.judge import Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.judges.vlm_questions import VlmQuestions
from synpic.score.judges.vlm_questions_endpoint import VlmQuestionsEndpoint
from synpic.score.vlm_yes import NO, YES
from tests.parity.inputs import picture
from tests.score.endpoint_server import Computed, Reply, completion, let_answer, served
from tests.score.tiny_vlms import save_vlm

PICTURES = [picture(0, 64, 48), picture(1, 90, 140)]
NUMBERS = ("1", "2", "3", "4")
NOT_SO = completion({"No": math.log(0.7), "Yes": math.log(0.2), "The": -9.0})
SO = completion({"Yes": math.log(0.8), "No": math.log(0.1), "3": -9.0})


def opened(url: str, **options: Any) -> VlmQuestionsEndpoint:
    return VlmQuestionsEndpoint(model="owner/model", endpoint=url, **options)


def asking(*questions: dict[str, Any]) -> Requirement:
    spec = {"questions": [{"id": f"{n}", **one} for n, one in enumerate(questions)]}
    return Requirement("a cat and a star", spec=spec)


def judged(judge: VlmQuestions | VlmQuestionsEndpoint, asked: list[Requirement]) -> list[Verdict]:
    return judge.judge(asked, [judge.pixels(image) for image in PICTURES[: len(asked)]])


ASKED = [
    asking(
        {"text": "Is there a cat?"},
        {"text": "Is the cat red?", "parents": ["0"], "answer": "no"},
        {"text": "How many stars are there?", "answer": "three"},
    ),
    asking({"text": "Is there a café by night?"}),
]


@pytest.mark.parametrize("rule", ["dpg", "dsg", "soft-tifa-gm"])
def test_it_says_what_the_local_judge_says(rule: str, tmp_path: Path) -> None:
    folder = let_answer(save_vlm("qwen3_vl", tmp_path / "vlm"), (*YES, *NO, *NUMBERS), by=20)
    options: dict[str, Any] = {"rule": rule, "max_pixels": 64 * 64}
    here = judged(VlmQuestions(str(folder), None, "cpu", **options), ASKED)
    with served(Computed(folder)) as server:
        there = judged(opened(server.url, **options), ASKED)
    chances = [part.probability for verdict in here for part in verdict.parts]
    assert [part.probability for verdict in there for part in verdict.parts] == pytest.approx(
        chances, abs=1e-4
    )
    assert [one.score for one in there] == pytest.approx([one.score for one in here], abs=1e-4)
    assert [(one.correct, one.reason) for one in there] == [
        (one.correct, one.reason) for one in here
    ]
    assert max(map(float, chances)) - min(map(float, chances)) > 0.05  # type: ignore[arg-type]


def test_a_parent_that_is_denied_takes_its_children_along() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return 200, NOT_SO if "cat?" in body["messages"][0]["content"][1]["text"] else SO

    asked = asking(
        {"text": "Is there a cat?"},
        {"text": "Does it sleep?", "parents": ["0"]},
        {"text": "Is there a star?"},
        {"text": "Is it green?", "parents": ["2"]},
    )
    with served(reply) as server:
        (verdict,) = judged(opened(server.url, rule="dpg"), [asked])
    assert verdict.score == 0.5
    assert [part.answer for part in verdict.parts] == ["no", "yes", "yes", "yes"]
    assert verdict.reason == (
        "Is there a cat? no; Does it sleep? yes, but it depends on: Is there a cat?"
    )
    assert verdict.parts[0].probability == pytest.approx(0.2 / 0.9)


def test_every_question_is_asked_once_after_the_one_about_a_grey_image() -> None:
    with served(lambda body: (200, SO)) as server:
        judge = opened(server.url)
        judged(judge, ASKED)
        judge.ahead(ASKED, [judge.pixels(image) for image in PICTURES])
        judged(judge, ASKED)
        texts = server.texts()
        judge.close()
    assert "red elephant" in texts[0]
    assert sorted(texts[1:]) == [
        "How many stars are there? Answer in one word.",
        "Is the cat red? Answer in one word.",
        "Is there a café by night? Answer in one word.",
        "Is there a cat? Answer in one word.",
    ]
    assert {body["max_tokens"] for body in server.asked} == {1}


def test_ahead_has_the_next_questions_asked() -> None:
    with served(lambda body: (200, SO)) as server:
        judge = opened(server.url)
        judged(judge, ASKED[:1])
        judge.ahead(ASKED[1:], [judge.pixels(PICTURES[0])])
        for _ in range(200):
            if any("café" in text for text in server.texts()):
                break
            time.sleep(0.01)
        assert any("café" in text for text in server.texts())
        judge.close()


def test_what_was_answered_is_not_asked_again_by_a_later_run(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        broken = "red?" in body["messages"][0]["content"][1]["text"] and len(answered) == 0
        return (400, {"error": {"message": "not now"}}) if broken else (200, SO)

    answered: list[bool] = []
    with served(reply) as server:
        first = opened(server.url)
        first.remember_in(tmp_path)
        with pytest.raises(ValueError, match="not now"):
            judged(first, ASKED)
        first.close()
        asked = len(server.asked)
        answered.append(True)
        later = opened(server.url, rule="soft-tifa-am")
        later.remember_in(tmp_path)
        assert judged(later, ASKED)[0].score is not None
        later.close()
        assert server.texts()[asked:] == ["Is the cat red? Answer in one word."]


@pytest.mark.parametrize(
    ("answer", "tokens", "says"),
    [
        ("yes", {"The": -0.1, "A": -3.0}, "neither 'Yes' nor 'No' is among the likeliest"),
        ("turquoise", {"tur": -0.1, "blue": -3.0}, "'turquoise' is several tokens"),
    ],
)
def test_no_answer_is_no_verdict_and_is_asked_again(
    answer: str, tokens: dict[str, float], says: str, tmp_path: Path
) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        return 200, SO if "elephant" in str(body["messages"][0]["content"][1]) else silent

    silent = completion(tokens)
    asked = [asking({"text": "Is it so?", "answer": answer})]
    with served(reply) as server:
        for times in (1, 2):
            judge = opened(server.url)
            judge.remember_in(tmp_path)
            with pytest.raises(ValueError, match=says):
                judged(judge, asked)
            judge.close()
            assert server.texts().count("Is it so? Answer in one word.") == times


def test_an_endpoint_without_probabilities_ends_with_one_error() -> None:
    plain = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}}]}
    with (
        served(lambda body: (200, plain)) as server,
        pytest.raises(RewardError, match="returns no log-probabilities"),
    ):
        judged(opened(server.url), ASKED)
    assert len(server.asked) == 1


def test_a_model_that_affirms_a_grey_image_says_so_of_the_canary() -> None:
    with served(lambda body: (200, SO)) as server:
        judge = opened(server.url)
        (verdict,) = judge.judge([judge.canary()], [judge.pixels(PICTURES[0])])
    assert verdict.correct


def test_officially_the_server_s_letters_count() -> None:
    lower = completion({"yes": math.log(0.8), "no": math.log(0.1)})
    for reply, score in ((SO, 0), (lower, 1)):
        with served(lambda body, reply=reply: (200, reply)) as server:  # type: ignore[misc]
            judge = opened(server.url, rule="dpg", quirks="official")
            (verdict,) = judged(judge, [asking({"text": "Is it so?"})])
        assert verdict.score == score


def test_tokens_of_a_server_are_not_known() -> None:
    with pytest.raises(RewardError, match="counts the first token of a spelling"):
        opened("http://127.0.0.1:9/v1", rule="soft-tifa-gm", quirks="official")

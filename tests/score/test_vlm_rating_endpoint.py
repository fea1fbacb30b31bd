"""``vlm_rating`` through an endpoint, and the requests of UnifiedReward's own client."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import RewardError
from synpic.score.vlm.ratings import ANSWER, RUBRIC
from synpic.score.vlm_rating import VlmRating
from synpic.score.vlm_rating_endpoint import VlmRatingEndpoint
from tests.parity.inputs import picture
from tests.score.endpoint_server import Computed, completion, let_answer, served
from tests.score.tiny_vlms import save_vlm

PROMPTS = ["a cat", "three green stars, " * 12, "café 🚀", "a red circle"]
PICTURES = [picture(0, 64, 48), picture(1, 32, 32), picture(2, 100, 20), picture(3, 90, 140)]
FIXTURE = Path(__file__).parent.parent / "parity/fixtures/unified_reward.json"


def opened(url: str, **options: Any) -> VlmRatingEndpoint:
    return VlmRatingEndpoint(model="owner/model", endpoint=url, **options)


def sure(rating: int) -> dict[str, float]:
    return {str(rating): math.log(0.8), str(rating - 1): math.log(0.2)}


RATED = completion(
    *({"Alignment": 0.0, "The": -9.0}, {":": 0.0, "-": -8.0}, {" ": 0.0, "  ": -8.0}, sure(2)),
    *({"\n": 0.0, ".": -8.0}, {"Coherence": 0.0, "C": -8.0}, {": ": 0.0, "-": -8.0}, sure(4)),
    *({"\n": 0.0, ".": -8.0}, {"Style": 0.0, "S": -8.0}, {": ": 0.0, "-": -8.0}, sure(5)),
)


@pytest.mark.parametrize(
    "options",
    [
        {"answer": "{overall}"},
        {"answer": "{a}{b}", "axis": "b", "max_tokens": 2, "scale": [1, 4]},
    ],
)
def test_it_says_what_the_local_reward_says(options: dict[str, Any], tmp_path: Path) -> None:
    folder = let_answer(save_vlm("qwen3_vl", tmp_path / "vlm"), "12345", 20, ("", *"12345"), RUBRIC)
    here = VlmRating(str(folder), None, "cpu", **options).score(PROMPTS, PICTURES)
    with served(Computed(folder)) as server:
        assert opened(server.url, **options).score(PROMPTS, PICTURES) == pytest.approx(
            here, abs=1e-4
        )
    assert max(here) - min(here) > 10 * 1e-4


def test_axes_of_one_answer_are_one_question(tmp_path: Path) -> None:
    with served(lambda body: (200, RATED)) as server:
        rewards = [
            opened(server.url, axis=axis) for axis in ("alignment", "coherence", "style", "mean")
        ]
        for reward in rewards:
            reward.remember_in(tmp_path)
        scores = [reward.score(PROMPTS, PICTURES) for reward in rewards]
        assert [one[0] for one in scores] == pytest.approx([1.8, 3.8, 4.8, 10.4 / 3])
        assert len(server.asked) == len(PICTURES) + 1
        for reward in rewards:
            reward.close()
        # A later command, another axis: the answers are on the disk.
        later = opened(server.url, axis="style")
        later.remember_in(tmp_path)
        assert later.score(PROMPTS, PICTURES) == scores[2]
        assert len(server.asked) == len(PICTURES) + 1


def test_one_who_is_done_does_not_stop_the_others() -> None:
    with served(lambda body: (200, RATED)) as server:
        first, second = (opened(server.url, axis=axis) for axis in ("style", "mean"))
        first.score(PROMPTS[:1], PICTURES[:1])
        second.score(PROMPTS[:1], PICTURES[:1])
        first.close()
        assert second.score(PROMPTS, PICTURES)


@pytest.mark.parametrize(("rating", "warns"), [(4, True), (2, False)])
def test_praise_for_an_image_that_shows_nothing_is_reported(
    rating: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with served(lambda body: (200, completion(sure(rating)))) as server:
        opened(server.url, answer="{alignment}", axis="alignment").score(["a cat"], PICTURES[:1])
    assert ("affirms everything" in caplog.text) == warns


@pytest.mark.parametrize(("alignment", "warns"), [(5, True), (2, False)])
def test_praise_is_reported_whatever_the_score_is(
    alignment: int, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answer = "Alignment:{alignment}Style:{style}"
    rated = completion({"Alignment:": 0.0}, sure(alignment), {"Style:": 0.0}, sure(4))
    with served(lambda body: (200, rated)) as server:
        opened(server.url, answer=answer).score(["a cat"], PICTURES[:1])
    assert ("affirms everything" in caplog.text) == warns


def test_a_model_that_does_not_rate_is_found_by_the_first_question() -> None:
    with served(lambda body: (200, completion({"I": -0.1, "The": -3.0}))) as server:
        with pytest.raises(RewardError, match=r"a first question.*the answer has no 'alignment:'"):
            opened(server.url).score(PROMPTS, PICTURES)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": ""}, "expected the name under which the server has it"),
        ({"answer": "none"}, "has no place for a rating"),
        ({"axis": "beauty"}, "has no place in the answer"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], says: str) -> None:
    given = {"model": "owner/model", "endpoint": "http://127.0.0.1:9/v1", **options}
    with pytest.raises(RewardError) as error:
        VlmRatingEndpoint(**given)
    assert says in error.value.message


def test_it_asks_as_unified_reward_s_client_does() -> None:
    """By the record of their client; its own text is compared where that was made."""
    theirs = json.loads(FIXTURE.read_text())
    rubric = "Rate the image.\n\nAlignment Score (1-5): X\n\nText Caption: [{}]"
    with served(lambda body: (200, RATED)) as server:
        opened(server.url, rubric=rubric, answer=ANSWER).score(["a cat"], PICTURES[:1])
    (message,) = server.asked[-1]["messages"]
    assert message["role"] == theirs["role"]
    assert [part["type"] for part in message["content"]] == theirs["parts"]
    assert message["content"][-1]["text"] == rubric.format("a cat")
    assert server.paths[-1] == theirs["path"]

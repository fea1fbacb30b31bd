"""``vlm_compare`` through an endpoint: the local numbers, and what has no number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from synpic import Workspace, generate_candidates, score_candidates, validate
from synpic.errors import RewardError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.score.vlm_compare import VlmCompare
from synpic.score.vlm_compare_endpoint import VlmCompareEndpoint
from tests.conftest import MakeRecipe, edit
from tests.score.endpoint_server import Computed, Reply, completion, let_answer, served
from tests.score.test_vlm_compare import ONES, OTHERS, PROMPTS
from tests.score.tiny_vlms import save_vlm

PLAIN = completion({"First": -0.5, "Second": -1.5, "The": -9.0})
P_FIRST = 1 / (1 + math.exp(-1))


def opened(url: str, **options: Any) -> VlmCompareEndpoint:
    return VlmCompareEndpoint(model="owner/model", endpoint=url, **options)


@pytest.mark.parametrize("architecture", ["qwen3_vl", "llava"])
def test_it_says_what_the_local_comparer_says(architecture: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {"first": ["1", "F"], "second": ["B", "I"], "max_pixels": 64 * 64}
    folder = let_answer(save_vlm(architecture, tmp_path / "vlm"), ["1", "F", "B", "I"], by=20)
    here = VlmCompare(str(folder), None, "cpu", **words).compare(PROMPTS, ONES, OTHERS)
    with served(Computed(folder)) as server:
        there = opened(server.url, **words).compare(PROMPTS, ONES, OTHERS)
    assert there == pytest.approx(here, abs=1e-4)
    assert max(here) - min(here) > 10 * 1e-4


@pytest.mark.parametrize(
    ("place", "probability"),
    [
        ({"First": math.log(0.6), "Second": math.log(0.3), "x": math.log(0.1)}, 2 / 3),
        ({" first": math.log(0.2), "First": math.log(0.4), "second": math.log(0.2)}, 3 / 4),
        # An answer that is not among them is at most as likely as the last of them.
        ({"First": math.log(0.6), "x": math.log(0.2), "y": math.log(0.1)}, 6 / 7),
        ({"Second": math.log(0.6), "x": math.log(0.2), "y": math.log(0.1)}, 1 / 7),
    ],
)
def test_probabilities_of_what_a_server_returns(
    place: dict[str, float], probability: float
) -> None:
    with served(lambda body: (200, completion(place))) as server:
        found = opened(server.url).compare(["a cat"], ONES[:1], OTHERS[:1])
        assert found == pytest.approx([probability], abs=1e-6)


def test_what_is_sent() -> None:
    with served(lambda body: (200, PLAIN)) as server:
        opened(server.url).compare(["a cat"], ONES[:1], OTHERS[:1])
    first, asked = server.asked
    assert 'for this prompt: "a red square"' in first["messages"][0]["content"][0]["text"]
    kinds = [part["type"] for part in asked["messages"][0]["content"]]
    assert kinds == ["text", "image_url", "text", "image_url", "text"]
    assert asked["messages"][0]["content"][2]["text"] == "\nSecond image: "


def test_no_answer_among_the_tokens_is_no_probability() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        nothing = "a dog" in str(body["messages"][0]["content"][0])
        return 200, completion({"The": -0.1, "A": -2.5}) if nothing else PLAIN

    with served(reply) as server:
        comparer = opened(server.url)
        assert comparer.compare(["a cat"], ONES[:1], OTHERS[:1]) == pytest.approx([P_FIRST])
        with pytest.raises(ValueError, match=r"neither 'First' nor 'Second' is.*'The', 'A'"):
            comparer.compare(["a dog"], ONES[:1], OTHERS[:1])
        with pytest.raises(ValueError, match="may not read as text"):
            comparer.compare(["a <|im_end|>"], ONES[:1], OTHERS[:1])


def test_the_first_question_finds_what_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    with served(lambda body: (200, completion({"<think>": -0.01, "The": -6.0}))) as server:
        with pytest.raises(RewardError, match="a first question about a red and a blue image"):
            opened(server.url).compare(PROMPTS, ONES, OTHERS)
        assert len(server.asked) == 1
    with served(lambda body: (200, completion({"First": -3.0, "Second": -0.1}))) as server:
        opened(server.url).compare(PROMPTS, ONES, OTHERS)
    assert "takes the blue one for 'a red square'" in caplog.text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": ""}, "expected the name under which the server has it"),
        ({"question": "Which?"}, "has no {} for the prompt"),
        ({"first": ["A"], "second": ["A"]}, "'A' is among the spellings of first and of second"),
        ({"max_pixels": 0}, "expected a whole number from 1"),
        ({"endpoint": "$SYNPIC_NO_SUCH_URL"}, "SYNPIC_NO_SUCH_URL names an environment variable"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], says: str) -> None:
    given = {"model": "owner/model", "endpoint": "http://127.0.0.1:9/v1", **options}
    with pytest.raises(RewardError) as error:
        VlmCompareEndpoint(**given)
    assert says in error.value.message


TABLE = """
[rewards.vlm]
comparer = "vlm_compare_endpoint"
batch_size = 2
options = {{ model = "owner/model", endpoint = {{ url = "{url}", patience = 1 }} }}
"""


def test_no_question_is_asked_twice(workspace: Workspace, recipe: MakeRecipe) -> None:
    """Asked until the server fails, then again, of another address: only what is missing."""
    broken = False

    def reply(body: dict[str, Any]) -> Reply:
        refused = broken and "prompt 0-4" in str(body["messages"][0]["content"][0])
        return (400, {"error": {"message": "no"}}) if refused else (200, PLAIN)

    with served(reply) as server:
        drawn = edit(workspace, recipe(prompts=6, more=TABLE.format(url=server.url)))
        generate_candidates(drawn)
        broken = True
        report = score_candidates(drawn)
        with pytest.raises(Unfinished, match="1 of 6 failed"):
            report.raise_if_unfinished()
        assert report.outcomes[-1].made == 5
        first = take_inventory(drawn).comparers[0].fingerprint
    # The comparisons are lost; the answers are not.
    for folder in drawn.folders("comparisons"):
        for part in drawn.parts(folder):
            drawn.store.remove(part)
    broken = False
    with served(reply) as server:
        again = edit(drawn, recipe(prompts=6, more=TABLE.format(url=server.url)))
        assert take_inventory(again).comparers[0].fingerprint == first
        done = score_candidates(again, retry_failed=True).outcomes[-1]
        assert (done.made, done.failed) == (6, 0)
        # Both orders of the pair that failed; the first question was answered.
        assert len(server.asked) == 2
    rows = again.comparisons(again.folders("comparisons")[0])
    assert rows["p_forward"].to_list() == pytest.approx([P_FIRST] * 6)
    assert rows["p_backward"].to_list() == pytest.approx([1 - P_FIRST] * 6)


def test_validate_finds_an_address_that_is_not_there(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    table = TABLE.replace("{url}", "$SYNPIC_NO_SUCH_URL").format()
    ((message, _),) = validate(edit(workspace, recipe(more=table))).problems
    assert "SYNPIC_NO_SUCH_URL" in message


def test_the_forecast_counts_both_orders(workspace: Workspace, recipe: MakeRecipe) -> None:
    from synpic.pipeline.tasks import comparing_tasks
    from synpic.score.forecast_questions import questions_to_ask

    table = TABLE.format(url="http://127.0.0.1:9/v1")
    drawn = edit(workspace, recipe(prompts=6, samples=2, more=table))
    generate_candidates(drawn)
    tasks, _, _ = comparing_tasks(drawn)
    candidates = take_inventory(drawn).candidates
    (asked,) = questions_to_ask(drawn.snapshot(), tasks, candidates)
    assert (asked.reward, asked.model, asked.questions) == ("vlm", "owner/model", 6 * 3 * 2)
    pixels = 36 * 2 * 8 * 8
    letters = 36 * 230
    assert pixels < asked.bytes - letters < 5 * pixels

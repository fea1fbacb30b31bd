"""Rewards that other servers give: numbers, failures of one image, servers that are away."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

import synpic
from synpic import Workspace, generate_candidates, rank_candidates, score_candidates
from synpic.errors import RecipeError, RewardError, Unfinished
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.validation import validate
from synpic.recipe import parse_recipe
from synpic.score.check import check_reward
from synpic.score.servers import pace
from synpic.workspace.lock import RecipeLock
from tests.conftest import MakeRecipe, edit
from tests.fakes import redness
from tests.parity.inputs import picture
from tests.score.reward_servers import Reply, RewardServer, serving

WIRES = ["flow-factory", "unirl", "synpic"]
PICTURES = [picture(number, 40 + number, 30) for number in range(20)]
every_wire = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_FIRST", 0.01)
    monkeypatch.delenv("SYNPIC_SERVE_TOKEN", raising=False)


def called(server: RewardServer, wire: str, **more: Any) -> Any:
    endpoint = {"url": server.url, "patience": 5.0, **more.pop("endpoint", {})}
    given = {"reward": "red", "version": "1", **more}
    return synpic.reward("called", wire=wire, endpoint=endpoint, **given)


def table(url: str, wire: str, more: str = "") -> str:
    return (
        f'[rewards.theirs]\nendpoint = {{ url = "{url}", patience = 3 }}\nwire = "{wire}"\n'
        f'reward = "red"\nversion = "1"\nbatch_size = 8\n{more}'
    )


def scores(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(Workspace.open(workspace.store.root)).scored()


def refuses(word: str) -> Callable[[str, Image.Image], float]:
    def score(prompt: str, image: Image.Image) -> float:
        if word in prompt:
            raise ValueError(f"no score for {prompt!r}")
        return redness(prompt, image)

    return score


@every_wire
def test_a_score_is_that_of_a_direct_call(wire: str) -> None:
    with serving(redness) as server:
        reward = called(server, wire)
        found = reward.score("a prompt", PICTURES)
        assert found == synpic.reward("tests.fakes:redness").score("a prompt", PICTURES)
        assert len(server.posts()) == 3, "8, 8 and 4"
        assert [path for path, _ in server.asked].count("/v1/rewards") == (wire == "synpic")
        assert reward.score("a prompt", PICTURES[:1]) == found[:1]
        assert len(server.posts()) == 4, "what was answered once is asked again"


def test_in_a_workspace_as_any_reward(workspace: Workspace, recipe: MakeRecipe) -> None:
    wire = "synpic"
    with serving(redness) as server:
        one = edit(workspace, recipe(more=table(server.url, wire)))
        assert not validate(one).problems
        assert not server.asked, "validate sends nothing"
        generate_candidates(one)
        score_candidates(one).raise_if_unfinished()
        found = scores(one)
        assert found["score_theirs"].to_list() == found["score_red"].to_list()
        asked = len(server.asked)
        # Where the server is decides nothing; and to rank needs none.
        moved = edit(one, recipe(more=table("http://127.0.0.1:9", wire)))
        assert [o.made for o in score_candidates(moved).outcomes] == [0, 0, 0]
        assert rank_candidates(moved)
        assert len(server.asked) == asked
        another = edit(one, recipe(more=table(server.url, wire).replace('"1"', '"2"')))
        assert [o.made for o in score_candidates(another).outcomes] == [0, 0, 20]


@pytest.mark.parametrize("wire", ["flow-factory", "unirl"])
def test_an_image_that_fails_has_a_failure_row_and_the_others_have_scores(
    workspace: Workspace, recipe: MakeRecipe, wire: str
) -> None:
    with serving(refuses("-3")) as server:
        one = edit(workspace, recipe(more=table(server.url, wire)))
        generate_candidates(one)
        report = score_candidates(one)
        assert [(o.made, o.failed) for o in report.outcomes] == [(20, 0), (20, 0), (18, 2)]
        found = scores(one)
        missing = found.filter(pl.col("score_theirs").is_null())["prompt"].to_list()
        assert missing == [found["prompt"].unique().sort()[3]] * 2
    reasons = one.failures("score").filter(pl.col("name") == "theirs")["reason"].to_list()
    assert len(reasons) == 2
    assert all("no score for 'prompt" in reason for reason in reasons)


def test_an_image_with_an_error_of_its_own_is_asked_about_once() -> None:
    with serving(refuses("bad")) as server:
        with pytest.raises(RewardError, match=r"image 2: called cannot score it: .*no score for"):
            called(server, "synpic").score(["a", "b", "bad", "c"], PICTURES[:4])
        assert [len(body["images"]) for body in server.posts()] == [4]


@every_wire
def test_a_server_that_scores_nothing_ends_it(wire: str) -> None:
    with serving(refuses("")) as server:
        reward = called(server, wire).opened
        with pytest.raises(RewardError, match=r"gave none of 16 images a score: .*no score for"):
            for number, one in enumerate(PICTURES):
                with pytest.raises(ValueError, match="no score for"):
                    reward.score([f"prompt {number}"], [one])


@every_wire
@pytest.mark.parametrize(
    ("reply", "match"),
    [
        ((200, "<html>Welcome to nginx</html>"), "what answers there is not .*Welcome to nginx"),
        ((200, {"rewards": "x", "scores": 3, "results": None}), "what answers there is not"),
        ((401, {"detail": "no token"}), "refuses to answer: HTTP 401: no token"),
        ((403, {"error": "not yours"}), "refuses to answer: HTTP 403: not yours"),
        ((404, {"detail": "Not Found"}), "refuses to answer: HTTP 404: Not Found"),
    ],
)
def test_another_server_is_one_clear_error(wire: str, reply: Reply, match: str) -> None:
    with serving(redness, instead=lambda path, body: reply) as server:
        with pytest.raises(RewardError, match=match) as error:
            called(server, wire).score("a", PICTURES[:1])
        assert error.value.hint
        assert len(server.asked) == 1


@pytest.mark.parametrize("wire", WIRES[1:])
def test_a_name_that_the_server_does_not_have(wire: str) -> None:
    with serving(redness) as server:
        with pytest.raises(RewardError, match=r"has no reward 'rad'\. Did you mean 'red'"):
            called(server, wire, reward="rad").score("a", PICTURES[:1])
        assert not server.posts()


@pytest.mark.parametrize(
    ("wire", "reply", "match"),
    [
        ("flow-factory", {"rewards": [1.0, 2.0]}, "gave 2 scores for 1 images"),
        ("flow-factory", {"rewards": [None]}, "is not Flow-Factory's reward server"),
        ("unirl", {"results": [{"red": {"a": 1, "b": 2}}], "errors": []}, "has the parts a, b"),
        ("synpic", {"scores": {"blue": [1.0]}}, "is not synpic serve"),
    ],
)
def test_an_answer_of_another_form(wire: str, reply: Any, match: str) -> None:
    def instead(path: str, body: Any) -> Reply | None:
        return None if body is None else (200, reply)

    with (
        serving(redness, instead=instead) as server,
        pytest.raises(RewardError, match=match),
    ):
        called(server, wire).score("a", PICTURES[:1])


def test_a_part_of_a_reward_is_named() -> None:
    def instead(path: str, body: Any) -> Reply | None:
        parts = {"results": [{"red": {"a": 1.5, "b": 2}}]}
        return None if body is None else (200, parts)

    with serving(redness, instead=instead) as server:
        assert called(server, "unirl", reward="red/b").score("a", PICTURES[:1]) == [2.0]


@every_wire
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_finite_number_is_a_failure(wire: str, value: float) -> None:
    def score(prompt: str, image: Image.Image) -> float:
        return value if prompt == "bad" else redness(prompt, image)

    with serving(score) as server:
        reward = called(server, wire).opened
        assert reward.score(["good"], PICTURES[:1])
        with pytest.raises(ValueError, match="no finite number"):
            reward.score(["bad"], PICTURES[:1])


@every_wire
def test_what_passes_is_asked_again(wire: str) -> None:
    replies: list[Reply] = [
        (503, {"detail": "starting"}, {"Retry-After": "0"}),
        (500, {"detail": "CUDA out of memory"}),
        (429, "slow", {"Retry-After": "0.01"}),
        (200, ""),
    ]
    replies[-1:] = []

    def instead(path: str, body: Any) -> Reply | None:
        return replies.pop(0) if replies else None

    with serving(redness, instead=instead) as server:
        assert called(server, wire).score("a", PICTURES[:2])
        assert not replies


def test_a_server_that_is_away_ends_it_and_the_same_command_goes_on(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    with serving(redness) as server:
        port = int(server.url.rpartition(":")[2])
        count = iter(range(100))

        def instead(path: str, body: Any) -> Reply | None:
            return (503, "stopping") if next(count) >= 2 else None

        server.instead = instead
        more = table(server.url, "flow-factory").replace("patience = 3", "patience = 0.05")
        one = edit(workspace, recipe(more=more))
        generate_candidates(one)
        report = score_candidates(one)
        with pytest.raises(Unfinished, match=r"red does not answer: HTTP 503: stopping"):
            report.raise_if_unfinished()
        done = report.outcomes[-1].made
        assert 0 < done < 20
    with serving(redness, port):
        again = score_candidates(Workspace.open(one.store.root))
        again.raise_if_unfinished()
        assert [o.made for o in again.outcomes] == [0, 0, 20 - done]


def test_a_server_of_synpic_that_serves_another_reward_is_refused(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    with serving(redness) as server:
        one = edit(workspace, recipe(more=table(server.url, "synpic")))
        generate_candidates(one)
        score_candidates(one).raise_if_unfinished()
        assert '"kind": "server"' in one.store.read("recipe.lock").decode()
        server.described = {"version": "2", "fingerprint": "b" * 64}
        grown = edit(one, recipe(prompts=12, more=table(server.url, "synpic")))
        generate_candidates(grown)
        report = score_candidates(grown)
        with pytest.raises(
            Unfinished, match="gives another red than it did: it is now red, version 2, fingerprint"
        ):
            report.raise_if_unfinished()
        posted = len(server.posts())
        renamed = edit(
            grown, recipe(prompts=12, more=table(server.url, "synpic").replace('"1"', '"2"'))
        )
        score_candidates(renamed).raise_if_unfinished()
        assert len(server.posts()) > posted


def test_a_checkpoint_counts_where_the_server_knows_no_fingerprint(workspace: Workspace) -> None:
    lock = RecipeLock(workspace.store)

    def scored(server: RewardServer) -> list[float]:
        reward = called(server, "synpic")
        reward.opened.hold_to(lock)
        return reward.score("a prompt", PICTURES[:1])

    with serving(redness) as server:
        server.described = {"fingerprint": None, "checkpoint": "theirs/one"}
        assert scored(server) == scored(server)
        server.described = {"fingerprint": None, "checkpoint": "theirs/two"}
        with pytest.raises(RewardError, match="gives another red than it did"):
            scored(server)


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNPIC_SERVE_TOKEN", "a-secret-of-ours")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-0123456789")
    with serving(redness) as server:
        called(server, "synpic").score("a", PICTURES[:1])
        assert {one["Authorization"] for one in server.headers} == {"Bearer a-secret-of-ours"}
        server.instead = lambda path, body: (401, {"detail": "a-secret-of-ours is not known"})
        with pytest.raises(RewardError, match="401") as error:
            called(server, "flow-factory").score("a", PICTURES[:1])
        assert "a-secret" not in str(error.value)
        assert "SYNPIC_SERVE_TOKEN" in str(error.value.hint)


def test_check_reward_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(redness) as server:
        monkeypatch.setenv("SYNPIC_ENDPOINT", server.url)
        found = synpic.reward("called", wire="unirl", reward="red", version="1")
        assert found.score("a", PICTURES[:1])
    with pytest.raises(RewardError, match="called: wire is ''"):
        check_reward("called")


BASE = '[rewards.theirs]\nendpoint = "http://h"\nwire = "unirl"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (BASE.replace('wire = "unirl"\n', ""), "wire: expected one of 'flow-factory', 'unirl'"),
        (BASE.replace('"unirl"', '"pickle"'), "wire"),
        (BASE.replace('version = "1"\n', ""), "version: say which version of the reward"),
        (BASE + 'checkpoint = "a/b"', "checkpoint: a reward that a server gives takes reward"),
        (BASE + "options = { a = 1 }", "options: a reward that a server gives takes reward"),
        ('[rewards.theirs]\nwire = "unirl"', "wire: only a reward that a server gives takes it"),
        (BASE + 'labels = "ingested"', "endpoint: what ranks by labels gives no score"),
        (BASE + 'comparer = "vlm_compare"', "endpoint: a comparer gives no score"),
        (
            BASE.replace('"http://h"', '{ url = "http://h", key = "hf_0123456789abcdefghij" }'),
            "endpoint.key: this is a key",
        ),
    ],
)
def test_a_recipe_that_cannot_be_followed(recipe: MakeRecipe, text: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        parse_recipe(recipe(more=text), "recipe.toml")


def test_the_address_is_not_published(recipe: MakeRecipe) -> None:
    from synpic.recipe.secrets import published_text

    text = published_text(recipe(more=BASE.replace("http://h", "http://gpu-17:8000")))
    assert "gpu-17" not in text
    assert 'endpoint = "$SYNPIC_ENDPOINT"' in text
    assert parse_recipe(text, "recipe.toml").rewards["theirs"].wire == "unirl"


def test_wrong_keys_of_an_endpoint_are_named_by_validate(
    workspace: Workspace, recipe: MakeRecipe, tmp_path: Path
) -> None:
    wrong = BASE.replace('"http://h"', '{ url = "http://h", patient = 3 }')
    one = edit(workspace, recipe(more=wrong))
    (problem,) = validate(one).problems
    assert "unknown key 'patient'. Did you mean 'patience'?" in problem[0]


def packed(found: Any) -> Reply:
    return 200, gzip.compress(json.dumps(found).encode()), {"Content-Encoding": "gzip"}


def test_an_answer_that_was_sent_packed_is_read_and_has_the_same_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(redness, instead=lambda path, body: packed({"rewards": [0.5]})) as server:
        assert called(server, "flow-factory").score("a prompt", PICTURES[:1]) == [0.5]
    monkeypatch.setattr("synpic.score.servers.server._LARGEST", 1 << 16)
    long = {"rewards": [0.5], "more": "a" * (1 << 20)}
    with (
        serving(redness, instead=lambda path, body: packed(long)) as server,
        pytest.raises(RewardError, match="has more than 64"),
    ):
        called(server, "flow-factory").score("a prompt", PICTURES[:1])

"""What raters get and what is stored of their answers, by HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from synpic.errors import WorkspaceError
from synpic.study.definition import open_study
from synpic.study.serving import ServeOptions, serving_study
from synpic.workspace import Workspace
from synpic.workspace.votes import read_votes
from tests.study.conftest import Serving
from tests.study.making import MODELS
from tests.study.rater import HttpRater, answer_all


def votes_of(workspace: Workspace) -> Path:
    return Path(workspace.store.path("study/study/votes.db"))


def test_an_answer_is_stored_with_the_images_as_they_were_shown(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6, questions=["alignment"]) as address:
        rater = HttpRater(address)
        state = rater.begin()
        assert (state["answered"], state["total"]) == (0, 6)
        one = state["upcoming"][0]
        assert set(one) == {"ticket", "question", "prompt", "left", "right"}
        after = rater.vote(one["ticket"], "left", 1234)
        assert (after["stored"], after["answered"], after["last"]) == (True, 1, one["ticket"])
    (row,) = read_votes(votes_of(workspace)).iter_rows(named=True)
    study = open_study(workspace, "study")
    images = {p.candidate_id for p in study.pictures_of(row["comparison"])}
    assert {row["left"], row["right"]} == images
    assert study.prompt_of(row["comparison"]) == one["prompt"]
    assert (row["answer"], row["milliseconds"], row["kind"]) == ("left", 1234, "real")
    assert row["rater"] == state["rater"]


def test_an_answer_that_is_sent_twice_is_stored_once_and_an_undone_one_can_be_changed(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6) as address:
        rater = HttpRater(address)
        ticket = rater.begin()["upcoming"][0]["ticket"]
        rater.vote(ticket, "left")
        assert rater.vote(ticket, "right")["answered"] == 1
        assert read_votes(votes_of(workspace))["answer"].to_list() == ["left"]
        _, state = rater.ask("POST", "api/undo", {"ticket": ticket})
        assert (state["answered"], state["last"]) == (0, None)
        # It is on its way still when the answer is taken back.
        late = rater.vote(ticket, "left")
        assert (late["stored"], late["answered"]) == (False, 0)
        again = state["upcoming"][0]
        assert again["ticket"] != ticket
        rater.vote(again["ticket"], "tie")
        assert read_votes(votes_of(workspace))["answer"].to_list() == ["tie"]


def test_a_rater_gets_everything_once_then_the_end(workspace: Workspace, serving: Serving) -> None:
    with serving(pairs=20, repeats=0.1, checks=0.1) as address:
        rater = HttpRater(address)
        total = rater.begin()["total"]
        assert total == 60 + 6 + 4  # of 2 checks, asked with the two questions that show the prompt
        assert len(answer_all(rater, lambda shown: "left")) == total
        assert rater.begin()["upcoming"] == []
    votes = read_votes(votes_of(workspace))
    assert votes.filter(votes["kind"] == "real").height == 60
    assert votes.filter(votes["kind"] == "repeat").height == 6
    assert set(votes.filter(votes["kind"] == "check")["question"]) <= {"overall", "alignment"}
    sides = {(r["comparison"], r["question"]): r["left"] for r in _rows(votes, "real")}
    for row in _rows(votes, "repeat"):
        assert row["right"] == sides[row["comparison"], row["question"]]
    study = open_study(workspace, "study")
    firsts = {one.id: one.first.candidate_id for one in study.comparisons}
    assert sum(firsts[row["comparison"]] == row["left"] for row in _rows(votes, "real")) == 30


def _rows(votes: object, kind: str) -> list[dict[str, str]]:
    return [row for row in votes.iter_rows(named=True) if row["kind"] == kind]  # type: ignore[attr-defined]


def test_all_comparisons_get_about_as_many_votes(workspace: Workspace, serving: Serving) -> None:
    with serving(pairs=12, questions=["overall"], per_rater=5, checks=0, repeats=0) as address:
        for _ in range(7):
            assert len(answer_all(HttpRater(address), lambda shown: "tie")) == 5
    counts = read_votes(votes_of(workspace))["comparison"].value_counts()["count"]
    assert (counts.min(), counts.max(), len(counts)) == (2, 3, 12)


def test_no_answer_holds_the_name_of_a_model_or_an_id(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=12, checks=0.2) as address:
        rater = HttpRater(address)
        state = rater.begin()
        for path in ("", "assets/study.js", "assets/study.css", "api/state", "images/x"):
            rater.ask("GET", path)
        for shown in state["upcoming"]:
            for side in ("left", "right"):
                status, data = rater.ask("GET", f"images/{shown[side]}")
                assert status == 200
                picture = Image.open(io.BytesIO(data))
                assert (picture.format, picture.info.keys() & {"exif", "xmp", "icc_profile"}) == (
                    "WEBP",
                    set(),
                )
        answer_all(rater, lambda shown: "right")
        rater.vote("no-such-ticket", "left")
    ids = {
        one.candidate_id
        for comparison in open_study(workspace, "study").comparisons
        for one in (comparison.first, comparison.second)
    }
    assert len(rater.seen) > 30
    for path, headers, body in rater.seen:
        text = path + json.dumps(headers) + body.decode("utf-8", "replace")
        assert not any(name in text for name in MODELS)
        assert not any(one in text for one in ids)
        assert "check" not in json.dumps(headers) + (body.decode() if path == "api/state" else "")


def test_an_image_has_another_address_for_each_rater_and_is_nobody_elses(
    serving: Serving,
) -> None:
    with serving(pairs=3, questions=["overall"], checks=0, repeats=0) as address:
        one, other = HttpRater(address), HttpRater(address)
        first, second = one.begin()["upcoming"], other.begin()["upcoming"]
        addresses = [shown[side] for shown in first + second for side in ("left", "right")]
        assert len(set(addresses)) == 12
        assert one.ask("GET", f"images/{first[0]['left']}")[0] == 200
        assert other.ask("GET", f"images/{first[0]['left']}")[0] == 404
        assert other.vote(first[0]["ticket"], "left")["stored"] is False


@pytest.mark.parametrize("asked", [
    [], "x", {}, {"ticket": "x", "answer": "best", "milliseconds": 1},
    {"ticket": "x", "answer": "left", "milliseconds": -1},
    {"ticket": "x", "answer": "left", "milliseconds": True},
    {"ticket": "x", "answer": ["left"], "milliseconds": 1},
    {"ticket": "x", "answer": "left", "milliseconds": 1, "more": 1},
    {"ticket": "x" * 20_000, "answer": "left", "milliseconds": 1},
])  # fmt: skip
def test_what_is_no_answer_is_refused(
    workspace: Workspace, serving: Serving, asked: object
) -> None:
    with serving(pairs=3) as address:
        rater = HttpRater(address)
        rater.begin()
        assert rater.ask("POST", "api/vote", asked)[0] in (400, 413)
    assert read_votes(votes_of(workspace)).is_empty()


def test_nothing_is_kept_of_those_who_have_not_begun(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=3) as address:
        rater = HttpRater(address)
        assert rater.ask("GET", "api/state")[1] == {"rater": None}
        asked = {"ticket": "x", "answer": "left", "milliseconds": 1}
        assert rater.ask("POST", "api/vote", asked)[0] == 401
        rater.cookie = "rater-00000000=../../etc/passwd"
        assert rater.ask("GET", "api/state")[1] == {"rater": None}


def test_address_and_place_are_the_same_after_a_restart(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6, host="0.0.0.0", names=["raters.example"]) as address:
        rater = HttpRater(address)
        rater.where = rater.where._replace(netloc=f"raters.example:{rater.where.port}")
        before = rater.vote(rater.begin()["upcoming"][0]["ticket"], "left")
        assert len(rater.where.path) > 20
        with (
            pytest.raises(WorkspaceError, match="served already"),
            serving_study(workspace, "study", ServeOptions()),
        ):
            pass
    with serving(host="0.0.0.0", names=["raters.example"]) as again:
        assert again == address
        _, state = rater.ask("GET", "api/state")
        assert state["upcoming"] == before["upcoming"]
        assert rater.ask("GET", f"images/{state['upcoming'][0]['left']}")[0] == 200


def test_images_that_are_gone_are_named_before_anything_is_served(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6):
        pass
    for folder in workspace.folders("candidates"):
        for part in workspace.parts(folder):
            workspace.store.remove(part)
    with pytest.raises(WorkspaceError, match="images are not in the workspace any"), serving():
        pass

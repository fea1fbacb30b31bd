"""What raters get and what is stored of their answers, by HTTP."""

from __future__ import annotations

import http.client
import io
import json
import select
import socket
import sqlite3
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from PIL import Image

from synpic.errors import WorkspaceError
from synpic.study.definition import open_study, write_study
from synpic.study.exchange.labels import export_labels
from synpic.study.keeping import delete_rater
from synpic.study.new import StudyOptions, plan_study
from synpic.study.own_votes import read_votes_of
from synpic.study.raters import RaterRule
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
        assert total == 60 + 6 + 6  # 3 checks, asked with the two questions that show the prompt
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
    {"ticket": "\ud800", "answer": "left", "milliseconds": 1},
    {"ticket": ["x"], "answer": "left", "milliseconds": 1},
])  # fmt: skip
def test_what_is_no_answer_is_refused(
    workspace: Workspace, serving: Serving, asked: object
) -> None:
    with serving(pairs=3) as address:
        rater = HttpRater(address)
        rater.begin()
        assert rater.ask("POST", "api/vote", asked)[0] in (400, 413)
        if asked and isinstance(asked, dict):
            ticket = {"ticket": asked["ticket"]} if len(asked["ticket"]) > 1 else {"ticket": 1}
            assert rater.ask("POST", "api/undo", ticket)[0] in (400, 413)
    assert read_votes(votes_of(workspace)).is_empty()


def post(rater: HttpRater, size: int, parts: Iterator[bytes]) -> tuple[int, int]:
    """The status of an answer of ``size`` bytes, and how many were sent until it came."""
    with socket.create_connection(("127.0.0.1", rater.where.port or 0), timeout=20) as one:
        where = rater.where.netloc
        one.sendall(
            f"POST /api/vote HTTP/1.1\r\nHost: {where}\r\nOrigin: http://{where}\r\nX-Synpic: 1\r\n"
            f"Cookie: {rater.cookie}\r\nContent-Length: {size}\r\n\r\n".encode()
        )
        sent = 0
        for part in parts:
            try:
                one.sendall(part)
            except OSError:
                break
            sent += len(part)
            if select.select([one], [], [], 0)[0]:
                break
        return int(one.recv(1000).split()[1]), sent


def test_a_body_is_read_no_further_than_an_answer_can_be_long(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=3) as address:
        rater = HttpRater(address)
        huge = 300_000_000
        status, sent = post(rater, huge, repeat(bytes(2**16), huge // 2**16))
        assert (status, sent < huge // 4) == (401, True)
        rater.begin()
        status, sent = post(rater, huge, repeat(bytes(2**16), huge // 2**16))
        assert (status, sent < huge // 4) == (413, True)
        assert post(rater, 9_999, iter([b"[" * 9_999]))[0] == 400
    assert read_votes(votes_of(workspace)).is_empty()


def test_a_name_that_no_file_has_is_not_there(serving: Serving) -> None:
    with serving(pairs=3) as address:
        rater = HttpRater(address)
        for name in ("a" * 300, "%00", "..%2fserver"):
            assert rater.ask("GET", f"assets/{name}.js")[0] == 404
        assert rater.ask("GET", "assets/text.js")[0] == 200  # of all pages


def test_an_id_that_was_not_given_out_is_no_rater_and_reading_writes_nothing(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6) as address:
        rater = HttpRater(address)
        state = rater.begin()
        name, _, own = rater.cookie.partition("=")
        assert rater.ask("GET", "api/state")[1] == state
        stranger = HttpRater(address)
        stranger.cookie = f"{name}={'0' * 32}"
        assert stranger.ask("GET", "api/state")[1] == {"rater": None}
        assert stranger.ask("POST", "api/undo", {"ticket": "x"})[0] == 401
        file = Path(workspace.store.path("study/study/assignments.db"))
        with sqlite3.connect(file) as table:
            assert table.execute("SELECT DISTINCT rater FROM assigned").fetchall() == [(own,)]
        assert stranger.begin()["rater"] not in (own, "0" * 32)
        # One that was deleted has to begin again, as another.
        rater.vote(state["upcoming"][0]["ticket"], "left")
        assert delete_rater(workspace, open_study(workspace, "study"), own) == 1
        assert rater.ask("GET", "api/state")[1] == {"rater": None}
        assert rater.begin()["rater"] != own


def test_an_origin_behind_tls_is_ours_and_another_host_is_not(serving: Serving) -> None:
    with serving(pairs=3, names=["eval.example"]) as address:
        rater = HttpRater(address)
        sent = {"Host": "eval.example", "X-Synpic": "1"}
        path = rater.where.path + "api/begin"
        for origin, status in [("https://eval.example", 200), ("https://other.example", 403)]:
            one = http.client.HTTPConnection("127.0.0.1", rater.where.port, timeout=20)
            one.request("POST", path, "{}", {**sent, "Origin": origin})
            assert one.getresponse().status == status
            one.close()


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


def test_votes_of_another_study_are_neither_served_nor_counted(
    workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6) as address:
        rater = HttpRater(address)
        rater.vote(rater.begin()["upcoming"][0]["ticket"], "left")
    file = Path(workspace.store.path("study/study/study.json"))
    old = file.read_bytes()
    file.unlink()
    # The same images and questions: no vote tells that it is of another study.
    write_study(workspace, plan_study(workspace, StudyOptions(pairs=6, checks=0)).study)
    with (
        pytest.raises(WorkspaceError, match="are of another study") as caught,
        serving(),
    ):
        pass
    assert "move votes.db and assignments.db away" in str(caught.value.hint)
    other = open_study(workspace, "study")
    with pytest.raises(WorkspaceError, match="of another study"):
        read_votes_of(workspace, other)
    with pytest.raises(WorkspaceError, match="of another study"):
        export_labels(workspace, other, RaterRule())
    file.write_bytes(old)
    assert read_votes_of(workspace, open_study(workspace, "study")).height == 1
    # Votes alone are held to the comparisons.
    file.with_name("assignments.db").unlink()
    with serving():
        pass
    file.unlink()
    file.with_name("assignments.db").unlink()
    write_study(workspace, plan_study(workspace, StudyOptions(pairs=6, seed=1)).study)
    with pytest.raises(WorkspaceError, match="of another study"), serving():
        pass
    file.with_name("votes.db").unlink()
    with serving():
        pass


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

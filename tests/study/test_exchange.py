"""Votes as labels; comparisons for Argilla and Rapidata, and their answers."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from synpic.errors import PublishError, SynpicError, WorkspaceError
from synpic.study.definition import Study, folder_of, open_study, write_study
from synpic.study.exchange.argilla import export_argilla
from synpic.study.exchange.imported import import_answers
from synpic.study.exchange.labels import WrittenLabels, export_labels, labels_of_votes
from synpic.study.exchange.outside import sides
from synpic.study.exchange.rapidata import export_rapidata
from synpic.study.keeping import delete_rater, votes_of_rater
from synpic.study.new import StudyOptions, plan_study
from synpic.study.raters import RaterRule
from synpic.workspace import Workspace
from synpic.workspace.labels import label_sources, read_labels
from synpic.workspace.votes import Vote, Votes, read_votes
from tests.cli.conftest import in_process
from tests.nursery import COMMAND, ForkServer
from tests.study import simulated
from tests.study.making import MODELS
from tests.study.simulated import Ways


@pytest.fixture
def study(workspace: Workspace) -> Study:
    options = StudyOptions(pairs=8, questions=["alignment", "appeal"])
    found = plan_study(workspace, options).study
    write_study(workspace, found)
    return found


def put(workspace: Workspace, study: Study, votes: pl.DataFrame) -> Path:
    path = folder_of(workspace, study.name) / "votes.db"
    with Votes(path, create=True) as file:
        for row in votes.drop("number").iter_rows(named=True):
            file.append(Vote(**row))
    return path


def test_labels_are_the_votes_that_count() -> None:
    study = simulated.study(60)
    raters = {"good": Ways(0.9, ties=0.2), "bad": Ways(0.0, looks=0.0, bias=0.9)}
    votes = simulated.votes(study, raters)
    answers = pl.when(pl.col("number") % 7 == 0).then(pl.lit("skip")).otherwise("answer")
    answers = pl.when(pl.col("number") % 11 == 0).then(pl.lit("both_bad")).otherwise(answers)
    votes = votes.with_columns(answer=answers)
    rule = RaterRule(checks=2, passed=1.0)
    labels = labels_of_votes(study, votes, rule)
    by_number = {row["number"]: row for row in votes.iter_rows(named=True)}
    shares = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}
    wanted = [
        n
        for n, row in by_number.items()
        if row["kind"] == "real" and row["answer"] != "skip" and row["rater"] == "good"
    ]
    assert labels["row"].to_list() == wanted
    for label in labels.iter_rows(named=True):
        vote = by_number[label["row"]]
        assert label["share"] == shares[vote["answer"]]
        assert (label["left"], label["right"]) == (vote["left"], vote["right"])
        assert (label["n"], label["kind"], label["rater"]) == (1, "study", "good")
        assert label["prompt_id"] == study.by_id[vote["comparison"]].prompt_id


def test_labels_are_read_back_from_the_workspace(workspace: Workspace, study: Study) -> None:
    votes = simulated.votes(study, {"a" * 32: Ways(1.0)}, repeats=0)
    put(workspace, study, votes)
    written = export_labels(workspace, study, RaterRule())
    assert (written.source, written.labels, written.raters, written.left_out) == ("study", 8, 1, 0)
    assert label_sources(workspace) == ["study"]
    stored = read_votes(folder_of(workspace, "study") / "votes.db")
    wanted = labels_of_votes(study, stored, RaterRule())
    for _ in range(2):  # the second time they take the place of the first
        assert read_labels(workspace, "study").equals(wanted)
        export_labels(workspace, study, RaterRule())


def test_argilla_gets_a_dataset_for_each_question(
    workspace: Workspace, study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "argilla"
    assert export_argilla(workspace, study, out) == 8
    assert sorted(one.name for one in out.iterdir()) == ["alignment", "appeal"]
    for question in study.questions:
        place = out / question.name
        settings = json.loads((place / ".argilla/settings.json").read_text())
        fields = [field["name"] for field in settings["fields"]]
        assert fields == (["prompt"] if question.shows_prompt else []) + ["left", "right"]
        records = json.loads((place / "records.json").read_text())
        assert [record["id"] for record in records] == list(study.by_id)
        for record in records:
            assert list(record["fields"]).sort() == fields.sort()
            kind, _, data = record["fields"]["left"].partition(";base64,")
            assert kind == "data:image/webp"
            assert Image.open(io.BytesIO(base64.b64decode(data))).format == "WEBP"
        assert not any(name in (place / "records.json").read_text() for name in MODELS)
    with pytest.raises(PublishError, match="something already"):
        export_argilla(workspace, study, out)


def test_answers_of_argilla_come_back_as_labels(
    workspace: Workspace, study: Study, tmp_path: Path
) -> None:
    file = tmp_path / "records.json"
    answers = [{"value": "left", "user_id": "u1"}, {"value": "both_bad", "user_id": "u2"}]
    draft = {"value": "right", "user_id": "u3", "status": "draft"}
    records = [
        {"id": "c00001", "fields": {}, "responses": {"alignment": [*answers, draft]}},
        {"id": "c00002", "fields": {}, "responses": {}},
    ]
    file.write_text(json.dumps(records))
    written = import_answers(workspace, study, file)
    assert (written.source, written.labels, written.raters) == ("study_argilla", 2, 2)
    labels = read_labels(workspace, "study_argilla")
    left, right = sides(study, "c00001")
    assert labels.select("left", "right", "share", "rater", "n", "kind").rows() == [
        (left.candidate_id, right.candidate_id, 1.0, "u1", 1, "person"),
        (left.candidate_id, right.candidate_id, 0.5, "u2", 1, "person"),
    ]


def test_rapidata_gets_images_and_orders_without_names_of_models(
    workspace: Workspace, study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "rapidata"
    assert export_rapidata(workspace, study, out) == 8
    order = json.loads((out / "order-alignment.json").read_text())
    assert order["instruction"] == study.questions[0].text
    assert order["contexts"] == [study.prompts[one.prompt_id] for one in study.comparisons]
    assert "contexts" not in json.loads((out / "order-appeal.json").read_text())
    for pair in order["datapoints"]:
        assert [Image.open(out / name).format for name in pair] == ["WEBP", "WEBP"]
    assert not any(name in (out / "order-alignment.json").read_text() for name in MODELS)
    rows = list(csv.DictReader((out / "comparisons.csv").read_text().splitlines()))
    assert list(rows[0]) == ["prompt", "image1", "image2", "model1", "model2"]
    assert {row["model1"] < row["model2"] for row in rows} == {True, False}  # by lot


@pytest.mark.parametrize("kind", ["argilla", "rapidata"])
def test_an_import_replaces_the_answers_to_its_question_alone(
    workspace: Workspace, study: Study, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "answers.json"

    def give(question: str, comparison: str, *wins: str) -> WrittenLabels:
        if kind == "rapidata":
            sides = {f"{comparison}-{n}.webp": wins.count(n) for n in "12"}
            file.write_text(results({"aggregatedResults": sides}))
        else:
            votes = [{"value": {"1": "left", "2": "right"}[one]} for one in wins]
            file.write_text(json.dumps([{"id": comparison, "responses": {question: votes}}]))
        return import_answers(workspace, study, file, question)

    def there() -> list[tuple[str, float]]:
        labels = read_labels(workspace, f"study_{kind}")
        return labels.select("question", "share").sort("question").rows()

    give("alignment", "c00001", "1")
    written = give("appeal", "c00002", "2")
    assert (written.labels, written.kept) == (1, 1)
    assert there() == [("alignment", 1.0), ("appeal", 0.0)]
    give("alignment", "c00003", "2")
    assert there() == [("alignment", 0.0), ("appeal", 0.0)]
    emptied = give("appeal", "c00002")
    assert (emptied.labels, emptied.kept, emptied.removed) == (0, 1, 1)
    assert there() == [("alignment", 0.0)]
    assert (give("alignment", "c00002").removed, label_sources(workspace)) == (1, [])
    assert give("alignment", "c00002").removed == 0


def test_answers_to_another_study_of_that_name_are_not_mixed_in(
    workspace: Workspace, study: Study, tmp_path: Path
) -> None:
    file = tmp_path / "records.json"
    file.write_text(answered("alignment", "left"))
    import_answers(workspace, study, file)
    other = Study.model_validate({**study.model_dump(), "seed": study.seed + 1})
    with pytest.raises(WorkspaceError, match=r"part-.* holds answers to another study"):
        import_answers(workspace, other, file)
    assert read_labels(workspace, "study_argilla")["share"].to_list() == [1.0]


def test_a_user_of_argilla_counts_once(workspace: Workspace, study: Study, tmp_path: Path) -> None:
    answers = [
        {"value": value, "user_id": user, "status": status}
        for value, user, status in [
            ("left", "u1", "submitted"), ("tie", "u2", "submitted"), ("right", "u1", "submitted"),
            ("left", "u1", "draft"), ("left", None, "submitted"), ("right", None, "submitted"),
        ]
    ]  # fmt: skip
    records = [{"id": one, "responses": {"alignment": answers}} for one in ("c00001", "c00002")]
    file = tmp_path / "records.json"
    file.write_text(json.dumps(records))
    assert import_answers(workspace, study, file).labels == 8
    labels = read_labels(workspace, "study_argilla")
    assert labels["row"].to_list() == list(range(8))
    assert labels["rater"].to_list() == ["u1", "u2", None, None] * 2
    assert labels["share"].to_list() == [0.0, 0.5, 1.0, 0.0] * 2


def test_labels_go_where_no_vote_counts_any_longer(
    workspace: Workspace, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = "a" * 32
    put(workspace, study, simulated.votes(study, {rater: Ways(1.0)}, repeats=0))
    monkeypatch.chdir(workspace.folder)
    in_process("study", "export")
    assert read_labels(workspace, "study")["rater"].unique().to_list() == [rater]
    in_process("study", "raters", "--delete", rater)
    shown = in_process("study", "export").stdout
    assert "8 earlier labels removed: no answer counts in their place." in shown
    assert "agree" not in shown
    assert label_sources(workspace) == []
    assert export_labels(workspace, study, RaterRule()).removed == 0


def results(*rows: Mapping[str, Any]) -> str:
    return json.dumps({"info": {"version": "3.0.0"}, "summary": {}, "results": list(rows)})


def answered(question: str, value: object) -> str:
    return json.dumps([{"id": "c00001", "responses": {question: [{"value": value}]}}])


def test_results_of_rapidata_come_back_as_labels(
    workspace: Workspace, study: Study, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    one = {
        "context": "x",
        "winner_index": 1,
        "aggregatedResults": {"c00001-1.webp": 1, "c00001-2.webp": 3},
        "summedUserScores": {"c00001-1.webp": 0.5, "c00001-2.webp": 1.5},
        "detailedResults": [],
    }
    other: dict[str, Any] = {"aggregatedResults": {"c00003-2.webp": 4, "c00003-1.webp": 4}}
    # A path in one place, and a name in the other.
    other["summedUserScores"] = {"images/c00003-1.webp": 3.0, "images/c00003-2.webp": 1.0}
    none = {"aggregatedResults": {"c00004-2.webp": 0, "c00004-1.webp": 0}}
    file.write_text(results(one, other, none))
    written = import_answers(workspace, study, file, "alignment")
    assert (written.source, written.labels) == ("study_rapidata", 2)
    labels = read_labels(workspace, "study_rapidata")
    first = [sides(study, name)[0].candidate_id for name in ("c00001", "c00003")]
    assert labels["left"].to_list() == first
    assert labels["share"].to_list() == [0.25, 0.75]
    assert labels["n"].to_list() == [4, 8]
    assert labels["rater"].to_list() == [None, None]


@pytest.mark.parametrize(("text", "question", "message"), [
    ("{", "alignment", "not JSON"),
    ("3", "alignment", "expected an object"),
    (results({"aggregatedResults": {"a.jpg": 1, "b.jpg": 2}}), "alignment", "the two images"),
    (results({"aggregatedResults": {"c00001-1.webp": 1}}), "alignment", "the two images"),
    (results({"aggregatedResults": {"c00001-1.webp": 1, "c00002-2.webp": 1}}), "appeal", "the two"),
    (results({"aggregatedResults": {"c00001-1.webp": 9, "c00001-2.webp": -3}}), "alignment",
     r"answers.json: results.0.aggregatedResults.c00001-2.webp: .* greater than or equal to 0"),
    (results(
        {"aggregatedResults": {"c00001-1.webp": 1, "c00001-2.webp": 1},
         "summedUserScores": {"c00002-1.webp": 0.5, "c00002-2.webp": 0.5}}
    ), "alignment", r"results.0.summedUserScores: expected .* found those of c00002"),
    (results(
        {"aggregatedResults": {"c00001-1.webp": 1, "c00001-2.webp": 1},
         "summedUserScores": {"one.webp": 0.5, "c00001-2.webp": 0.5}}
    ), "alignment", r"results.0.summedUserScores: expected .*, found one.webp and c00001-2.webp"),
    (results(), None, "has several questions"),
    (results(), "photo", "has no question 'photo'"),
    (json.dumps([{"id": "c9"}]), None, "of no comparison"),
    (answered("alignment", ["x"]), None, "no answer"),
    (answered("x", "left"), None, "no answer"),
])  # fmt: skip
def test_what_is_not_of_the_study_is_named_and_nothing_is_written(
    workspace: Workspace,
    study: Study,
    tmp_path: Path,
    text: str,
    question: str | None,
    message: str,
) -> None:
    file = tmp_path / "answers.json"
    file.write_text(text)
    with pytest.raises(SynpicError, match=message):
        import_answers(workspace, study, file, question)
    assert label_sources(workspace) == []


def test_what_is_kept_of_a_rater_is_written_out_and_deleted(
    workspace: Workspace, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = "1" * 32, "2" * 32
    votes = simulated.votes(study, {one: Ways(), other: Ways()}, repeats=0)
    path = put(workspace, study, votes)
    monkeypatch.chdir(workspace.folder)
    listed = json.loads(in_process("study", "raters", "--json").stdout)
    assert [(row["rater"], row["votes"]) for row in listed] == [(one, 9), (other, 9)]
    in_process("study", "raters", "--export", one, "--to", tmp_path / "one.csv")
    again = ["study", "raters", "--export", one, "--to", tmp_path / "one.csv"]
    assert "there already" in str(in_process(*again).exception)
    assert in_process(*again, "--overwrite").exit_code == 0
    written = pl.read_csv(tmp_path / "one.csv", infer_schema_length=0)
    assert written["rater"].to_list() == [one] * 9
    assert written.height == votes_of_rater(workspace, study, one).height
    assert "Deleted 9 votes" in in_process("study", "raters", "--delete", one).stdout
    assert read_votes(path)["rater"].unique().to_list() == [other]
    assert not any(one.encode() in file.read_bytes() for file in path.parent.iterdir())
    with pytest.raises(WorkspaceError, match="has no rater"):
        delete_rater(workspace, study, one)


def test_the_commands_of_export_and_import(
    workspace: Workspace, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(workspace, study, simulated.votes(study, {"a" * 32: Ways()}))
    monkeypatch.chdir(workspace.folder)
    assert "8 labels of 1 rater, called 'study'" in in_process("study", "export").stdout
    shown = in_process("study", "export", "--to", "rapidata", tmp_path / "out").stdout
    assert "Wrote 8 comparisons" in shown
    (tmp_path / "records.json").write_text("[]")
    shown = in_process("study", "import", tmp_path / "records.json", "--json").stdout
    assert json.loads(shown) == {
        "source": "study_argilla", "labels": 0, "part": None, "raters": 0, "left_out": 0,
        "kept": 0, "removed": 0,
    }  # fmt: skip
    for words in (["--to", "x"], ["--to", "argilla"], ["--to", "labels", "dir"]):
        assert in_process("study", "export", *words).exit_code == 1


def test_agree_reads_the_labels_of_a_study(
    workspace: Workspace, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(workspace, study, simulated.votes(study, {"a" * 32: Ways()}))
    export_labels(workspace, study, RaterRule())
    monkeypatch.chdir(workspace.folder)
    ended = in_process("agree", "--labels", "study", "--json")
    (question,) = json.loads(ended.stdout)["questions"]
    assert (question["labels"], question["question"], question["kinds"]) == (
        "study", "alignment", ["study"],
    )  # fmt: skip
    assert asdict(RaterRule())["checks"] == 3


SLOW = f"""import time
from synpic.workspace.storage import Store
write = Store.write
Store.write = lambda *words: (time.sleep(0.5), write(*words))[1]
{COMMAND}"""
"""A command that waits between reading and writing: another one reads meanwhile."""


def test_two_imports_at_once_lose_nothing(
    workspace: Workspace, study: Study, tmp_path: Path, forks: ForkServer
) -> None:
    """Two processes, each with answers to another question, of one order of two."""
    votes = {"aggregatedResults": {"c00001-1.webp": 1, "c00001-2.webp": 3}}
    (tmp_path / "results.json").write_text(results(votes))
    words = ["study", "import", tmp_path / "results.json", "--json", "--question"]
    started = [
        forks.start([*words, question], code=SLOW, cwd=workspace.folder)
        for question in ("alignment", "appeal")
    ]
    for one in started:
        output, errors = one.communicate(timeout=100)
        assert one.wait() == 0, output + errors
    labels = read_labels(workspace, "study_rapidata")
    assert sorted(labels["question"]) == ["alignment", "appeal"]
    assert sum(len(workspace.parts(folder)) for folder in workspace.folders("labels")) == 1


def test_of_two_new_studies_at_once_one_is_refused(workspace: Workspace, forks: ForkServer) -> None:
    started = [
        forks.start(
            ["study", "new", "--pairs", "4", "--seed", str(seed)], code=SLOW, cwd=workspace.folder
        )
        for seed in range(2)
    ]
    shown = ["".join(one.communicate(timeout=100)) for one in started]
    assert sorted(one.wait() for one in started) == [0, 1], shown
    assert sum("has that study, and votes refer to it" in one for one in shown) == 1
    kept = next(seed for seed, one in enumerate(shown) if "Written" in one)
    assert open_study(workspace, "study").seed == kept

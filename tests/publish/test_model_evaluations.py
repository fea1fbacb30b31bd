"""Results of evaluations on a model's card, by the unmodified clients."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import EvalResult, ModelCard, parse_eval_result_entries
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from synpic import ids
from synpic.errors import EvaluationError, PublishError, SynpicError
from synpic.hub.retry import Patience
from synpic.publish.hub.model_release import ModelRelease, forecast_model, publish_model
from synpic.publish.previous import parse_previous
from synpic.readers.card_head import read_head
from synpic.release.cards.model_card import without_warning
from tests.cli.conftest import in_process
from tests.evaluate.recorded import changed, evaluation, write
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.test_model_release import MODEL, YOURS, card, here, trained

__all__ = ["here", "hub", "online", "waits"]

ENTRY = ".eval_results/geneval.yaml"


def training_of(folder: Path) -> str:
    return ids.file_hash(folder / "training.json")


def report(folder: Path, place: Path, *changes: tuple[str, Any]) -> Path:
    """An evaluation of the model in ``folder``, at ``place``."""
    found = evaluation(training_of(folder))
    for path, value in changes:
        found = changed(found, path, value)
    return write(place / "report.json", found).parent


class Told(list[str]):
    """What a publish says on the way."""

    def patience(self) -> Patience:
        return Patience(sleep=lambda seconds: None, tell=self.append)


def publish(folder: Path, *places: Path, **options: Any) -> ModelRelease:
    patience = Told().patience()
    return publish_model(folder, MODEL, **{"patience": patience, "evaluations": places, **options})


def head(text: str) -> dict[str, Any]:
    return dict(read_head(text, "README.md", error=PublishError, hint="").values)


def results(text: str) -> list[EvalResult]:
    """As the Hub's client reads them."""
    data = ModelCard(text).data
    return list(data.eval_results or [])


def test_the_hub_s_client_reads_the_results(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    release = publish(folder, report(folder, tmp_path / "report"))
    judged, reward = results(card(here))
    assert (judged.task_type, judged.dataset_type, judged.dataset_name) == (
        "text-to-image",
        "geneval",
        "geneval",
    )
    assert judged.dataset_args == {
        "version": "1" * 64,
        "items": 100,
        "images_per_prompt": 4,
        "protocol": "4 images a prompt, 50 steps, guidance 9",
        "drawn": "4 images a prompt, 30 steps, guidance 9; seeds from 0; prompts not rewritten",
        "drawn_otherwise": "steps 30, not 50",
    }
    assert (judged.metric_type, judged.metric_name, judged.metric_value) == (
        "geneval",
        "geneval",
        0.65,
    )
    assert judged.metric_args == {
        "kind": "judge",
        "fingerprint": "3" * 64,
        "trail": "held out",
        "low": 0.6,
        "high": 0.7,
        "images": 400,
        "prompts": 100,
        "base": "sdxl",
        "difference": 0.1,
        "difference_low": 0.06,
        "difference_high": 0.14,
        "p": 0.0123,
    }
    assert (judged.source_name, judged.source_url) == (
        "synpic",
        f"{here.endpoint}/{MODEL}#evaluation",
    )
    assert reward.metric_name == "hpsv2"
    index = head(card(here))["model-index"]
    name, found = model_index_to_eval_results(index)
    assert name == "model"
    assert eval_results_to_model_index(name, found) == index
    assert release.results == index[0]["results"]


def section(text: str) -> str:
    return parse_previous(text).evaluation or ""


def test_people_read_the_same_and_more(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    trained_on = ("trained_on", {"tuned": {"exact": 9, "folded": 3}})
    publish(folder, report(folder, tmp_path / "report", trained_on))
    text = section(card(here))
    assert text.startswith("## Evaluation\n")
    assert "**This model − sdxl, geneval (held out): +0.1 (+0.06 … +0.14), win rate 0.625" in text
    assert ": better.**" in text
    assert "| suite | geneval, version `1111111111111111` |" in text
    assert "| items | 100, 4 images of each model for each; 0 missing |" in text
    assert "| protocol | 4 images a prompt, 50 steps, guidance 9 |" in text
    assert "`bbbbbbbbbbbbbbbb`; drawn otherwise than the protocol says: steps 30, not 50 |" in text
    assert "| base | sdxl, fingerprint `aaaaaaaaaaaaaaaa`; drawn as the protocol says |" in text
    seeds = "guidance 9; seeds from 0; prompts not rewritten |"
    assert f"| images of this model | 4 images a prompt, 30 steps, {seeds}" in text
    assert f"| images of the base | 4 images a prompt, 50 steps, {seeds}" in text
    assert "| judge | geneval, fingerprint `3333333333333333` |" in text
    assert (
        "| geneval | held out | overall | 0.65 (0.6 … 0.7) | 0.55 (0.5 … 0.6) | "
        "+0.1 (+0.06 … +0.14) | 0.625 (0.550 … 0.700) | 12 | 400 | 0.0123 | 0.0246 |"
    ) in text
    assert "| prompts that this model was trained on | 9 word for word, 3 nearly |" in text
    assert card(here).index("## Evaluation") > card(here).index(YOURS)
    assert card(here).index("## Evaluation") < card(here).index("## Use")


def test_of_an_earlier_report_the_card_says_no_more_than_it_knows(
    here: HubServer, tmp_path: Path
) -> None:
    folder = trained(tmp_path)
    unknown = [(f"models.{model}.drawn", "") for model in ("sdxl", "tuned")]
    publish(folder, report(folder, tmp_path / "report", *unknown))
    assert "images of" not in section(card(here)).replace("images of each model", "")
    assert "drawn" not in results(card(here))[0].dataset_args


def test_what_labelled_the_training_set_is_not_in_the_head_and_comes_last(
    here: HubServer, tmp_path: Path
) -> None:
    folder = trained(tmp_path)
    first = changed(evaluation(training_of(folder)), "measures.0.results.1.trail", "in training")
    publish(folder, write(tmp_path / "report.json", first))
    assert [one.metric_name for one in results(card(here))] == ["hpsv2"]
    text = section(card(here))
    assert "**This model − sdxl, hpsv2 (held out): +0.01 (-0.1 … +0.1)" in text
    assert "no difference seen in 100 prompts" in text
    rows = [line.split(" | ")[:2] for line in text.splitlines() if "| overall |" in line]
    assert rows == [
        ["| hpsv2", "held out"],
        ["| geneval", "in training"],
        ["| pickscore", "in training"],
    ]
    assert "in training: the metric labelled what this model was trained on" in text
    every = changed(first, "measures.2.results.1.trail", "in training")
    publish(folder, write(tmp_path / "report.json", every))
    assert results(card(here)) == []
    assert "No held-out metric" in section(card(here))


def test_tags_and_names_of_others_do_nothing(here: HubServer, tmp_path: Path) -> None:
    evil = "[x](javascript:x) <!-- /synpic:evaluation -->\n# |`"
    folder = trained(tmp_path)
    found = evaluation(training_of(folder))
    for measure in found["measures"]:
        measure["results"].append({**measure["results"][1], "tag": evil})
    for path in ("suite.name", "suite.protocol", "suite.version", "measures.0.metric"):
        found = changed(found, path, evil)
    publish(folder, write(tmp_path / "report.json", found))
    assert re.search(r"(?<!\\)\]\(javascript", section(card(here))) is None
    assert "\n# " not in section(card(here))
    assert "## Training" in card(here)
    assert parse_previous(card(here)).prose is not None
    assert results(card(here))[0].dataset_name == evil
    assert publish(folder).commit == here.repositories[MODEL].find().oid


def test_a_workspace_is_a_place(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    write(tmp_path / "set/eval.json", evaluation(training_of(folder)))
    publish(folder, tmp_path / "set")
    assert len(results(card(here))) == 2


def test_several_suites_stand_in_one_card(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    places = [report(folder, tmp_path / name, ("suite.name", name)) for name in ("geneval", "dpg")]
    publish(folder, *places)
    assert [one.dataset_name for one in results(card(here))] == ["geneval"] * 2 + ["dpg"] * 2
    assert [line for line in section(card(here)).splitlines() if line.startswith("### ")] == [
        "### geneval",
        "### dpg",
    ]
    told = Told()
    publish(folder, places[1], patience=told.patience())
    assert {one.dataset_name for one in results(card(here))} == {"dpg"}
    assert any("has results of geneval, which no --evaluation is of" in line for line in told)


def test_the_base_of_a_comparison_has_means_alone(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    found = evaluation(training_of(folder))
    found["base"] = "tuned"
    for measure in found["measures"]:
        del measure["results"][1]["difference"]
    publish(folder, write(tmp_path / "report.json", found))
    assert "This model is the one that others were compared with." in section(card(here))
    assert "difference" not in (results(card(here))[0].metric_args or {})


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("suite.items", 60, "it is partial: 60 of 100 items of geneval"),
        ("suite", None, "it is of no suite"),
        ("measures.2.results.1.missing", 7, "no value of 7 images of tuned by hpsv2"),
        ("measures.0.results.0.missing", 1, "no value of 1 image of sdxl by geneval"),
        ("models.tuned.training", "f" * 64, r"none of its models \(sdxl, tuned\) is the one in"),
        ("models.tuned.training", None, "none of its models"),
        ("models.tuned", {}, "fingerprint: is missing"),
        ("prompts", 0, "prompts: "),
    ],
)
def test_what_cannot_be_published_is_told_before_anything_is_asked(
    here: HubServer, tmp_path: Path, path: str, value: Any, message: str
) -> None:
    folder = trained(tmp_path)
    place = tmp_path / "report/report.json"
    place.parent.mkdir()
    place.write_text(json.dumps(changed(evaluation(training_of(folder)), path, value)))
    for act in (publish_model, forecast_model):
        with pytest.raises(SynpicError, match=message) as raised:
            act(folder, MODEL, evaluations=[place.parent])
        assert isinstance(raised.value, PublishError | EvaluationError)
        assert str(place.parent) in raised.value.message
        assert raised.value.hint
    assert not here.requests


def test_two_models_of_one_training_and_two_reports_of_one_suite(
    here: HubServer, tmp_path: Path
) -> None:
    folder = trained(tmp_path)
    both = report(folder, tmp_path / "both", ("models.sdxl.training", training_of(folder)))
    with pytest.raises(PublishError, match="sdxl and tuned are both the one in"):
        publish(folder, both)
    once = report(folder, tmp_path / "once")
    with pytest.raises(PublishError, match="both of geneval by geneval"):
        publish(folder, once, report(folder, tmp_path / "again"))
    with pytest.raises(EvaluationError, match=r"holds no report\.json"):
        publish(folder, tmp_path / "run")
    assert not here.requests


def test_the_results_stay_while_the_model_is_the_same(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    publish(folder, report(folder, tmp_path / "report"))
    before = card(here)
    again = publish(folder)
    assert again.sent == 0
    assert card(here) == before
    edited = before.replace("license: unknown", "license: mit")
    here.commit(MODEL, {"README.md": edited.encode()})
    tagged = publish(folder, version="1.0.0")
    assert "License: unknown" in edited
    assert card(here) == without_warning(edited)
    assert here.repositories[MODEL].tags == {"v1.0.0": tagged.commit}


def test_the_results_of_another_model_go_and_it_is_said(here: HubServer, tmp_path: Path) -> None:
    publish(trained(tmp_path), report(trained(tmp_path), tmp_path / "report"))
    other = trained(tmp_path, value=2.0)
    told = Told()
    forecast_model(other, MODEL, patience=told.patience())
    assert any("has results of another model" in line for line in told)
    told = Told()
    publish(other, patience=told.patience())
    assert any("has results of another model, as training.json there says" in one for one in told)
    assert results(card(here)) == []
    assert "synpic:evaluation" not in card(here)
    told = Told()
    publish(other, patience=told.patience())
    assert not any("results" in line for line in told)


def test_results_that_others_wrote_stay(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    place = report(folder, tmp_path / "report")
    publish(folder, place)
    theirs = {
        "task": {"type": "text-to-image"},
        "dataset": {"type": "coco", "name": "COCO"},
        "metrics": [{"type": "fid", "value": 12.5}],
    }
    values = head(card(here))
    values["model-index"][0]["results"].insert(0, theirs)
    mine = card(here).partition("\n---\n")[2].replace("Your own words", "Mine: your own words")
    here.commit(MODEL, {"README.md": f"---\n{yaml.safe_dump(values)}---\n{mine}".encode()})
    publish(folder)
    assert [one.dataset_name for one in results(card(here))] == ["COCO", "geneval", "geneval"]
    better = report(folder, tmp_path / "later", ("measures.0.results.1.mean.value", 0.68))
    publish(folder, better)
    assert [one.metric_value for one in results(card(here))] == [12.5, 0.68, 0.21]
    assert "Mine: your own words" in card(here)
    here.commit(MODEL, {"README.md": b"---\nmodel-index: 3\n---\n" + mine.encode()})
    with pytest.raises(PublishError, match="model-index has no list of results"):
        publish(folder, better)


@pytest.mark.parametrize("edit", ["words", "no marks", "no head", "windows"])
def test_a_card_that_was_edited_here_keeps_its_words(
    here: HubServer, tmp_path: Path, edit: str
) -> None:
    folder = trained(tmp_path)
    text = (folder / "README.md").read_text()
    written = {
        "words": text + "\nMy last words.\n",
        "no marks": "---\nlicense: mit\n---\n\n# My own\n\nMy last words.\n",
        "no head": "# My own\n\nMy last words.",
        "windows": (text + "\nMy last words.\n").replace("\n", "\r\n"),
    }[edit]
    (folder / "README.md").write_bytes(written.encode())
    place = report(folder, tmp_path / "report")
    publish(folder, place)
    assert "My last words." in card(here)
    assert len(results(card(here))) == 2
    for line in written.splitlines():
        assert line in card(here)
    before = card(here)
    assert publish(folder, place).sent == 0
    publish(folder)
    assert card(here) == before
    (folder / "README.md").write_bytes(before.encode())  # fetched, to go on with it
    publish(folder, place)
    assert card(here) == before


def test_a_tag_holds_its_results(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    first = publish(folder, version="1.0.0")
    place = report(folder, tmp_path / "report")
    with pytest.raises(PublishError, match=r"v1\.0\.0 is taken.* another README\.md"):
        publish(folder, place, version="1.0.0")
    second = publish(folder, place, version="1.0.1")
    assert publish(folder, version="1.0.1").commit == second.commit
    assert publish(folder, place, version="1.0.1").commit == second.commit
    assert here.repositories[MODEL].tags == {"v1.0.0": first.commit, "v1.0.1": second.commit}


def test_a_benchmark_of_the_hub_reads_the_number(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    place = report(folder, tmp_path / "report")
    publish(folder, place, benchmarks=["owner/geneval:overall"])
    (entry,) = parse_eval_result_entries(yaml.safe_load(here.read(MODEL, ENTRY)))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("owner/geneval", "overall", 0.65)
    assert entry.source_url == f"{here.endpoint}/{MODEL}#evaluation"
    assert entry.notes == (
        "geneval of geneval; judge 3333333333333333; 4 images a prompt, 50 steps, guidance 9; "
        "drawn: 4 images a prompt, 30 steps, guidance 9; seeds from 0; prompts not rewritten; "
        "steps 30, not 50"
    )
    assert publish(folder).sent == 0
    assert publish(folder, place, benchmarks=["geneval=owner/geneval:overall"]).sent == 0
    by_others = {".eval_results/hle.yaml": b"- dataset: {id: a/b, task_id: c}\n  value: 1\n"}
    here.commit(MODEL, by_others)
    other = trained(tmp_path, value=2.0)
    assert forecast_model(other, MODEL).removed == [ENTRY]
    assert publish(other).removed == [ENTRY]
    files = here.repositories[MODEL].find().files
    assert ENTRY not in files
    assert ".eval_results/hle.yaml" in files


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("geneval", "expected owner/dataset:task"),
        ("owner/geneval", "expected owner/dataset:task"),
        ("dpg=owner/dpg:x", "no evaluation of dpg"),
    ],
)
def test_a_benchmark_that_is_none_is_told(
    here: HubServer, tmp_path: Path, written: str, message: str
) -> None:
    folder = trained(tmp_path)
    with pytest.raises(PublishError, match=message):
        publish(folder, report(folder, tmp_path / "report"), benchmarks=[written])
    with pytest.raises(PublishError, match="it does not say of which suite"):
        publish(folder, benchmarks=["owner/geneval:overall"])
    labelled = [(f"measures.{n}.results.1.trail", "in training") for n in range(3)]
    with pytest.raises(PublishError, match="labelled what the model was trained on"):
        publish(folder, report(folder, tmp_path / "all", *labelled), benchmarks=["owner/geneval:x"])
    assert not here.requests


def test_the_command_shows_it_first(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    place = report(folder, tmp_path / "report")
    words = ("publish", "--model", folder, MODEL, "--evaluation", place)
    shown = in_process(*words, "--dry-run")
    assert "## Evaluation" in shown.output
    assert "+0.1 (+0.06 … +0.14)" in shown.output
    assert not here.repositories
    told = json.loads(in_process(*words, "--dry-run", "--json").stdout)
    assert told["section"].startswith("## Evaluation")
    assert [one["name"] for one in told["results"][0]["metrics"]] == ["geneval", "hpsv2"]
    released = in_process(*words, "--benchmark", "owner/geneval:overall")
    assert released.exit_code == 0, released.output
    assert "geneval: geneval 0.65 (0.6 … 0.7), hpsv2 0.21 (0.1 … 0.3)" in released.output
    assert ENTRY in here.repositories[MODEL].find().files


@pytest.mark.parametrize("option", ["--evaluation", "--benchmark"])
def test_results_are_of_models(tmp_path: Path, option: str) -> None:
    error = in_process("publish", MODEL, option, "x").exception
    assert isinstance(error, PublishError)
    assert f"{option} is for models" in error.message

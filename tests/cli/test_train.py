from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from diffusers import StableDiffusion3Pipeline

from synpic.engine.progress import Event
from synpic.errors import PublishError, RecipeError, Stopped, StorageError, UnknownName
from synpic.publish.hub.model_release import publish_model
from synpic.train import training_loop
from synpic.train.presets import preset, presets
from synpic_cli.watching import _describe
from tests.cli.conftest import ENVIRONMENT, in_process
from tests.generate.conftest import saved
from tests.grids import slow_but
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.test_model_release import trained
from tests.release.cards.facts import about
from tests.train.conftest import Wanted, encoded, ranked, wanted
from tests.train.families.opening import KINDS
from tests.train.runs import RECIPE

__all__ = ["encoded", "hub", "online", "ranked", "saved", "waits", "wanted"]


@pytest.fixture
def recipe(wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe in the folder we stand in."""
    settings = wanted("sd3_without_t5")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tune.toml"
    text = RECIPE.format(checkpoint=settings.model.checkpoint, dataset=settings.data.dataset)
    path.write_text(text)
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Path]]:
    """Nothing is trained: what was asked for."""
    calls: list[tuple[Any, Path]] = []

    def train(settings: Any, out: Path, **options: Any) -> training_loop.Trained:
        calls.append((settings, out))
        return training_loop.Trained(out / "model", about())

    monkeypatch.setattr(training_loop, "train", train)
    return calls


def test_a_recipe_becomes_a_model_and_the_same_command_goes_on(recipe: Path) -> None:
    shown = in_process("train", "tune.toml", "--set", "run.steps=1")
    assert shown.exit_code == 0
    model = Path("tune") / "model"
    assert f"The model is in {model}" in shown.output
    assert "Trained 1 step;" in shown.output
    assert f"pipeline.load_lora_weights('{model}')" in shown.output
    assert f"synpic publish --model {model} owner/name" in shown.output
    assert "train rankdpo: 0/1 first step …" in shown.stderr
    assert "train rankdpo: 1/1" in shown.stderr
    # One number, told alike on the way and at the end; the model is its reference still.
    assert "pairs right 50%" in shown.stderr
    assert "pairs right 50%" in shown.output
    shown = in_process("train", "tune.toml", "--dry-run")
    assert re.search(r"^out +tune, goes on from step 1 of 2$", shown.output, re.MULTILINE)
    shown = in_process("train", "tune.toml", "--json")
    assert "train rankdpo: 1/2 going on from step 1 …" in shown.stderr
    found = json.loads(shown.stdout)
    assert found["steps"] == 2
    assert found["folder"] == str(model)
    exec(found["load"], loaded := {})
    assert isinstance(loaded["pipeline"], StableDiffusion3Pipeline)
    assert loaded["pipeline"].get_active_adapters()
    log = (Path("tune") / "log.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in log] == [1, 2]
    shown = in_process("train", "tune.toml", "--dry-run")
    assert "nothing: all of it is in the cache" in shown.output
    assert json.loads(in_process("train", "tune.toml", "--dry-run", "--json").stdout)["steps"] == 2


FAST = [("sdxl", "lora"), ("pixart_sigma", "lora"), ("sd", "full"), ("sd3", "full")]


@pytest.mark.parametrize(
    ("kind", "tuning"), slow_but(FAST, [(kind, how) for kind in KINDS for how in ("lora", "full")])
)
def test_what_the_card_says_loads_the_model(
    kind: str, tuning: str, wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = training_loop.train(
        wanted(kind, f"tuning.method={tuning}", "run.steps=1"), tmp_path / "run"
    )
    monkeypatch.chdir(made.folder)
    Path(str(made.about["model"]["checkpoint"])).symlink_to(str(made.checkpoint))  # as it says
    (code,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    exec(code, loaded := {})
    pipeline = loaded["pipeline"]
    denoiser = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
    adapted = [name for name, _ in denoiser.named_parameters() if "lora_" in name]
    assert bool(adapted) == (tuning == "lora")


def test_a_preset_may_be_changed(asked: list[Any]) -> None:
    words = ["--preset", "rankdpo-sdxl", "--set", "optimizer.name=adafactor"]
    assert in_process("train", *words, "--set", "run.steps=70").exit_code == 0
    ((settings, out),) = asked
    assert (settings.optimizer.name, settings.run.steps) == ("adafactor", 70)
    assert out == Path("rankdpo-sdxl")


def test_out_is_where_it_is_told(recipe: Path, asked: list[Any]) -> None:
    in_process("train", recipe, "--out", "there")
    in_process("train", recipe)
    assert [out for _, out in asked] == [Path("there"), recipe.parent / "tune"]


def test_samples_are_there_to_be_looked_at(recipe: Path, asked: list[Any]) -> None:
    assert "Look at it" not in in_process("train", "tune.toml").output
    Path("tune/samples").mkdir(parents=True)
    Path("tune/samples/prompts.json").write_text("[]")
    Path("tune/log.jsonl").touch()
    shown = in_process("train", "tune.toml")
    assert shown.output.splitlines()[-1] == "Look at it:  synpic view tune"
    assert "Look at it" not in in_process("train", "tune.toml", "--json").output


@pytest.mark.parametrize("name", presets())
def test_show_prints_a_preset(name: str) -> None:
    assert in_process("train", "--show", name).stdout == preset(name)


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        ([], RecipeError, "say what to train"),
        (["tune.toml", "--preset", "shapes"], RecipeError, "both a recipe, tune.toml, and --p"),
        (["none.toml"], RecipeError, "none.toml cannot be read"),
        (["--preset", "shape"], UnknownName, "Did you mean 'shapes'?"),
        (["--show", "shape"], UnknownName, "Did you mean 'shapes'?"),
        (["--preset", "shapes", "--set", "run.step=1"], RecipeError, "Did you mean 'steps'?"),
    ],
)
def test_what_makes_no_sense_is_said(
    recipe: Path, words: list[str], kind: type[Exception], message: str
) -> None:
    shown = in_process("train", *words)
    assert isinstance(shown.exception, kind)
    assert message in str(shown.exception)


def test_who_says_nothing_is_shown_the_preset_that_needs_nothing() -> None:
    assert "`synpic train --show shapes`" in str(in_process("train").exception.hint)


def test_one_of_several_processes_speaks(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    shown = in_process("train", "--preset", "shapes")
    assert (shown.exit_code, shown.output) == (0, "")
    monkeypatch.setattr(training_loop, "train", _stopped)
    shown = in_process("train", "--preset", "shapes")
    assert (shown.exit_code, shown.output) == (130, "")
    monkeypatch.setattr(training_loop, "train", _refused)
    shown = in_process("train", "--preset", "shapes")
    assert (shown.exit_code, shown.output) == (1, "process 1: the disk is full\n")
    monkeypatch.setattr(training_loop, "train", _stopped)
    monkeypatch.setenv("RANK", "0")
    assert isinstance(in_process("train", "--preset", "shapes").exception, Stopped)


@pytest.mark.parametrize("word", ["--dry-run", "--show"])
def test_one_of_several_plans(recipe: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    words = ["--show", "shapes"] if word == "--show" else ["tune.toml", word]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    shown = in_process("train", *words)
    assert (shown.exit_code, shown.output) == (0, "")
    monkeypatch.setenv("RANK", "0")
    assert in_process("train", *words).output


def test_of_each_machine_one_says_what_is_wrong_with_a_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    shown = in_process("train", "none.toml")
    assert (shown.exit_code, shown.output) == (0, "")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert isinstance(in_process("train", "none.toml").exception, RecipeError)


def _stopped(*_: Any, **__: Any) -> Any:
    raise Stopped("stopped after step 1 of 2; it is kept", hint="run the same command again")


def _refused(*_: Any, **__: Any) -> Any:
    raise StorageError("the disk is full", hint="make room")


@pytest.mark.slow
def test_a_launcher_can_start_it(recipe: Path, encoded: Path, tmp_path: Path) -> None:
    launch = "-m torch.distributed.run --standalone --nproc_per_node 2 -m synpic_cli train"
    ended = subprocess.run(
        [sys.executable, *launch.split(), "tune.toml", "--set", "run.batch_size=1"],
        env={
            **ENVIRONMENT,
            "ACCELERATE_USE_CPU": "true",
            "SYNPIC_CACHE": str(encoded),
            "HF_DATASETS_CACHE": str(tmp_path / "datasets"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Trained 2 steps") == 1
    assert ended.stderr.count("train rankdpo: 0/2") == 1
    made = json.loads((tmp_path / "tune" / "model" / "training.json").read_text())
    assert made["prompts_per_step"] == 2


@pytest.mark.parametrize(
    ("stage", "rate", "words"),
    [
        ("train", 2.5, "2.5 steps/s, 40 s left, loss 0.6543"),
        ("train", 0.02, "50 s a step, 1 h 23 min left, loss 0.6543"),
        ("train", None, "loss 0.6543 …"),
        ("encode", 2.5, "2.5 images/s, 40 s left, loss 0.6543"),
    ],
)
def test_progress_says_its_unit(stage: str, rate: float | None, words: str) -> None:
    assert _describe(Event(stage, "rankdpo", "working", 0, 100, 0, rate, "loss 0.6543")) == words


def test_a_note_of_work_that_counts_nothing_is_shown() -> None:
    assert _describe(Event("encode", "cache", "working", 0, 0, note="p is damaged")) == (
        "p is damaged"
    )


# -- publish --model ---------------------------------------------------------------------------


@pytest.fixture
def here(hub: HubServer, online: Any, tmp_path: Path) -> HubServer:
    online(hub, "hf_write", tmp_path / "home")
    return hub


def test_a_model_is_published(here: HubServer, tmp_path: Path) -> None:
    folder = trained(tmp_path)
    words = ["publish", "--model", folder, "user/model"]
    shown = in_process(*words, "--dry-run")
    assert "user/model, which would be made" in shown.output
    assert not here.repositories
    shown = in_process(*words, "--version", "1.0.0", "--private")
    assert "Published v1.0.0 of user/model: 3 files" in shown.output
    assert f"See {here.endpoint}/user/model/tree/v1.0.0" in shown.output
    assert "pipeline.load_lora_weights('user/model')" in shown.output
    assert "hf_write" not in shown.output
    assert here.repositories["user/model"].private
    found = json.loads(in_process(*words, "--json").stdout)
    assert found["commit"] == here.repositories["user/model"].find().oid
    assert found["sent"] == 0


PUBLISHED = [(kind, how) for kind in ("sdxl", "pixart_sigma") for how in ("lora", "full")]


@pytest.mark.parametrize(
    ("kind", "tuning"), slow_but([("sdxl", "lora"), ("pixart_sigma", "full")], PUBLISHED)
)
def test_stock_diffusers_loads_what_was_published(
    kind: str,
    tuning: str,
    wanted: Wanted,
    here: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diffusers.loaders.lora_base.HF_HUB_OFFLINE", False)  # its own copy
    made = training_loop.train(
        wanted(kind, f"tuning.method={tuning}", "run.steps=1"), tmp_path / "run"
    )
    release = publish_model(made.folder, "user/model")
    monkeypatch.chdir(tmp_path)
    Path(str(made.about["model"]["checkpoint"])).symlink_to(str(made.checkpoint))
    exec(release.load, loaded := {})
    pipeline = loaded["pipeline"]
    denoiser = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
    assert any("lora_" in name for name, _ in denoiser.named_parameters()) == (tuning == "lora")
    assert here.seen(part="user/model/resolve")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "where to publish the model"),
        (["user/model", "--to", "x"], "--to is for datasets"),
        (["user/model", "--config", "ranked"], "--config is for datasets"),
        (["user/model", "--branch", "dev"], "--branch is for datasets"),
        (["user/model", "--as", "pickapic"], "--as is for datasets"),
    ],
)
def test_options_of_datasets_are_refused(tmp_path: Path, words: list[str], message: str) -> None:
    shown = in_process("publish", "--model", trained(tmp_path), *words)
    assert isinstance(shown.exception, PublishError)
    assert message in shown.exception.message

"""Reading never needs what only making needs: each command that reads × each thing that is away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import synpic
from synpic.errors import SynpicError, UnknownName
from synpic.generate.recorded import recorded_models
from synpic.pipeline.inventory import take_inventory
from synpic.score.recorded import recorded_reward
from tests.cli.conftest import in_process

REWARDS = """
import numpy as np
from synpic.score.reward import RewardInfo

def redness(prompt, image):
    return float(np.asarray(image)[..., 0].mean())

class Towers:
    info = RewardInfo(summary="needs weights", checkpoint="owner/towers", version=3)

    def __init__(self, checkpoint, revision, device, plane=2):
        self.plane = plane

    def score(self, prompts, images):
        return [float(np.asarray(image)[..., self.plane].mean()) for image in images]
"""

WORLD = """
from tests import fakes

def world(**asked):
    return fakes.world(**asked)
"""

FAMILY = """
from tests import fakes

class Painter(fakes.Painter):
    pass
"""

RECIPE = """
[prompts]
world = "my_world:world"
count = 4

[models.a]
family = "my_family:Painter"
checkpoint = "./weights"
samples = 2

[models.b]
family = "my_family:Painter"
checkpoint = "owner/drawer"
sizes = ["8x8", "16x8"]

[rewards.red]
reward = "my_reward:redness"

[rewards.tall]
reward = "my_reward:Towers"
checkpoint = "owner/towers"
options = { plane = 1 }
"""


def _locked(source: str, digit: str) -> dict[str, str]:
    return {"kind": "model", "source": source, "identity": digit * 40}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished workspace, whose code lies beside its recipe, with a release of it."""
    folder = tmp_path_factory.mktemp("reading") / "set"
    workspace = synpic.init_workspace(folder, RECIPE)
    (folder / "weights").mkdir()
    (folder / "weights" / "model.bin").write_bytes(b"weights")
    (folder / "my_world.py").write_text(WORLD)
    (folder / "my_family.py").write_text(FAMILY)
    (folder / "my_reward.py").write_text(REWARDS)
    resolved = [_locked("owner/drawer", "a"), _locked("owner/towers", "b")]
    lock = {"schema_version": 2, "resolved": resolved}
    (folder / "recipe.lock").write_text(json.dumps(lock))
    synpic.generate_candidates(workspace).raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()
    assert synpic.status(workspace).complete
    synpic.publish_to(workspace, folder.parent / "release")
    return folder


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _written(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        recipe = folder / "recipe.toml"
        assert old in recipe.read_text()
        recipe.write_text(recipe.read_text().replace(old, new))

    return edit


def _two(*away: Callable[[Path], None]) -> Callable[[Path], None]:
    def both(folder: Path) -> None:
        for one in away:
            one(folder)

    return both


AWAY: Mapping[str, tuple[Callable[[Path], None], set[str]]] = {
    "a reward's code": (_without("my_reward.py"), {"rewards.red", "rewards.tall"}),
    "what a reward's code imports": (
        lambda folder: (folder / "my_reward.py").write_text("import no_such_package\n"),  # type: ignore[arg-type,return-value]
        {"rewards.red", "rewards.tall"},
    ),
    "a family's code": (_without("my_family.py"), {"models.a", "models.b"}),
    "a world's code": (_without("my_world.py"), {"prompts"}),
    "a folder of weights": (lambda folder: shutil.rmtree(folder / "weights"), set()),
    "weights as they were": (
        lambda folder: (folder / "weights" / "model.bin").write_bytes(b"other"),  # type: ignore[arg-type,return-value]
        {"models.a"},
    ),
    "the Hub, and the lock": (_without("recipe.lock"), {"models.b", "rewards.tall"}),
    "everything": (
        _two(
            *(_without(f"my_{name}.py") for name in ("reward", "family", "world")),
            _without("recipe.lock"),
            lambda folder: shutil.rmtree(folder / "weights"),
        ),
        {"models.a", "models.b", "rewards.red", "rewards.tall", "prompts"},
    ),
    "a model's repository, mistyped": (_written("owner/drawer", "owner/drwaer"), {"models.b"}),
    "a model's folder, mistyped": (_written("./weights", "./wieghts"), {"models.a"}),
    "a reward's checkpoint, mistyped": (_written("owner/towers", "owner/twoers"), {"rewards.tall"}),
    "a reward's name, mistyped": (_written("my_reward:red", "my_rewrad:red"), {"rewards.red"}),
    "a family's name, mistyped": (_written("my_family:", "my_famliy:"), {"models.a", "models.b"}),
}


@pytest.fixture(params=AWAY)
def away(
    request: pytest.FixtureRequest, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, set[str]]:
    """A copy of the workspace without something, and what cannot be found then."""
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    take, unresolved = AWAY[request.param]
    take(folder)
    monkeypatch.chdir(tmp_path)
    return folder, unresolved


def _status(folder: Path) -> None:
    ended = in_process("status", "-C", folder, "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    assert found["unused"] == found["undecided"] == []
    assert [(c["wanted"], c["done"]) for c in found["counts"]] == [(8, 8), (4, 4), (4, 4)] + [
        (16, 16)
    ] * 2


def _rank(folder: Path) -> None:
    assert in_process("rank", "-C", folder, "--to", "../table.csv").exit_code == 0
    assert len((folder.parent / "table.csv").read_text().splitlines()) == 17


def _published(folder: Path, made: Path) -> None:
    out = folder.parent / "out"
    assert in_process("publish", "-C", folder, "--to", "../out").exit_code == 0
    release = made.parent / "release"
    tables = sorted(path.relative_to(release) for path in release.rglob("*.parquet"))
    assert tables
    assert all((out / name).read_bytes() == (release / name).read_bytes() for name in tables)
    told = in_process("diff", release, out)
    assert told.exit_code == 0, told.output
    mine, theirs = (json.loads((at / "manifest.json").read_text()) for at in (out, release))
    for kind in ("models", "rewards"):
        assert [(one["fingerprint"], one["decides"]) for one in mine[kind]] == [
            (one["fingerprint"], one["decides"]) for one in theirs[kind]
        ]


def test_whatever_is_away_what_was_made_is_read(
    away: tuple[Path, set[str]], made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, unresolved = away
    assert set(take_inventory(synpic.Workspace.open(folder)).unresolved) == unresolved
    _status(folder)
    _rank(folder)
    # Each thing that is not found is named, with what is read in its place.
    assert all(f"{place} is not found" in caplog.text for place in unresolved)
    _published(folder, made)
    ended = in_process("export", "--to", "pairwise", folder.parent / "pairs", folder)
    assert ended.exit_code == 0, ended.output
    ranked = synpic.load_rankings(folder, split="train")
    assert ranked.num_rows == 4
    assert len(synpic.pairs(ranked))
    assert ranked[0]["image_0"].size[1] == 8


def test_what_is_away_is_missed_where_something_is_to_be_made(away: tuple[Path, set[str]]) -> None:
    folder, unresolved = away
    workspace = synpic.Workspace.open(folder)
    makers = {"models": synpic.generate_candidates, "rewards": synpic.score_candidates}
    for kind, make in makers.items():
        if any(place.startswith(kind) for place in unresolved):
            with pytest.raises(SynpicError):
                make(workspace).raise_if_unfinished()


@pytest.fixture
def edited(made: Path, tmp_path: Path) -> Path:
    """A workspace with the scores of two versions of a reward, whose code is away."""
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    code = folder / "my_reward.py"
    code.write_text(REWARDS.replace("0].mean()", "0].max()"))
    synpic.score_candidates(synpic.Workspace.open(folder), only=["red"]).raise_if_unfinished()
    code.unlink()
    return folder


def test_of_two_versions_neither_is_guessed(edited: Path) -> None:
    workspace = synpic.Workspace.open(edited)
    folders = [name for name in workspace.folders("scores") if "/red-" in name]
    assert len(folders) == 2
    with pytest.raises(UnknownName, match=" and ".join(folders)):
        synpic.rank_candidates(workspace)
    found = synpic.status(workspace)
    assert [folder for folder, *_ in found.undecided] == folders
    assert found.unused == []
    shown = in_process("status", "-C", edited).stdout
    assert all(f"undecided: {folder}" in shown for folder in folders)
    shutil.rmtree(edited / folders[0])
    assert synpic.rank_candidates(workspace).ranking.counts.kept_prompts == 4


def test_a_model_of_which_nothing_was_drawn_stops_no_reading(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write('\n[models.c]\ncheckpoint = "owner/nowhere"\n')
    assert synpic.rank_candidates(synpic.Workspace.open(folder)).ranking.counts.candidates == 16
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write('\n[rewards.nothing]\nreward = "my_reward:nothing"\n')
    with pytest.raises(UnknownName, match="nothing"):
        synpic.rank_candidates(synpic.Workspace.open(folder))


def test_a_reward_in_doubt_stops_only_what_it_concerns(edited: Path) -> None:
    (edited / "my_reward.py").write_text(REWARDS.replace("def redness", "def other"))
    workspace = synpic.Workspace.open(edited)
    assert take_inventory(workspace).doubtful.keys() == {"rewards.red"}
    synpic.score_candidates(workspace, only=["tall"]).raise_if_unfinished()
    with (edited / "recipe.toml").open("a") as recipe:
        recipe.write('\n[ranking]\nrewards = ["tall"]\n')
    assert synpic.rank_candidates(workspace).ranking.counts.kept_prompts == 4
    # A release has the scores of every reward.
    with pytest.raises(UnknownName, match="which is meant"):
        synpic.publish_to(workspace, edited.parent / "out")


def test_weights_that_the_recipe_does_not_name_are_not_guessed(made: Path, tmp_path: Path) -> None:
    """With its own checkpoint a reward has no name in the recipe, as weights of a folder have no
    repository; that both are nothing makes them not alike."""
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    tall = 'checkpoint = "owner/towers"\noptions'
    _written(tall, 'checkpoint = "./weights"\noptions')(folder)
    workspace = synpic.Workspace.open(folder)
    synpic.score_candidates(workspace, only=["tall"]).raise_if_unfinished()
    _written('checkpoint = "./weights"\noptions', "options")(folder)
    (folder / "my_reward.py").unlink()
    snapshot = workspace.snapshot()
    folders = [name for name in workspace.folders("scores") if "/tall-" in name]
    assert len(folders) == 2
    settings = snapshot.recipe.rewards["tall"]
    assert recorded_reward("tall", settings, snapshot) == (None, folders)
    _written("options", 'checkpoint = "owner/towers"\noptions')(folder)
    snapshot = workspace.snapshot()
    found, doubtful = recorded_reward("tall", snapshot.recipe.rewards["tall"], snapshot)
    assert (found and found.checkpoint, doubtful) == ("owner/towers@bbbbbbbb", [])


def test_a_models_weights_are_found_by_what_the_recipe_says(made: Path, tmp_path: Path) -> None:
    """A revision that is not set is not that of weights from a folder."""
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    _written('"owner/drawer"', '"./weights"')(folder)
    workspace = synpic.Workspace.open(folder)
    synpic.generate_candidates(workspace, only=["b"]).raise_if_unfinished()
    _written('"./weights"\nsizes', '"owner/drawer"\nsizes')(folder)
    (folder / "recipe.lock").unlink()
    found, doubtful = recorded_models("b", workspace.snapshot())
    assert doubtful == []
    assert [one.checkpoint for one in found] == ["owner/drawer@aaaaaaaa"] * 2


def test_no_model_is_left_out_of_a_release_in_silence(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    monkeypatch.chdir(tmp_path)
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write('\n[models.c]\ncheckpoint = "./does-not-exist"\n')
    scored = in_process("score", "-C", folder, "--json")
    assert scored.exit_code == 3
    report = json.loads(scored.stdout.splitlines()[-1])
    assert not report["complete"]
    assert [one["name"] for one in report["outcomes"] if one["broken"]] == ["c"]
    assert "models.c is not found" in caplog.text
    published = in_process("publish", "-C", folder, "--to", "../out")
    assert published.exit_code == 1
    assert "models.c is not found" in str(published.exception)
    assert not (tmp_path / "out").exists()


def test_a_model_whose_settings_changed_is_named(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(made, folder)
    monkeypatch.chdir(tmp_path)
    assert synpic.status(synpic.Workspace.open(folder)).changed == []
    (old,) = [at for at in synpic.Workspace.open(folder).folders("candidates") if "/a-" in at]
    _written("samples = 2", "samples = 2\nsteps = 7")(folder)
    for words in (("rank",), ("publish", "--to", "../out"), ("score",)):
        caplog.clear()
        assert in_process(words[0], "-C", folder, *words[1:]).exit_code == 0
        assert f"those of other settings (in {old})" in caplog.text
    assert f"other settings (in {old})" in in_process("status", "-C", folder).stdout
    synpic.generate_candidates(synpic.Workspace.open(folder)).raise_if_unfinished()
    assert synpic.status(synpic.Workspace.open(folder)).changed == []


def test_code_beside_a_recipe_is_that_of_its_workspace(made: Path, tmp_path: Path) -> None:
    """Also of the second workspace in a process, and after it was edited."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(made, folder)
    (second / "my_reward.py").write_text(REWARDS.replace("0].mean()", "0].max()"))

    def prints(folder: Path) -> str:
        return take_inventory(synpic.Workspace.open(folder)).found_rewards[0].fingerprint

    one, other = prints(first), prints(second)
    assert one != other
    assert (prints(first), prints(second)) == (one, other)
    (second / "my_reward.py").write_text(REWARDS)
    assert prints(second) == one

"""Every verb, at the surface a user touches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from synpic import Workspace
from synpic.errors import SynpicError
from synpic_cli.output import show_error
from synpic_cli.reference import commands
from tests.cli.conftest import Synpic, in_process
from tests.conftest import MakeRecipe, edit


@pytest.fixture
def synpic(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Synpic:
    """``synpic …`` in the workspace, in this process; errors are shown as the command does."""
    monkeypatch.chdir(workspace.store.root)
    return in_process


def test_the_main_job(synpic: Synpic, tmp_path: Path) -> None:
    assert synpic("validate").exit_code == 0
    assert synpic("generate").exit_code == 0
    assert synpic("score").exit_code == 0
    ranked = synpic("rank", "--to", tmp_path / "ranking.csv")
    assert "10 prompts and 20 images ranked by win-rate" in ranked.output
    assert len((tmp_path / "ranking.csv").read_text().splitlines()) == 21
    published = synpic("publish", "--to", tmp_path / "out")
    assert published.exit_code == 0
    assert f"load_dataset('{tmp_path / 'out'}', 'ranked', split='train')" in published.output
    assert (tmp_path / "out" / "README.md").exists()
    assert "Complete." in synpic("status").output


def test_json_is_json(synpic: Synpic) -> None:
    plan = json.loads(synpic("validate", "--json").stdout)
    assert (plan["images"], plan["scores"], plan["problems"]) == (20, 40, [])
    synpic("generate")
    synpic("score")
    status = json.loads(synpic("status", "--json").stdout)
    assert [(c["name"], c["missing"]) for c in status["counts"]] == [
        ("a", 0),
        ("b", 0),
        ("red", 0),
        ("blue", 0),
    ]
    assert status["complete"]
    rank = json.loads(synpic("rank", "--json").stdout)
    assert {row["model"] for row in rank["models"]} == {"a", "b"}
    assert json.loads(synpic("list", "models", "--json").stdout)
    rewards = json.loads(synpic("list", "rewards", "--json").stdout)
    assert {r["name"]: r["installed"] for r in rewards}["hpsv2"] is True
    assert "versions" in json.loads(synpic("env", "--json").stdout)


def test_a_dry_run_says_what_would_be_done_and_does_it_not(
    synpic: Synpic, workspace: Workspace
) -> None:
    assert "20 images to draw." in synpic("generate", "--dry-run").output
    assert "10 images to draw." in synpic("generate", "--dry-run", "--only", "a").output
    assert "4 images to draw." in synpic("generate", "--dry-run", "--only=a", "--shard=1/3").output
    assert synpic("generate", "--dry-run", "--only", "c").exit_code == 1
    assert workspace.folders("candidates") == []
    synpic("generate")
    assert "40 scores to give." in synpic("score", "--dry-run").output
    assert "20 scores to give." in synpic("score", "--dry-run", "--only", "red").output
    assert workspace.folders("scores") == []


def test_a_token_is_never_shown(synpic: Synpic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    output = synpic("env").output + synpic("env", "--json").output
    assert "present" in output
    assert "secret" not in output


def test_init_writes_a_recipe_once(tmp_path: Path, synpic: Synpic) -> None:
    for preset in ("shapes", "syn-pic"):
        assert synpic("init", tmp_path / preset, "--preset", preset).exit_code == 0
        assert Workspace.open(tmp_path / preset).snapshot().recipe
    assert synpic("init", tmp_path / "shapes").exit_code == 1
    assert synpic("init", "--show").output.startswith("# A recipe on the embedded world")
    assert synpic("init").exit_code == 1
    assert "unknown preset" in str(synpic("init", "x", "--preset", "shape").exception)


def test_init_with_prompts_a_model_and_a_reward_of_ones_own(
    tmp_path: Path, synpic: Synpic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text("caption\na red circle\n")
    (tmp_path / "beginners_reward.py").write_text("def bright(prompt, image):\n    return 1.0\n")
    words = ["--prompts", "my.csv", "--column", "caption", "--model", "shapes_unet"]
    reward = ["--reward", "beginners_reward:bright"]
    assert synpic("init", "mine", *words, *reward, "--show").output.startswith("# Edit it")
    assert not (tmp_path / "mine").exists()
    assert synpic("init", "mine", *words, *reward).exit_code == 0
    # The reward's code went along: the workspace goes on from anywhere.
    assert sorted(one.name for one in (tmp_path / "mine").iterdir()) == [
        "beginners_reward.py",
        "recipe.toml",
    ]
    for refused, says in (
        (words, "--prompts is given, and --reward is missing"),
        ([*words, *reward, "--preset", "syn-pic"], "--preset and --prompts cannot both"),
        (["--count", "3"], "--count is about --prompts"),
        ([*words, "--reward", "beginners_reward:dark"], "cannot be imported"),
    ):
        done = synpic("init", "other", *refused)
        assert done.exit_code == 1
        assert says in str(done.exception)
        assert not (tmp_path / "other").exists()
    assert "The recipe is good." in synpic("validate", "-C", "mine").output


def test_one_reward_ranks_alone(synpic: Synpic, workspace: Workspace, recipe: MakeRecipe) -> None:
    text = recipe()
    edit(workspace, text[: text.index("[rewards.blue]")])
    synpic("generate")
    synpic("score")
    assert json.loads(synpic("rank", "--json").stdout)["leave_one_out"] == []
    assert "20 images ranked" in synpic("rank").output
    assert synpic("publish", "--to", "out").exit_code == 0


def test_validate_refuses_what_generate_and_rank_would(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe().replace("steps = 7", ""))
    assert "models.b and models.a are the same" in synpic("validate").output
    edit(workspace, recipe().replace("weight = 0.5", "weight = 1e-17"))
    assert synpic("validate").exit_code == 1


def test_validate_names_every_problem(
    synpic: Synpic, workspace: Workspace, recipe: MakeRecipe
) -> None:
    text = recipe().replace("tests.fakes:redness", "rednes").replace('"tests.fakes:world"', '"w"')
    edit(workspace, text)
    result = synpic("validate")
    assert result.exit_code == 1
    for says in ("unknown world 'w'", "unknown reward 'rednes'"):
        assert says in result.output


def test_validate_of_the_paper_s_recipe_says_what_is_missing(
    tmp_path: Path, synpic: Synpic
) -> None:
    synpic("init", tmp_path / "paper", "--preset", "syn-pic")
    missing = synpic("validate", "-C", tmp_path / "paper")
    assert missing.exit_code == 1
    assert "prompts.txt: no such file" in missing.output
    lines = "\n".join(f"prompt {i}" for i in range(58_000))
    (tmp_path / "paper" / "prompts.txt").write_text(lines)
    result = synpic("validate", "-C", tmp_path / "paper", "--json")
    plan = json.loads(result.stdout)
    assert plan["images"] == 232_000
    assert plan["scores"] == 1_160_000
    # Offline, what the Hub alone can tell of four models and five rewards is a note, no problem;
    # two are of what the card lacks.
    assert len(plan["notes"]) == 9 + 2
    assert "[publish] authors, year, purpose" in plan["notes"][-1]
    assert plan["problems"] == []


def test_repair_sets_damaged_parts_aside(synpic: Synpic, workspace: Workspace) -> None:
    synpic("generate")
    (folder,) = (f for f in workspace.folders("candidates") if "/a-" in f)
    (part,) = workspace.parts(folder)
    path = Path(workspace.store.path(part))
    path.write_bytes(path.read_bytes()[:-7])
    broken = synpic("status")
    assert broken.exit_code == 1
    assert part in str(broken.exception)
    assert f"{part}: damaged" in synpic("repair", "--dry-run").output
    assert "set aside as" in synpic("repair").output
    assert "Every part is whole." in synpic("repair").output
    assert "10 missing. Next: synpic generate" in synpic("status").output
    assert synpic("generate").exit_code == 0
    assert "set aside: 1 damaged parts" in synpic("status").output


def test_status_verify_lists_what_is_damaged(synpic: Synpic, workspace: Workspace) -> None:
    synpic("generate")
    whole = synpic("status", "--verify")
    assert whole.exit_code == 0
    assert "Every file is whole: 3 files" in whole.output
    assert json.loads(synpic("status", "--verify", "--json").output)["verification"] == {
        "files": 3,
        "bytes": json.loads(synpic("status", "--verify", "--json").output)["verification"]["bytes"],
        "damaged": [],
        "remarks": [],
    }
    parts = [part for folder in workspace.folders("candidates") for part in workspace.parts(folder)]
    for part in parts:
        path = Path(workspace.store.path(part))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    damaged = synpic("status", "--verify")
    assert damaged.exit_code == 4
    assert all(part in damaged.output for part in parts)
    assert "damaged: 2 of 3 files. Next: synpic repair" in damaged.output
    listed = synpic("status", "--verify", "--json")
    assert listed.exit_code == 4
    found = json.loads(listed.output)["verification"]["damaged"]
    assert [one["file"] for one in found] == parts


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-C", "/nowhere", "status"), "No such file"),
        (("status", "-C", "/nowhere"), "No such file"),
        (("-C", "/", "generate"), "is not a workspace"),
        (("generate", "--shard", "4/3"), "is not a share"),
        (("generate", "--shard", "x"), "is not a share"),
        (("generate", "--only", "c"), "has no model 'c'"),
        (("generate", "--device", "cuda:99"), "--device 'cuda:99'"),
        (("score",), "holds no image"),
        (("rank",), "there is nothing to rank"),
        (("publish", "--to", "out"), "there is nothing to rank"),
    ],
)
def test_a_mistake_is_one_clear_error(
    synpic: Synpic, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = synpic(*words)
    assert result.exit_code not in (0, 2)
    assert isinstance(result.exception, SynpicError)
    show_error(result.exception)
    shown = capsys.readouterr().err
    assert says in shown
    assert "hint:" in shown


def test_every_command_has_help(synpic: Synpic) -> None:
    paths = list(commands())
    assert len(paths) > 12
    for path in paths:
        result = synpic(*path, "--help")
        assert result.exit_code == 0
        assert re.search(r"\w+ .*\.", result.output)

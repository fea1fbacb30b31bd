from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import ReleaseError, SynpicError
from synpic.publish import publish_to
from synpic_cli.diff import diff
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import TWO_SPLITS, build, recipe
from tests.release.conftest import files_of

__all__ = ["hub", "online", "waits"]

app = typer.Typer()
app.command()(diff)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two releases: of two models and five prompts, and of three models and six."""
    prompts = [*TWO_SPLITS, ("one more", "train")]
    old = build(tmp_path / "set-1", text=recipe(("alpha", "beta")))
    new = build(tmp_path / "set-2", prompts)
    return (
        publish_to(old, tmp_path / "old").directory,
        publish_to(new, tmp_path / "new").directory,
    )


def test_two_folders(two: tuple[Path, Path]) -> None:
    shown = run(*two, "--prompts", 3)
    assert shown.exit_code == 0
    assert "prompts: 1 added, 0 removed, 0 in another split, 5 kept" in shown.output
    assert "images:  8 added, 0 removed, 0 redrawn, 10 the same" in shown.output
    assert "models added: gamma" in shown.output
    told = json.loads(run(*two, "--json", "--prompts", 3).stdout)
    assert told["images"] == {"added": 8, "removed": 0, "redrawn": 0, "kept": 10}
    assert told["scores"]["redness"]["changed"] == 0
    for prompt_id in told["examples"]["added"]:
        assert f"added: {prompt_id}" in shown.output
    for row in told["examples"]["best_changed"]:
        line = f"another best image: {row['prompt_id']}: {', '.join(row['before'])} → "
        assert line + ", ".join(row["after"]) in shown.output
    assert json.loads(run(*two, "--json").stdout)["examples"]["added"] == []


def test_no_difference(two: tuple[Path, Path]) -> None:
    shown = run(two[0], two[0])
    assert shown.output == "No difference: 5 prompts, 10 images.\n"


def test_two_tags_of_a_dataset(
    hub: HubServer, online: GoOnline, two: tuple[Path, Path], tmp_path: Path
) -> None:
    hub.create("user/set")
    for tag, folder in zip(("v1.0.0", "v1.1.0"), two, strict=True):
        hub.repositories["user/set"].tags[tag] = hub.commit("user/set", files_of(folder)).oid
    online(hub, None, tmp_path / "home")
    by_tags = json.loads(run("user/set", "v1.0.0", "v1.1.0", "--json").stdout)
    assert (by_tags.pop("old"), by_tags.pop("new")) == ("user/set@v1.0.0", "user/set@v1.1.0")
    by_folders = json.loads(run(*two, "--json").stdout)
    assert by_tags == {key: by_folders[key] for key in by_tags}


def test_a_folder_has_no_tags(two: tuple[Path, Path]) -> None:
    error = run(two[0], "v1.0.0", "v1.1.0").exception
    assert isinstance(error, SynpicError)
    assert error.message == f"{two[0]} is a folder, which is one release and has no tags"
    assert error.hint


def test_two_are_needed() -> None:
    ended = run("a")
    assert ended.exit_code == 2
    assert "NEW" in ended.output


def test_a_release_without_scores(tmp_path: Path) -> None:
    bare = publish_to(build(tmp_path / "set"), tmp_path / "bare", configs=["ranked"]).directory
    assert isinstance(run(bare, bare).exception, ReleaseError)

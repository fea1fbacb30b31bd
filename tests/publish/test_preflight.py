"""What would keep a release from loading is named before the first byte is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from synpic.errors import PublishError
from synpic.publish import PublishOptions, forecast
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.on_hub import SET, here, publish, trusting, workspace

__all__ = ["here", "hub", "online", "trusting", "waits", "workspace"]

IN_THE_WAY = {
    "ranked/train-extra-of-00001.parquet": "would read it as data of `ranked`",
    "scores/validation-x-of-00001.parquet": "would read it as data of `scores`",
    "set.py": "takes it for a script",
    "dataset_infos.json": "reads columns and splits from it",
    "pictures/examples.png": "a file of that name",
    "manifest.json": "a file of that name",
    "ranked": "a folder or file of that name",
    "README.md/notes.txt": "a folder or file of that name",
}
HARMLESS = {
    "LICENSE": b"mit",
    "notes/set.py": b"",
    "other.py": b"",
    "data/dataset_infos.json": b"{}",
    "ranked/train-00007-of-00008.parquet": b"PAR1",
    "ranked/notes.txt": b"",
    ".huggingface.yaml": b"viewer: false\n",
    ".gitignore": b"*.tmp\n# *.parquet\n",
}


def refused(here: HubServer, workspace: Workspace, *said: str, **options: Any) -> None:
    """Publishing and its forecast name all of ``said``, and nothing is sent or changed."""
    commits = len(here.repositories[SET].commits)
    asked = PublishOptions(**options)
    acts = (lambda: publish(workspace, SET, **options), lambda: forecast(workspace, SET, asked))
    for act in acts:
        with pytest.raises(PublishError) as caught:
            act()
        for one in said:
            assert one in caught.value.message, caught.value.message
        assert caught.value.hint
    assert "nothing was changed" in _hint(workspace)
    assert len(here.repositories[SET].commits) == commits
    assert list(here.repositories[SET].branches) == ["main"]
    assert not here.sent


def _hint(workspace: Workspace) -> str:
    with pytest.raises(PublishError) as caught:
        publish(workspace)
    return caught.value.hint or ""


@pytest.mark.parametrize(("path", "why"), IN_THE_WAY.items())
def test_a_file_in_the_way_is_named(
    here: HubServer, workspace: Workspace, path: str, why: str
) -> None:
    here.create(SET)
    here.commit(SET, {path: b"{}"})
    refused(here, workspace, path, why)


def test_all_of_them_are_named_at_once(here: HubServer, workspace: Workspace) -> None:
    here.create(SET)
    paths = ["ranked/train-extra-of-00001.parquet", "set.py", "dataset_infos.json"]
    here.commit(SET, dict.fromkeys(paths, b"{}"))
    refused(here, workspace, *paths)


def test_what_is_harmless_stays(here: HubServer, trusting: None, workspace: Workspace) -> None:
    here.create(SET)
    here.commit(SET, HARMLESS)
    publish(workspace)
    for path, content in HARMLESS.items():
        assert here.read(SET, path) == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"configs: []\n", "its `configs` takes the place of the card's"),
        (b"dataset_info: {}\nconfigs: []\n", "its `configs`, `dataset_info`"),
        (b"a: [\n", "it is no YAML"),
        (b"\xff\xfe", "it is no YAML"),
        (b"when: 2024-13-45\n", "it is no YAML"),
        (b"- 1\n", "it has no keys"),
    ],
)
def test_a_head_beside_the_card(
    here: HubServer, workspace: Workspace, content: bytes, why: str
) -> None:
    here.create(SET)
    here.commit(SET, {".huggingface.yaml": content})
    refused(here, workspace, ".huggingface.yaml", why)


@pytest.mark.parametrize("rule", ["*.parquet", "ranked/", "README.md", "*.json", "pictures/*"])
def test_a_gitignore_that_names_files_of_the_release(
    here: HubServer, workspace: Workspace, rule: str
) -> None:
    here.create(SET)
    here.commit(SET, {".gitignore": f"{rule}\n".encode()})
    refused(here, workspace, "ignores", ".gitignore")


def test_a_branch_that_is_to_be_made_is_checked_as_what_it_begins_from(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.create(SET)
    here.commit(SET, {"set.py": b"", ".gitignore": b"*.tmp"})
    refused(here, workspace, "set.py", branch="dev")
    here.commit(SET, {"set.py": None})
    publish(workspace, branch="dev")
    assert "manifest.json" in here.repositories[SET].files("dev")


def test_a_name_that_loads_as_a_script(here: HubServer, workspace: Workspace) -> None:
    with pytest.raises(PublishError, match=re.escape("ends in .py")):
        publish(workspace, "user/set.py")
    assert not here.repositories


def test_what_the_next_release_reads_is_checked_anew(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    """A file that came after a release is found by the next one, which would read it."""
    first = publish(workspace)
    here.commit(SET, {"ranked/train-extra-of-00001.parquet": b"PAR1"})
    with pytest.raises(PublishError, match="train-extra"):
        publish(workspace, version="1.0.1")
    assert here.repositories[SET].tags == {"v1.0.0": first.commit}

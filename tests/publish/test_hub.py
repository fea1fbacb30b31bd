"""A release on the Hub, by the unmodified clients, against a server of our own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import DatasetCard

from synpic.errors import HubUnreachable, PublishError, ReleaseError
from synpic.publish import (
    Patience,
    PublishOptions,
    forecast,
    publish_to_hub,
)
from synpic.publish.hub import load_check, load_check_program
from synpic.publish.table.shards import Limits
from synpic.workspace import Workspace
from tests.hub_server import Call, HubServer, RateLimited, Status
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.fixtures import build, encoded, recipe
from tests.publish.on_hub import (
    MORE,
    SET,
    here,
    loaded_at_once,
    patience,
    publish,
    trusting,
    workspace,
)

__all__ = ["here", "hub", "loaded_at_once", "online", "trusting", "waits", "workspace"]

CONFIGS = ("ranked", "scores", "images", "pairwise", "pickapic")
SMALL = Limits(shard_bytes=6_000, shards=80)
"""Several shards of few rows."""


def load(home: Path, online: Any, hub: HubServer, *args: Any, **options: Any) -> Any:
    """As a stranger does: with empty caches and a token that may only read."""
    online(hub, "hf_read", home)
    loaded = datasets.load_dataset(*args, **options)
    online(hub, "hf_write", home)
    return loaded


def test_a_release_is_one_commit_proved_and_tagged_and_loads_in_every_config(
    here: HubServer, online: Any, workspace: Workspace, tmp_path: Path
) -> None:
    release = publish(workspace, configs=CONFIGS, limits=SMALL)
    assert (release.repository, str(release.version), release.new) == (SET, "1.0.0", True)
    repository = here.repositories[SET]
    first, initial = repository.log("main")
    assert first.oid == release.commit == repository.tags["v1.0.0"]
    assert first.parent == initial.oid
    assert first.title == "Release v1.0.0"
    pixels = set(encoded(workspace).values())
    for config in CONFIGS:
        for streaming in (False, True):
            home = tmp_path / f"{config}-{streaming}"
            found = load(
                home, online, here, SET, config, revision="v1.0.0", streaming=streaming
            )  # fmt: skip
            assert set(found) == {"train", "validation"}
            for split, rows in found.items():
                if config == "ranked":
                    rows = rows.cast_column("image_0", datasets.Image(decode=False))
                    assert {row["image_0"]["bytes"] for row in rows} <= pixels
                assert len(list(rows)) == release.rows[config][split]
    # Without a config, streaming or not, it is the rankings.
    assert "image_0" in load(tmp_path / "plain", online, here, SET)["train"].column_names
    card = DatasetCard(here.read(SET, "README.md", "v1.0.0").decode())
    assert card.data.to_dict()["configs"][0]["config_name"] == "ranked"
    assert 'revision="v1.0.0"' in card.text
    assert eval(release.load_line, {"datasets": datasets}).num_rows == 3


def test_the_manifest_names_every_file_and_what_it_holds(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    import hashlib

    release = publish(workspace)
    manifest = json.loads(here.read(SET, "manifest.json", "main"))
    assert manifest["version"] == "1.0.0"
    files = here.repositories[SET].files("main")
    assert set(files) - {".gitattributes"} == {*manifest["files"], "manifest.json"}
    for path, described in manifest["files"].items():
        data = here.read(SET, path, "main")
        assert hashlib.sha256(data).hexdigest() == described["sha256"]
        assert len(data) == described["bytes"]
    assert release.files == len(manifest["files"]) + 1


def test_publishing_again_changes_nothing(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    first = publish(workspace)
    arrived = dict(here.sent)
    again = publish(workspace)
    assert (again.new, again.sent, again.commit) == (False, 0, first.commit)
    assert len(here.repositories[SET].log("main")) == 2
    assert here.sent == arrived


def test_a_second_release_sends_what_is_new_and_keeps_the_first(
    here: HubServer, online: Any, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    first = publish(workspace, configs=["ranked", "images"], limits=SMALL)
    grown = build(tmp_path / "grown", MORE)
    second = publish(grown, configs=["ranked", "images"], limits=SMALL)
    assert str(second.version) == "1.1.0"
    assert any("prompt" in reason for reason in second.reasons)
    assert second.sent < second.bytes
    repository = here.repositories[SET]
    assert repository.tags == {"v1.0.0": first.commit, "v1.1.0": second.commit}
    for tag, prompts in (("v1.0.0", 3), ("v1.1.0", 4)):
        for config, per_prompt in (("ranked", 1), ("images", 3)):
            for streaming in (False, True):
                home = tmp_path / f"{tag}-{config}-{streaming}"
                found = load(home, online, here, SET, config, revision=tag, streaming=streaming)
                assert len(list(found["train"])) == prompts * per_prompt
    # No file of the old release is left over in the new one.
    manifest = json.loads(here.read(SET, "manifest.json", "main"))
    shards = {path for path in repository.files("main") if path.endswith(".parquet")}
    assert shards == {path for path in manifest["files"] if path.endswith(".parquet")}
    card = here.read(SET, "README.md", "main").decode()
    assert card.index("v1.1.0") < card.index("v1.0.0", card.index("synpic:changes v1.0.0"))


def test_a_users_own_words_and_files_survive(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    card = here.read(SET, "README.md", "main").decode()
    before, mark, _ = card.partition("<!-- synpic:yours -->")
    _, end, after = card.partition("<!-- /synpic:yours -->")
    mine = f"{before}{mark}\nWe thank *nobody*.\n{end}{after}"
    here.commit(SET, {"README.md": mine.encode(), "notes/mine.txt": b"keep me"})
    publish(build(tmp_path / "grown", MORE))
    assert "We thank *nobody*." in here.read(SET, "README.md", "main").decode()
    assert here.read(SET, "notes/mine.txt", "main") == b"keep me"


@pytest.mark.parametrize("head", ["", "---\nlicense: mit\n---\n"])
def test_a_card_that_was_there_before_synpic_is_kept_as_its_writers_words(
    here: HubServer, trusting: None, workspace: Workspace, head: str
) -> None:
    here.create(SET)
    here.commit(SET, {"README.md": f"{head}# By hand\n\nAll of *this*.\n".encode()})
    publish(workspace)
    card = here.read(SET, "README.md", "main").decode()
    _, _, rest = card.partition("<!-- synpic:yours -->")
    assert rest.startswith("\n# By hand\n\nAll of *this*.\n<!-- /synpic:yours -->")
    assert ("license: mit" in card) == bool(head)


def test_a_tag_without_a_release_behind_it_is_not_begun_from(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.create(SET)
    here.repositories[SET].tags["v3.1.0"] = here.repositories[SET].branches["main"]
    assert str(publish(workspace).version) == "4.0.0"


def test_a_tag_is_never_moved(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    first = publish(workspace, version="2.0.0")
    grown = build(tmp_path / "grown", MORE)
    sent = dict(here.sent)
    with pytest.raises(PublishError, match=r"v2\.0\.0 is there already") as caught:
        publish(grown, version="2.0.0")
    assert "2.1.0" in (caught.value.hint or "")
    assert here.repositories[SET].tags == {"v2.0.0": first.commit}
    assert here.sent == sent


@pytest.mark.parametrize("version", ["1.2", "one", "1.2.3.4", "01.0.0", ""])
def test_a_version_that_is_none(
    here: HubServer, trusting: None, workspace: Workspace, version: str
) -> None:
    with pytest.raises(PublishError, match="is no version"):
        publish(workspace, version=version, branch="next")
    assert not here.repositories


@pytest.mark.parametrize(
    ("token", "message"),
    [(None, "no token"), ("hf_read", "may only read"), ("hf_wrong", "refuses the token")],
)
def test_nothing_is_packed_before_the_token_is_known_to_write(
    here: HubServer,
    online: Any,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    message: str,
) -> None:
    from synpic.publish.hub import start

    online(here, token, tmp_path / "elsewhere")
    monkeypatch.setattr(start, "prepare", lambda *_: pytest.fail("prepared"))
    with pytest.raises(PublishError, match=message) as caught:
        publish(workspace)
    assert str(token) not in str(caught.value)
    assert not here.repositories


@pytest.mark.parametrize("name", ["set", "a/b/c", "someone/set", "user/se t", "user/../set"])
def test_a_name_that_is_none_or_is_another_ones(
    here: HubServer, workspace: Workspace, name: str
) -> None:
    with pytest.raises(PublishError, match=r"no name of a dataset|may not make datasets"):
        publish(workspace, name)
    assert not here.repositories


def test_private_organisation_and_branch(
    online: Any, waits: list[float], trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    with HubServer(tmp_path / "hub", orgs={"lab": {"user": "write"}}) as server:
        online(server, "hf_write", tmp_path / "home")
        publish(workspace, "lab/set", private=True, branch="next")
        repository = server.repositories["lab/set"]
        assert repository.private
        assert "manifest.json" in repository.files("next")
        assert "manifest.json" not in repository.files("main")
        assert repository.tags["v1.0.0"] == repository.branches["next"]


def test_a_sibling_for_the_scripts_that_read_the_default_config(
    here: HubServer, online: Any, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    release = publish(workspace, as_pickapic=True)
    assert release.repository == "user/set-pickapic"
    rows = load(tmp_path / "home2", online, here, "user/set-pickapic", split="train")
    assert {"jpg_0", "jpg_1", "label_0", "caption"} <= set(rows.column_names)
    assert isinstance(rows[0]["jpg_0"], bytes)


def test_what_a_dry_run_says_is_what_happens(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    said = forecast(workspace, SET, PublishOptions(limits=SMALL))
    assert not said.exists
    assert not here.repositories
    first = publish(workspace, limits=SMALL)
    assert (said.version, said.sent) == (first.version, first.sent)
    grown = build(tmp_path / "grown", MORE)
    said = forecast(grown, SET, PublishOptions(limits=SMALL))
    before = here.repositories[SET].files("main")
    second = publish(grown, limits=SMALL)
    after = here.repositories[SET].files("main")
    assert (said.version, list(said.reasons)) == (second.version, list(second.reasons))
    assert said.sent == second.sent
    change = {file.path: file.change for file in said.files}
    for path in {*before, *after} - {".gitattributes"}:
        if path not in after:
            assert change[path] == "gone"
        elif path not in before:
            assert change[path] == "new"
        else:
            assert change[path] == ("same" if before[path] == after[path] else "changed")
    assert "+" in said.card_diff


def test_a_dry_run_of_what_is_tagged_says_so_whatever_became_of_the_card(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    publish(workspace)
    card = here.read(SET, "README.md", "main").decode()
    here.commit(SET, {"README.md": re.sub("<!-- .* -->\n", "", card).encode()})
    assert not publish(workspace).new
    said = forecast(workspace, SET)
    assert (str(said.version), said.sent, said.card_diff) == ("1.0.0", 0, "")
    assert {file.change for file in said.files} == {"same"}


@pytest.mark.parametrize("damage", ["marks", "text"])
def test_a_dry_run_refuses_the_card_that_a_publish_refuses(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path, damage: str
) -> None:
    publish(workspace)
    card = here.read(SET, "README.md", "main")
    broken = re.sub(b"<!-- .* -->\n", b"", card) if damage == "marks" else b"\xff"
    here.commit(SET, {"README.md": broken})
    grown = build(tmp_path / "grown", MORE)
    refusals = []
    for act in (lambda: publish(grown), lambda: forecast(grown, SET)):
        with pytest.raises(PublishError) as caught:
            act()
        refusals.append((caught.value.message, caught.value.hint))
    assert refusals[0][0] == refusals[1][0]
    assert refusals[0][1] == f"{refusals[1][1]}; nothing was changed on the Hub"


def test_a_busy_repository_is_waited_for(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.faults.plan(Status(409), 0, times=2, path="/commit/")
    said: list[str] = []
    slept: list[float] = []
    publish(workspace, patience=Patience(tell=said.append, sleep=slept.append))
    assert sum("409" in line for line in said) == 2
    # Every answer tells the window of rates; it is no time to wait while something is left.
    assert slept == [1.0, 2.0]


def test_the_hub_is_waited_for_as_long_as_it_says_and_not_for_ever(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.faults.plan(RateLimited(55, retry_after=False), 0, times=100, path="/commit/")
    slept: list[float] = []
    said: list[str] = []
    with pytest.raises(HubUnreachable, match="429, 4 times in a row"):
        publish(workspace, patience=Patience(tries=4, tell=said.append, sleep=slept.append))
    assert slept == [30.0, 25.0] * 3
    assert any("waiting 55 s (try 1 of 4)" in line for line in said)
    assert any("still waiting, 25 s left" in line for line in said)


def test_a_commit_of_another_one_that_leaves_our_files_alone_is_no_matter(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    publish(workspace, version="1.0.0")
    other = Call(lambda _: here.commit(SET, {"notes.txt": b"mine"}))
    here.faults.plan(other, path="/commit/")
    release = publish(workspace, version="1.0.1")
    log = here.repositories[SET].log("main")
    assert log[0].title == "Release v1.0.1"
    assert log[0].oid == release.commit
    assert here.read(SET, "notes.txt", "main") == b"mine"


def test_two_publishers_at_once(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    faster = build(tmp_path / "faster", MORE)
    here.faults.plan(Call(lambda _: publish(faster)), path="/commit/")
    with pytest.raises(PublishError, match="another commit changed") as caught:
        publish(workspace)
    assert "publish again" in (caught.value.hint or "")
    assert list(here.repositories[SET].branches) == ["main", "synpic/1.0.0"]
    manifest = json.loads(here.read(SET, "manifest.json", "main"))
    assert manifest["counts"]["kept_prompts"] == 6
    assert len(here.repositories[SET].tags) == 1


def test_a_commit_that_is_not_what_was_sent_goes_no_further(
    here: HubServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synpic.publish.hub import release as hub_module

    real = hub_module.stage

    def stage(*args: Any) -> str:
        real(*args)
        table = {"ranked/train-00000-of-00001.parquet": b"not a table"}
        return here.commit(SET, table, branch="synpic/1.0.0").oid

    monkeypatch.setattr(hub_module, "stage", stage)
    with pytest.raises(PublishError, match=r"is not what was sent: ranked/train") as caught:
        publish(workspace)
    assert "main is as it was" in (caught.value.hint or "")
    assert not here.repositories[SET].tags
    assert len(here.repositories[SET].log("main")) == 1


def test_a_release_that_does_not_load_stays_on_its_branch(
    here: HubServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synpic.publish.hub import release as hub_module

    real = hub_module.extra_files

    def extra_files(*args: Any, **options: Any) -> dict[str, bytes]:
        told = real(*args, **options)
        manifest = json.loads(told["manifest.json"])
        manifest["records"]["ranked"]["train"] += 1
        return {**told, "manifest.json": json.dumps(manifest).encode()}

    with monkeypatch.context() as wrong:
        wrong.setattr(hub_module, "extra_files", extra_files)
        with pytest.raises(PublishError, match="ranked/train has 3 rows, 4 expected") as caught:
            publish(workspace)
    hint = caught.value.hint or ""
    assert "main is as it was" in hint
    assert f"{SET}/tree/synpic/1.0.0" in hint
    assert "not tagged" in hint
    repository = here.repositories[SET]
    assert not repository.tags
    assert len(repository.log("main")) == 1
    assert "manifest.json" in repository.files("synpic/1.0.0")
    monkeypatch.setattr(hub_module, "check_loads", lambda *_: None)
    publish(workspace)
    assert list(repository.branches) == ["main"]


def test_killed_before_its_tag_and_edited_since(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    """The card was edited, so the commit is no longer what was sent: it is made again, and kept."""
    first = publish(workspace)
    del here.repositories[SET].tags["v1.0.0"]
    card = here.read(SET, "README.md", "main").decode()
    mark = "<!-- synpic:yours -->\n"
    here.commit(SET, {"README.md": card.replace(mark, f"{mark}Mine. ", 1).encode()})
    again = publish(workspace)
    assert (str(again.version), again.new) == ("1.0.0", True)
    assert again.commit != first.commit
    assert "Mine. " in here.read(SET, "README.md", "v1.0.0").decode()
    assert here.read(SET, "README.md", "v1.0.0").decode().count("First release") == 1


@pytest.mark.parametrize("damage", [None, b"not a table"])
def test_a_table_that_was_lost_from_the_branch_comes_back_as_a_patch(
    here: HubServer, trusting: None, workspace: Workspace, damage: bytes | None
) -> None:
    publish(workspace)
    here.commit(SET, {"ranked/train-00000-of-00001.parquet": damage})
    again = publish(workspace)
    assert str(again.version) == "1.0.1"
    assert len(here.read(SET, "ranked/train-00000-of-00001.parquet", "main")) > 1000


def test_a_tag_that_stands_for_other_data_is_not_taken_for_ours(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    grown = build(tmp_path / "grown", MORE)

    def steal(_: Any) -> None:
        repository = here.repositories[SET]
        repository.tags["v1.1.0"] = repository.tags["v1.0.0"]

    here.faults.plan(Call(steal), path="/tag/")
    with pytest.raises(PublishError, match="stands for commit"):
        publish(grown)
    again = publish(grown)
    assert str(again.version) == "1.2.0"
    assert here.repositories[SET].tags["v1.2.0"] == again.commit


def test_the_next_version_follows_from_the_last_that_was_tagged(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    borda = recipe(more='[ranking]\naggregation = "borda"\n')
    publish(build(tmp_path / "borda", text=borda))
    del here.repositories[SET].tags["v2.0.0"]  # as if killed before it was set
    grown = publish(build(tmp_path / "grown", MORE, text=borda))
    assert str(grown.version) == "2.0.0"
    card = here.read(SET, "README.md", "main").decode()
    assert card.count("<!-- synpic:changes v2.0.0 -->") == 1


def test_a_table_of_somebody_elses_is_not_read_with_ours(
    here: HubServer, online: Any, loaded_at_once: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    shard = here.read(SET, "ranked/train-00000-of-00001.parquet", "main")
    here.commit(SET, {"ranked/train-00007-of-00008.parquet": shard})
    release = publish(workspace, version="1.0.1")
    rows = load(tmp_path / "h", online, here, SET, split="train", revision="v1.0.1")
    assert rows.num_rows == release.rows["ranked"]["train"] == 3


def test_files_that_are_no_release_are_not_written_over(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.create(SET)
    here.commit(SET, {"pictures/examples.png": b"mine"})
    with pytest.raises(PublishError, match=r"no part of a release.* pictures/examples\.png"):
        publish(workspace)
    assert here.read(SET, "pictures/examples.png", "main") == b"mine"
    assert "manifest.json" not in here.repositories[SET].files("main")


def test_a_card_that_was_rewritten_without_its_marks_is_not_lost(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    here.commit(SET, {"README.md": b"# All mine now\n"})
    with pytest.raises(PublishError, match="was rewritten") as caught:
        publish(build(tmp_path / "grown", MORE))
    assert "synpic:yours" in (caught.value.hint or "")
    assert here.read(SET, "README.md", "main") == b"# All mine now\n"


def test_a_card_that_is_no_text(here: HubServer, trusting: None, workspace: Workspace) -> None:
    here.create(SET)
    here.commit(SET, {"README.md": b"\xff\xfe"})
    with pytest.raises(PublishError, match="is not UTF-8"):
        publish(workspace)


def test_a_dry_run_of_what_is_there_says_so(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    publish(workspace)
    said = forecast(workspace, SET)
    assert {file.change for file in said.files} == {"same"}
    assert (said.sent, said.card_diff, str(said.version)) == (0, "", "1.0.0")


def test_an_upload_that_is_refused_or_broken_is_told_as_that(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.faults.plan(Status(403, "Storage limit reached"), method="PUT")
    with pytest.raises(PublishError, match=r"refuses \(403\): Storage limit reached") as caught:
        publish(workspace)
    assert "main is as it was" in (caught.value.hint or "")
    here.faults.plan(Status(503), 0, times=1000, method="PUT")
    said: list[str] = []
    with pytest.raises(HubUnreachable, match="503"):
        publish(workspace, patience=Patience(tries=3, tell=said.append, sleep=lambda _: None))
    assert sum("waiting" in line for line in said) == 2


def test_the_load_check_waits_for_the_hub_too(
    here: HubServer, loaded_at_once: None, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, runs = load_check._run, []

    def run(*args: Any) -> Any:
        runs.append(args)
        if len(runs) == 1:
            return subprocess.CompletedProcess(
                [], load_check_program.NO_ANSWER, "", "ReadError: gone"
            )
        return real(*args)

    monkeypatch.setattr(load_check, "_run", run)
    said: list[str] = []
    release = publish(workspace, patience=patience(said))
    assert len(runs) == 2
    assert any("loading it: no answer (ConnectionError)" in line for line in said)
    assert here.repositories[SET].tags["v1.0.0"] == release.commit


@pytest.mark.parametrize("status", [403, 404])
def test_the_load_check_does_not_wait_where_the_hub_refuses(
    here: HubServer,
    loaded_at_once: None,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    real, runs = load_check._run, []

    def run(*args: Any) -> Any:
        runs.append(args)
        here.faults.plan(Status(status, "This file is quarantined"), path="parquet", times=10_000)
        try:
            return real(*args)
        finally:
            here.faults.clear()

    monkeypatch.setattr(load_check, "_run", run)
    with pytest.raises(PublishError, match=f"it does not load: .*{status}"):
        publish(workspace)
    assert len(runs) == 1
    assert not here.repositories[SET].tags


def test_a_load_check_without_an_answer_ends_with_what_it_met(
    here: HubServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "ReadError: gone with hf_abcdefghijklmnopqrst"
    ended = subprocess.CompletedProcess([], load_check_program.NO_ANSWER, "", said)
    monkeypatch.setattr(load_check, "_run", lambda *_: ended)
    with pytest.raises(HubUnreachable) as caught:
        publish(workspace, patience=Patience(tries=2, sleep=lambda _: None))
    assert caught.value.message.endswith("ReadError: gone with [secret]")


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    yield
    # A lock of a workspace stays where it is, and is empty.
    assert not [path for path in scratch.iterdir() if not path.name.startswith("synpic-lock-")]


def test_one_shard_at_a_time_is_on_the_disk(
    here: HubServer, trusting: None, nothing_left: None, workspace: Workspace, tmp_path: Path
) -> None:
    most = 0

    def look(_: Any) -> None:
        nonlocal most
        most = max(most, len(list((tmp_path / "scratch").rglob("*.parquet"))))

    here.faults.plan(Call(look), 0, times=10_000)
    publish(workspace, limits=SMALL)
    assert most == 1


def test_a_disk_with_too_little_room(
    here: HubServer, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from synpic.publish.hub import send_files

    monkeypatch.setattr(send_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(PublishError, match="the disk") as caught:
        publish(workspace)
    assert "TMPDIR" in (caught.value.hint or "")
    assert not here.repositories[SET].tags


def test_other_configs_and_recipes_are_other_releases(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace, configs=["ranked", "scores"])
    fewer = publish(workspace, configs=["scores"])
    assert str(fewer.version) == "2.0.0"
    assert not any(p.startswith("ranked/") for p in here.repositories[SET].files("main"))
    text = recipe(more='[ranking]\naggregation = "borda"\n')
    other = publish(build(tmp_path / "borda", text=text), configs=["scores"])
    assert str(other.version) == "3.0.0"


def test_a_lower_version_is_asked_for_by_name(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace, version="2.0.0")
    grown = build(tmp_path / "grown", MORE)
    lower = PublishOptions(version="1.9.0")
    for act in (publish_to_hub, forecast):
        with pytest.raises(PublishError, match=r"1\.9\.0 is lower than the last version") as caught:
            act(grown, SET, lower)
        assert "--allow-older" in (caught.value.hint or "")
    older = PublishOptions(version="1.9.0", allow_older=True)
    assert forecast(grown, SET, older).version.tag == "v1.9.0"
    assert publish(grown, version="1.9.0", allow_older=True).version.tag == "v1.9.0"
    # The next one follows the greatest all the same.
    again = publish(build(tmp_path / "more", [*MORE, ("a red star", "train")]))
    assert str(again.version) == "2.1.0"


def test_a_byte_order_mark_before_a_head_keeps_the_head(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    card = (
        "\ufeff---\nlicense: cc-by-4.0\n---\n\n# T\n\n<!-- synpic:yours -->\nMy own words.\n"
        "<!-- /synpic:yours -->\n"
    )
    here.create(SET)
    here.commit(SET, {"README.md": card.encode()})
    publish(workspace)
    now = here.read(SET, "README.md").decode()
    assert now.startswith("---\n")
    assert "license: cc-by-4.0" in now
    assert "<!-- synpic:yours -->\nMy own words.\n<!-- /synpic:yours -->" in now


def test_words_outside_the_block_that_stays_are_named_before_they_are_replaced(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    card = here.read(SET, "README.md").decode()
    mark = "<!-- synpic:yours -->\n"
    edited = card.replace(mark, f"{mark}These stay.\n") + "\nThese words are lost.\n"
    before = here.commit(SET, {"README.md": edited.encode()})
    grown = build(tmp_path / "grown", MORE)
    assert forecast(grown, SET).lost_edits == ["These words are lost."]
    said: list[str] = []
    publish(grown, patience=patience(said))
    place = said.index("  These words are lost.")
    assert "README.md was edited since 1.0.0" in said[place - 1]
    assert before.oid[:8] in said[place - 1]
    assert not any("These stay" in line for line in said)
    now = here.read(SET, "README.md").decode()
    assert "These stay." in now
    assert "These words are lost." not in now


def test_a_tag_that_is_refused_says_that_the_commit_is_there(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    here.faults.plan(Status(403, "Tags are protected"), path="/tag/")
    with pytest.raises(PublishError, match=r"only the tag v1\.0\.0 is missing") as caught:
        publish(workspace)
    commit = here.repositories[SET].branches["main"]
    assert commit in caught.value.message
    assert f"hf repos tag create {SET} v1.0.0 --revision {commit}" in (caught.value.hint or "")
    assert "nothing was changed" not in str(caught.value) + (caught.value.hint or "")
    again = publish(workspace)
    assert here.repositories[SET].tags == {"v1.0.0": again.commit} == {"v1.0.0": commit}
    assert list(here.repositories[SET].branches) == ["main"]


DAMAGED = [b'{"synpic": "1", "files": 3}', b'{"synpic": "1", "schema_version": 1}']


@pytest.mark.parametrize("manifest", DAMAGED)
def test_a_damaged_manifest_under_the_latest_tag_does_not_end_publishing(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path, manifest: bytes
) -> None:
    publish(workspace)
    good = here.read(SET, "manifest.json")
    here.commit(SET, {"manifest.json": manifest})
    repository = here.repositories[SET]
    repository.tags["v1.0.0"] = repository.branches["main"]
    with pytest.raises(ReleaseError) as caught:
        publish(workspace)
    assert "history" in str(caught.value.hint)
    here.commit(SET, {"manifest.json": good})
    said: list[str] = []
    assert publish(build(tmp_path / "grown", MORE), patience=patience(said)).new
    assert any("v1.0.0 cannot be compared with" in line for line in said)

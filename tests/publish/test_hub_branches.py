"""The branch of readers is whole at every moment: kills, faults and other publishers included."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pytest

from synpic.errors import HubUnreachable, PublishError
from synpic.publish import Patience, PublishOptions, publish_to_hub
from synpic.workspace import Workspace
from tests.hub_server import Call, Drop, HubServer, LostAnswer, RateLimited, Status
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.fixtures import TWO_SPLITS, build
from tests.publish.on_hub import MORE, SET, here, patience, publish, trusting, whole, workspace

__all__ = ["here", "hub", "online", "trusting", "waits", "workspace"]

FAULTS = {
    "dropped": Drop(),
    "lost": LostAnswer(),
    "500": Status(500),
    "503": Status(503),
    "429": RateLimited(7),
    "403": Status(403, "This repository is disabled"),
}


def last(hub: HubServer, **options: Any) -> list[str]:
    """Method and path of the requests, without ids."""
    return [f"{one.method} {one.target}" for one in hub.seen(**options)]


def test_readers_see_the_old_release_or_the_new_one_after_every_request(
    here: HubServer, online: Any, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace)
    heads: dict[str, Any] = {}

    def look(_: Any) -> None:
        head = here.repositories[SET].branches["main"]
        if head not in heads:
            heads[head] = whole(here)

    here.faults.plan(Call(look), 0, times=100_000)
    here.faults.plan(Call(look, after_work=True), 0, times=100_000)
    publish(build(tmp_path / "grown", MORE))
    assert [manifest["version"] for manifest in heads.values()] == ["1.0.0", "1.1.0"]
    here.faults.clear()
    for number, head in enumerate(heads):
        online(here, "hf_read", tmp_path / f"reader{number}")
        assert datasets.load_dataset(SET, split="train", revision=head).num_rows == 3 + number
    assert list(here.repositories[SET].branches) == ["main"]


def test_blobs_are_sent_once(here: HubServer, trusting: None, workspace: Workspace) -> None:
    publish(workspace)
    files = here.repositories[SET].files("main")
    large = {file.lfs: file.size for file in files.values() if file.lfs}
    assert here.sent == large
    assert len(here.seen("PUT")) == len(large)
    log = here.repositories[SET].log("main")
    assert [one.title for one in log] == ["Release v1.0.0", "initial commit"]
    commits = [one for one in here.seen("POST", "/commit/") if one.status == 200]
    assert [one.target.rpartition("/")[2] for one in commits] == ["synpic%2F1.0.0", "main"]


def test_bytes_that_the_hub_has_elsewhere_are_not_new(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    """A branch of other data: what is new is what the Hub says it lacks."""
    first = publish(workspace)
    second = publish(workspace, branch="dev", version="1.0.1")
    small = sum(
        file.size
        for path, file in here.repositories[SET].files("dev").items()
        if not file.lfs and here.repositories[SET].files("main").get(path) != file
    )
    assert second.sent == small < first.sent
    here.commit(SET, dict.fromkeys(here.repositories[SET].files("main")))
    third = publish(workspace, version="1.0.2")
    assert third.sent < first.sent / 2, "tables are there, under no branch"


def test_a_foreign_file_that_comes_while_shards_are_sent(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    """Found on the way to the branch of readers, which keeps what it has."""
    extra = {"ranked/train-extra-of-00001.parquet": b"PAR1"}
    here.faults.plan(Call(lambda _: here.commit(SET, extra)), path="/commit/main")
    with pytest.raises(PublishError, match="train-extra"):
        publish(workspace)
    assert set(here.repositories[SET].files("main")) == {".gitattributes", *extra}
    assert not here.repositories[SET].tags
    here.commit(SET, dict.fromkeys(extra))
    assert publish(workspace).new
    assert whole(here) is not None
    assert list(here.repositories[SET].branches) == ["main"]


def test_another_branch_is_kept_whole_too(
    here: HubServer, trusting: None, workspace: Workspace, tmp_path: Path
) -> None:
    publish(workspace, branch="dev")
    grown = build(tmp_path / "grown", MORE)
    here.faults.plan(Status(403, "No"), path="/commit/dev")
    with pytest.raises(PublishError):
        publish(grown, branch="dev")
    found = whole(here, "dev")
    assert found is not None
    assert found["version"] == "1.0.0"
    publish(grown, branch="dev")
    assert here.repositories[SET].tags["v1.1.0"] == here.repositories[SET].branches["dev"]
    assert set(here.repositories[SET].branches) == {"main", "dev"}


def state_of(server: HubServer) -> Any:
    """What a publish leaves: files and titles of the branch, and what the tags hold."""
    repository = server.repositories[SET]
    log = repository.log("main")
    return (
        {path: file.oid for path, file in repository.files("main").items()},
        [one.title for one in log],
        {tag: [one.oid for one in log].index(oid) for tag, oid in repository.tags.items()},
        list(repository.branches),
    )


def on_a_hub(
    folder: Path, online: Any, first: HubServer | None, then: Callable[[HubServer], None]
) -> HubServer:
    """A Hub that holds what ``first`` holds, and ``then`` what happens next."""
    with HubServer(folder / "hub") as server:
        online(server, "hf_write", folder / "home")
        if first is not None:
            server.hold_what(first)
        then(server)
        assert not server.errors
        return server


@pytest.fixture(scope="module")
def made_once() -> dict[str, HubServer]:
    """Hubs, stopped, that several tests hold or compare with."""
    return {}


def with_a_release(hubs: dict[str, HubServer], folder: Path, online: Any, two: Any) -> HubServer:
    """A Hub, stopped, with one release on it."""
    if "first" not in hubs:
        hubs["first"] = on_a_hub(folder / "first", online, None, lambda _: _published(two[0]))
    return hubs["first"]


def without_a_fault(
    hubs: dict[str, HubServer], folder: Path, online: Any, two: Any, holds: HubServer | None
) -> HubServer:
    """A Hub, stopped, that held what ``holds`` does, to which the second workspace came."""
    name = "clean" if holds is None else "grown"
    if name not in hubs:
        hubs[name] = on_a_hub(folder / name, online, holds, lambda _: _published(two[1]))
    return hubs[name]


def every(server: HubServer, sample: bool) -> list[int]:
    """The requests to put a fault at: all, or a few and those that change something."""
    changing = ("/commit/", "/branch/", "/tag/")
    return [
        number
        for number, one in enumerate(server.requests)
        if not sample
        or number % 15 == 0
        or (one.method in ("POST", "DELETE") and any(part in one.target for part in changing))
    ]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Workspace, Workspace]:
    """A workspace, and the same after it grew."""
    return build(tmp_path / "old", TWO_SPLITS[:1]), build(tmp_path / "new", TWO_SPLITS[:2])


def kill_at_each_request(
    hubs: dict[str, HubServer], tmp_path: Path, online: Any, two: Any, sample: bool
) -> None:
    _, new = two
    first = with_a_release(hubs, tmp_path, online, two)
    clean = without_a_fault(hubs, tmp_path, online, two, first)
    expected = state_of(clean)
    for number in every(clean, sample):
        for acted in (False, True):

            def killed(server: HubServer, number: int = number, acted: bool = acted) -> None:
                # After the request nothing of this publisher arrives any more, as after a kill.
                server.faults.plan(LostAnswer() if acted else Drop(), number)
                server.faults.plan(Drop(), number + 1, times=100_000)
                with suppress(HubUnreachable, PublishError):  # all was done but tidying
                    _published(new, tries=1)
                assert whole(server) is not None
                server.faults.clear()
                _published(new)

            server = on_a_hub(tmp_path / f"{number}-{acted}", online, first, killed)
            assert state_of(server) == expected, clean.requests[number]


def _published(workspace: Workspace, tries: int = 3) -> None:
    patient = Patience(tries=tries, sleep=lambda _: None)
    publish_to_hub(workspace, SET, PublishOptions(patience=patient))


@pytest.mark.timeout(600)
def test_a_kill_at_a_request_is_finished_by_the_next_publish(
    made_once: dict[str, HubServer],
    tmp_path: Path,
    online: Any,
    waits: list[float],
    trusting: None,
    two: Any,
) -> None:
    kill_at_each_request(made_once, tmp_path, online, two, sample=True)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_kill_at_every_request_is_finished_by_the_next_publish(
    made_once: dict[str, HubServer],
    tmp_path: Path,
    online: Any,
    waits: list[float],
    trusting: None,
    two: Any,
) -> None:
    kill_at_each_request(made_once, tmp_path, online, two, sample=False)


def fault_at_each_request(
    hubs: dict[str, HubServer],
    tmp_path: Path,
    online: Any,
    two: Any,
    faults: Sequence[Any],
    sample: bool,
    first: bool,
) -> None:
    """At the first publish to a Hub without the repository, or at a second one; in turn."""
    _, new = two
    holds = None if first else with_a_release(hubs, tmp_path, online, two)
    clean = without_a_fault(hubs, tmp_path, online, two, holds)
    expected, sent = state_of(clean), clean.sent
    for number, fault in zip(every(clean, sample), itertools.cycle(faults)):

        def struck(server: HubServer, number: int = number, fault: Any = fault) -> None:
            server.faults.plan(fault, number)
            for _ in range(3):
                try:
                    _published(new, tries=2)
                    break
                except (HubUnreachable, PublishError):
                    if SET in server.repositories:
                        whole(server)
            _published(new)  # deletes a branch that is left over, if the fault met that

        server = on_a_hub(tmp_path / str(number), online, holds, struck)
        assert state_of(server) == expected, clean.requests[number]
        # What had arrived once was not sent again, but for what had no answer.
        assert server.sent.keys() == sent.keys()
        twice = sum(server.sent.values()) - sum(sent.values())
        assert twice <= clean.requests[number].received


def test_a_fault_at_a_request(
    made_once: dict[str, HubServer],
    tmp_path: Path,
    online: Any,
    waits: list[float],
    trusting: None,
    two: Any,
) -> None:
    faults = list(FAULTS.values())
    fault_at_each_request(made_once, tmp_path, online, two, faults, sample=True, first=False)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_every_request(
    made_once: dict[str, HubServer],
    tmp_path: Path,
    online: Any,
    waits: list[float],
    trusting: None,
    two: Any,
    fault: str,
    first: bool,
) -> None:
    struck = [FAULTS[fault]]
    fault_at_each_request(made_once, tmp_path, online, two, struck, sample=False, first=first)


@pytest.mark.parametrize("same", [True, False])
def test_two_publishers_at_once_leave_one_whole_release(
    here: HubServer, trusting: None, tmp_path: Path, two: Any, same: bool
) -> None:
    old, new = two
    ended: list[Any] = []

    def run(workspace: Workspace) -> None:
        try:
            ended.append(publish(workspace, patience=patience()))
        except (PublishError, HubUnreachable) as error:
            ended.append(error)

    both = [new, build(tmp_path / "again", TWO_SPLITS[:2])] if same else [old, new]
    threads = [threading.Thread(target=run, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [one for one in ended if not isinstance(one, Exception)]
    assert won, ended
    manifest = whole(here)
    assert manifest is not None
    repository = here.repositories[SET]
    assert repository.tags[f"v{manifest['version']}"] == repository.branches["main"]
    for error in ended:
        if isinstance(error, Exception):
            assert "another commit" in str(error) or "is there already" in str(error), error
    # One that comes after finds nothing left over.
    publish(build(tmp_path / "third", MORE))
    assert list(repository.branches) == ["main"]


@pytest.mark.parametrize("moment", ["/branch/", "/commit/synpic", "/commit/main", "/tag/"])
def test_a_second_publisher_in_the_middle(
    here: HubServer, trusting: None, two: Any, moment: str
) -> None:
    """One wins: the one that comes first to the branch of readers, or both in order."""
    old, new = two
    ended: list[Any] = []
    here.faults.plan(Call(lambda _: ended.append(publish(new))), path=moment)
    try:
        ended.append(publish(old))
    except PublishError as error:
        ended.append(error)
    assert len(ended) == 2
    assert here.repositories[SET].tags
    manifest = whole(here)
    assert manifest is not None
    if isinstance(ended[1], PublishError):
        assert "another commit" in ended[1].message or "stands for" in ended[1].message


def test_a_repository_that_another_publisher_finished_meanwhile(
    here: HubServer, trusting: None, two: Any
) -> None:
    """It was not there when it was looked for; what came since is not built upon unseen."""
    old, new = two
    first: list[Any] = []
    here.faults.plan(Call(lambda _: first.append(publish(old))), path="/api/repos/create")
    with pytest.raises(PublishError, match="another commit came to main meanwhile") as caught:
        publish(new)
    assert "main is as it was" in str(caught.value.hint)
    repository = here.repositories[SET]
    assert repository.branches == {"main": first[0].commit}
    assert repository.tags == {"v1.0.0": first[0].commit}
    assert str(publish(new).version) == "1.1.0"


def test_a_card_written_before_the_repository_was_made_here(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    def write(_: Any) -> None:
        here.create(SET)
        here.commit(SET, {"README.md": b"By hand.\n"})

    here.faults.plan(Call(write), path="/api/repos/create")
    with pytest.raises(PublishError, match="meanwhile"):
        publish(workspace)
    assert here.read(SET, "README.md") == b"By hand.\n"
    publish(workspace)
    assert b"By hand." in here.read(SET, "README.md")


def test_a_new_branch_begins_at_the_commit_that_was_looked_at(
    here: HubServer, trusting: None, two: Any
) -> None:
    old, new = two
    publish(old)
    here.faults.plan(Call(lambda _: here.commit(SET, {"a.txt": b""})), path="/branch/dev")
    with pytest.raises(PublishError, match="another commit came to dev meanwhile"):
        publish(new, branch="dev")
    assert str(publish(new, branch="dev").version) == "1.1.0"


def test_a_tag_that_is_set_meanwhile_is_found_before_the_branch_moves(
    here: HubServer, trusting: None, two: Any
) -> None:
    old, new = two
    first = publish(old)
    repository = here.repositories[SET]
    here.faults.plan(
        Call(lambda _: repository.tags.update({"v1.1.0": first.commit}), after_work=True),
        path="/commit/synpic",
    )
    with pytest.raises(PublishError, match=r"the tag v1\.1\.0 is there already"):
        publish(new)
    assert repository.branches["main"] == first.commit
    assert publish(new, version="1.1.1").new


def test_a_branch_is_made_where_main_holds_the_release_without_its_tag(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    first = publish(workspace)
    repository = here.repositories[SET]
    repository.tags.clear()
    again = publish(workspace, branch="dev")
    assert again.commit == first.commit == repository.branches["dev"] == repository.tags["v1.0.0"]


def test_a_branch_is_made_where_the_release_waits_on_its_own(
    here: HubServer, trusting: None, two: Any
) -> None:
    old, new = two
    publish(old)
    here.faults.plan(Status(403, "No"), path="/commit/dev")
    with pytest.raises(PublishError):
        publish(new, branch="dev")
    repository = here.repositories[SET]
    assert "synpic/1.1.0" in repository.branches
    del repository.branches["dev"]
    landed = publish(new, branch="dev")
    assert landed.commit == repository.branches["dev"] == repository.tags["v1.1.0"]


def test_a_commit_of_others_on_top_of_one_whose_answer_was_lost_is_not_tagged(
    here: HubServer, trusting: None, workspace: Workspace
) -> None:
    own: list[str] = []

    def commit(_: Any) -> None:
        own.append(here.repositories[SET].branches["main"])
        here.commit(SET, {"ranked/train-extra-of-00001.parquet": b"PAR1"})

    here.faults.plan(Call(commit, after_work=True), path="/commit/main")
    here.faults.plan(LostAnswer(), path="/commit/main")
    release = publish(workspace)
    assert [release.commit] == own == list(here.repositories[SET].tags.values())

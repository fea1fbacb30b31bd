"""The unmodified client against the server: repositories, commits, listings, refs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub_server import HubServer
from tests.hub_server.conftest import CARD, LARGE, REPO, adding, commit, status


def test_a_repository_is_made_once(api: HfApi, hub: HubServer) -> None:
    url = api.create_repo(REPO, repo_type="dataset", exist_ok=True)
    assert (url.repo_id, url.repo_type) == (REPO, "dataset")
    with pytest.raises(HfHubHTTPError) as conflict:
        api.create_repo(REPO, repo_type="dataset")
    assert status(conflict) == 409
    with pytest.raises(HfHubHTTPError) as foreign:
        api.create_repo("other/set", repo_type="dataset", exist_ok=True)
    assert status(foreign) == 403
    api.delete_repo(REPO, repo_type="dataset")
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info(REPO, repo_type="dataset")
    api.delete_repo(REPO, repo_type="dataset", missing_ok=True)
    assert hub.repositories == {}


def test_of_commits_on_one_parent_one_is_made(api: HfApi, hub: HubServer) -> None:
    parent = hub.repositories[REPO].find().oid

    def attempt(n: int) -> int:
        try:
            commit(api, adding(**{f"f{n}_txt": b"1"}), parent_commit=parent)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [200] + [412] * 7
    assert len(hub.repositories[REPO].log()) == 2


def test_a_commit_on_an_older_parent_is_refused(api: HfApi, hub: HubServer) -> None:
    parent = hub.repositories[REPO].find().oid
    hub.commit(REPO, {"other.txt": b"1"})
    with pytest.raises(HfHubHTTPError) as stale:
        commit(api, adding(mine_txt=b"2"), parent_commit=parent)
    assert status(stale) == 412
    assert "mine.txt" not in hub.repositories[REPO].files()


def test_one_commit_at_a_time(api: HfApi, hub: HubServer) -> None:
    with hub.committing(REPO), pytest.raises(HfHubHTTPError, match="in progress") as busy:
        commit(api, adding(mine_txt=b"2"))
    assert status(busy) == 409
    commit(api, adding(mine_txt=b"2"))


def test_a_commit_is_whole_or_not_at_all(api: HfApi, hub: HubServer) -> None:
    before = hub.repositories[REPO].find().oid
    with pytest.raises(RemoteEntryNotFoundError):
        commit(api, [*adding(mine_txt=b"2"), CommitOperationDelete("gone.txt")])
    with pytest.raises(RevisionNotFoundError):
        commit(api, adding(mine_txt=b"2"), revision="no-such-branch")
    with pytest.raises(BadRequestError, match="Invalid path"):
        commit(api, [*adding(mine_txt=b"2"), CommitOperationAdd("a//b.txt", b"1")])
    assert hub.repositories[REPO].find().oid == before


def test_what_the_client_believed_is_checked_again(
    api: HfApi, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hub.repositories[REPO].find().oid
    for mode, content, said in [
        ("lfs", LARGE, "does not exist"),
        ("regular", bytes(11 * 2**20), "larger than 10 MiB"),
    ]:
        forged = CommitOperationAdd("x.parquet", content)
        forged._is_uploaded = True
        forged._upload_mode = mode  # type: ignore[assignment]
        with pytest.raises(BadRequestError, match=said):
            commit(api, [forged])
    card = adding(README_md=b"---\nlicense: mine\n---\n")
    with pytest.raises(ValueError, match="license"):
        commit(api, card)
    monkeypatch.setattr(HfApi, "_validate_yaml", lambda *args, **options: None)
    with pytest.raises(BadRequestError, match="license"):
        commit(api, card)
    assert hub.repositories[REPO].find().oid == before


def test_files_and_folders_are_deleted(api: HfApi, hub: HubServer) -> None:
    commit(api, adding(a__x_txt=b"1", a__y_txt=b"2", b_txt=b"3"))
    commit(api, [CommitOperationDelete("a/"), CommitOperationDelete("b.txt")])
    assert set(hub.repositories[REPO].files()) == {".gitattributes"}


def test_listings_come_in_pages(online: Callable[..., Path], tmp_path: Path) -> None:
    with HubServer(page=7) as server:
        online(server, None, tmp_path)
        server.create(REPO)
        server.commit(REPO, {f"data/{n:03d}.txt": b"%d" % n for n in range(30)})
        for n in range(8):
            server.commit(REPO, {"n.txt": b"%d" % n}, f"commit {n}")
        api = HfApi()
        rows = list(api.list_repo_tree(REPO, recursive=True, repo_type="dataset"))
        assert sorted(row.path for row in rows) == sorted(
            [".gitattributes", "data", "n.txt", *(f"data/{n:03d}.txt" for n in range(30))]
        )
        assert len(server.seen(part="/tree/")) == 5  # 33 rows
        inside = list(api.list_repo_tree(REPO, "data", repo_type="dataset", expand=True))
        assert {row.last_commit.title for row in inside if row.last_commit} == {"from elsewhere"}
        titles = [made.title for made in api.list_repo_commits(REPO, repo_type="dataset")]
        assert titles == [
            *(f"commit {n}" for n in reversed(range(8))),
            "from elsewhere",
            "initial commit",
        ]
        with pytest.raises(RemoteEntryNotFoundError):
            list(api.list_repo_tree(REPO, "nowhere", repo_type="dataset"))


def test_what_is_known_of_paths(api: HfApi, hub: HubServer) -> None:
    hub.commit(REPO, {"a/x.parquet": LARGE, "README.md": CARD})
    asked = ["a", "a/x.parquet", "README.md", "gone"]
    folder, large, card = api.get_paths_info(REPO, asked, repo_type="dataset")
    assert folder.path == "a"
    assert isinstance(large, RepoFile)
    assert isinstance(card, RepoFile)
    assert large.lfs is not None
    assert (large.size, large.lfs.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert (card.size, card.lfs) == (len(CARD), None)
    info = api.dataset_info(REPO, files_metadata=True)
    assert info.sha == hub.repositories[REPO].find().oid
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    assert sizes["a/x.parquet"] == len(LARGE)
    assert api.dataset_info(REPO, expand=["sha"]).siblings is None


def test_names_for_commits(api: HfApi, hub: HubServer) -> None:
    first = hub.repositories[REPO].find().oid
    second = commit(api, adding(x_txt=b"1"))
    api.create_tag(REPO, tag="v1", revision=first, tag_message="one", repo_type="dataset")
    with pytest.raises(HfHubHTTPError) as twice:
        api.create_tag(REPO, tag="v1", revision=second, repo_type="dataset")
    assert status(twice) == 409
    api.create_tag(REPO, tag="v1", revision=second, repo_type="dataset", exist_ok=True)
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(REPO, tag="v2", revision="f" * 40, repo_type="dataset")
    api.create_branch(REPO, branch="draft/x", revision="v1", repo_type="dataset")
    refs = api.list_repo_refs(REPO, repo_type="dataset", include_pull_requests=True)
    # A tag with a message is listed with the id of git's object, and found by its name.
    (tag,) = refs.tags
    assert (tag.name, tag.ref) == ("v1", "refs/tags/v1")
    assert tag.target_commit not in (first, second)
    assert api.dataset_info(REPO, revision="v1").sha == first
    assert {ref.name: ref.target_commit for ref in refs.branches} == {
        "main": second,
        "draft/x": first,
    }
    commit(api, adding(y_txt=b"2"), revision="draft/x")
    assert "y.txt" in hub.repositories[REPO].files("draft/x")
    assert "y.txt" not in hub.repositories[REPO].files("main")
    api.delete_branch(REPO, branch="draft/x", repo_type="dataset")
    api.delete_tag(REPO, tag="v1", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(REPO, tag="v1", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.repo_info(REPO, revision="v1", repo_type="dataset")

"""The fixtures, and what these tests commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import _http

from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits

__all__ = ["CARD", "LARGE", "REPO", "adding", "commit", "hub", "online", "status", "waits"]

REPO = "user/set"
LARGE = bytes(range(256)) * 1000
CARD = b"---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files: a/*.parquet\n---\n# Set\n"


@pytest.fixture(autouse=True)
def plain_sessions() -> Iterator[None]:
    """The client's own sessions: synpic's, which tests before these may have set, ask again."""
    before = _http._GLOBAL_CLIENT_FACTORY
    set_client_factory(_http.default_client_factory)
    yield
    set_client_factory(before)


@pytest.fixture
def api(hub: HubServer, online: Callable[..., Path], tmp_path: Path) -> HfApi:
    """A client that may write, and a repository that is there."""
    online(hub, "hf_write", tmp_path / "home")
    client = HfApi(endpoint=hub.endpoint, token="hf_write")
    client.create_repo(REPO, repo_type="dataset")
    return client


def adding(**files: bytes) -> list[CommitOperationAdd]:
    """``a__b_parquet=…`` adds a/b.parquet."""
    return [
        CommitOperationAdd(name.replace("__", "/").replace("_", "."), content)
        for name, content in files.items()
    ]


def commit(api: HfApi, operations: Sequence[Any], **options: Any) -> str:
    options = {"commit_message": "a change", "repo_type": "dataset", **options}
    return str(api.create_commit(REPO, operations, **options).oid)


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code

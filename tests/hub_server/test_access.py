"""Who may see and who may change what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.hub_server import HubServer
from tests.hub_server.conftest import REPO, adding, commit, status
from tests.hub_server.fixtures import client_environment


def test_who_asks(api: HfApi, hub: HubServer) -> None:
    reader = HfApi(endpoint=hub.endpoint, token="hf_read").whoami()
    assert (reader["name"], reader["auth"]["accessToken"]["role"]) == ("user", "read")
    with HubServer(orgs={"lab": {"user": "write"}}) as other:
        client = HfApi(endpoint=other.endpoint, token="hf_write")
        assert [org["name"] for org in client.whoami()["orgs"]] == ["lab"]
        assert client.create_repo("lab/set", repo_type="dataset").repo_id == "lab/set"


def test_who_may_see_a_private_repository(api: HfApi, hub: HubServer) -> None:
    api.create_repo("user/hidden", repo_type="dataset", visibility="private")
    hub.commit("user/hidden", {"n.txt": b"1"})
    reader = HfApi(endpoint=hub.endpoint, token="hf_read")
    assert reader.dataset_info("user/hidden").private
    reader.auth_check("user/hidden", repo_type="dataset")
    for token, code in (("hf_other", 404), (False, 401)):
        stranger = HfApi(endpoint=hub.endpoint, token=token)
        with pytest.raises(RepositoryNotFoundError) as unseen:
            stranger.dataset_info("user/hidden")
        assert status(unseen) == code
    api.update_repo_settings("user/hidden", visibility="public", repo_type="dataset")
    assert HfApi(endpoint=hub.endpoint, token=False).file_exists(
        "user/hidden", "n.txt", repo_type="dataset"
    )


def test_who_may_write(api: HfApi, hub: HubServer) -> None:
    before = hub.repositories[REPO].find().oid
    for token, code in (("hf_read", 403), ("hf_other", 403), ("hf_wrong", 401), (False, 401)):
        client = HfApi(endpoint=hub.endpoint, token=token)
        with pytest.raises(HfHubHTTPError) as refused:
            commit(client, adding(mine_txt=b"2"))
        assert status(refused) == code
        with pytest.raises(HfHubHTTPError) as unchecked:
            client.auth_check(REPO, repo_type="dataset", write=True)
        assert status(unchecked) == code
    with pytest.raises(HfHubHTTPError) as unknown:
        HfApi(endpoint=hub.endpoint, token="hf_wrong").dataset_info(REPO)
    assert status(unknown) == 401
    assert not isinstance(unknown.value, RepositoryNotFoundError)
    assert hub.repositories[REPO].find().oid == before


def test_a_client_in_another_process(hub: HubServer, tmp_path: Path) -> None:
    hub.create(REPO)
    code = (
        "import huggingface_hub as hf\n"
        "files = [hf.CommitOperationAdd('x.parquet', b'PAR1')]\n"
        f"print(hf.create_commit('{REPO}', files, commit_message='c', repo_type='dataset').oid)\n"
    )
    environment = client_environment(hub, "hf_write", tmp_path / "other")
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == hub.repositories[REPO].find().oid
    assert hub.read(REPO, "x.parquet") == b"PAR1"

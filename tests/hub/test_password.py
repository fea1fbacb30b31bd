"""A password in ``HF_ENDPOINT`` is for requests alone: no page, hint or report shows it."""

from __future__ import annotations

from typing import Any

import pytest

from synpic.errors import PublishError
from synpic.hub import client
from synpic.hub.commits.repository import Remote
from synpic.publish.hub.model_release import ModelRelease
from synpic.publish.hub.release import HubRelease
from synpic.release.versions import Version


@pytest.fixture(autouse=True)
def endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://someone:pa55word@hub.example")


def release() -> HubRelease:
    nothing: Any = None
    version = Version.parse("1.2.0")
    return HubRelease("user/set", version, "c" * 40, [], nothing, {}, 1, 1, 1, True)


def test_the_page_of_a_release() -> None:
    assert release().page == "https://hub.example/datasets/user/set/tree/v1.2.0"


def test_the_page_of_a_model() -> None:
    model = ModelRelease("user/model", "c" * 40, None, {}, 0, [], "")
    assert model.page == f"https://hub.example/user/model/tree/{'c' * 40}"


def test_the_page_where_tokens_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote("user/set", token="hf_read")
    whoami = {"name": "user", "auth": {"accessToken": {"role": "read"}}}
    monkeypatch.setattr(remote.api, "whoami", lambda: whoami)
    with pytest.raises(PublishError, match="may only read") as caught:
        remote.require_write()
    assert "at https://hub.example/settings/tokens" in (caught.value.hint or "")


def test_the_report_of_the_environment() -> None:
    assert client.settings()["hub"] == "https://hub.example"

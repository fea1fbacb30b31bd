"""The server as fixtures, and what clients need to speak with it and with nothing else.

A ``conftest.py`` takes them by import:
``from tests.hub_server.fixtures import hub, online, waits``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.hub_server.server import HubServer

__all__ = ["client_environment", "hub", "online", "read_at_import", "waits"]

GoOnline = Callable[..., Path]


def client_environment(server: HubServer, token: str | None, home: Path) -> dict[str, str]:
    """The environment of a process whose Hub is ``server``.

    Args:
        token: what it is logged in with, None for not at all.
        home: an empty folder gives fresh caches.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGG"))}
    environment = {
        **kept,
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    if token is not None:
        environment["HF_TOKEN"] = token
    return environment


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """A Hub of the test's own; the test fails if the server itself made a mistake."""
    with HubServer(tmp_path / "hub") as server:
        yield server
    assert not server.errors, server.errors[0]


def read_at_import(environment: Mapping[str, str]) -> Iterator[tuple[object, str, object]]:
    """What the clients have read of the environment by the time that they are imported.

    Some copy what they read: so every copy that counts is here.

    Returns:
        Objects, names of attributes, and the values that ``environment`` would have given them.
    """
    import datasets.config
    from huggingface_hub import constants, hf_api

    url, home = environment["HF_ENDPOINT"], Path(environment["HF_HOME"])
    settings: dict[str, object] = {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "AGENT_HARNESSES_PATH": str(home / ".agent_harnesses.json"),
    }
    yield from ((constants, name, value) for name, value in settings.items())
    yield hf_api.api, "endpoint", url
    settings = {
        "HF_ENDPOINT": url,
        "HUB_DATASETS_URL": url + "/datasets/{repo_id}/resolve/{revision}/{path}",
        "HF_HUB_OFFLINE": False,
        "HF_DATASETS_OFFLINE": False,
        "HF_UPDATE_DOWNLOAD_COUNTS": False,
        "HF_CACHE_HOME": str(home),
        "HF_DATASETS_CACHE": home / "datasets",
        "DOWNLOADED_DATASETS_PATH": home / "datasets" / "downloads",
        "EXTRACTED_DATASETS_PATH": home / "datasets" / "downloads" / "extracted",
    }
    yield from ((datasets.config, name, value) for name, value in settings.items())


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[GoOnline]:
    """``online(server, token, home)`` turns the clients in this process to ``server``.

    It may be called again, for another server, token or home.
    """
    import huggingface_hub
    from huggingface_hub.utils._http import close_session

    def go(server: HubServer, token: str | None, home: Path) -> Path:
        environment = client_environment(server, token, home)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        for place, name, value in read_at_import(environment):
            monkeypatch.setattr(place, name, value)
        forget()
        return home

    def forget() -> None:
        # Connections and listings that the clients keep, and transformers' own client.
        close_session()
        if (client := sys.modules.get("transformers.utils.hub")) is not None:
            vars(client)["_hf_api"] = None
        huggingface_hub.HfFileSystem.clear_instance_cache()

    yield go
    forget()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that ``huggingface_hub`` would have waited before it tried again; it does not."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    waited: list[float] = []
    clock = SimpleNamespace(**{**vars(time), "sleep": waited.append})
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", clock)
    return waited

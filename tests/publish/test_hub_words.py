"""What the Hub says when it refuses reaches the user whole, whatever is being done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synpic.errors import HubUnreachable, PublishError
from synpic.publish import Patience, PublishOptions, publish_to_hub
from synpic.workspace import Workspace
from tests.hub_server import HubServer, Status
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.fixtures import build
from tests.publish.on_hub import MORE, SET, here, publish, trusting, whole, workspace

__all__ = ["here", "hub", "online", "trusting", "waits", "workspace"]

WORDS = "Your storage patterns tripped our internal systems! Write to website@example.org."

STEPS: dict[str, dict[str, Any]] = {
    "whoami": {"path": "/whoami"},
    "rights": {"path": "/auth-check/write"},
    "refs": {"path": "/refs"},
    "tree": {"path": "/tree/"},
    "ways": {"path": "/preupload/"},
    "batch": {"path": "/objects/batch"},
    "put": {"method": "PUT"},
    "branch": {"method": "POST", "path": "/branch/"},
    "first commit": {"path": "/commit/synpic"},
    "copies": {"path": "/paths-info/main"},
    "second commit": {"path": "/commit/main"},
    "tag": {"method": "POST", "path": "/tag/"},
}
BEFORE_ANY_CHANGE = {"whoami", "rights", "refs", "tree"}

ALL = (400, 401, 403, 409, 412, 413, 422, 429, 500, 502, 503, 504)
SOME = (403, 413, 503)


def refused(server: HubServer, grown: Workspace, step: str, status: int) -> str:
    """The whole of what a publish says that meets ``status`` at ``step``, again and again."""
    server.faults.plan(Status(status, WORDS), 0, times=10_000, **STEPS[step])
    with pytest.raises((PublishError, HubUnreachable)) as caught:
        patient = Patience(tries=2, sleep=lambda _: None)
        publish_to_hub(grown, SET, PublishOptions(patience=patient))
    server.faults.clear()
    return f"{caught.value.message}\n{caught.value.hint}"


@pytest.fixture(scope="module")
def made_once() -> list[HubServer]:
    """A Hub, stopped, that holds the first release, once one has been made."""
    return []


@pytest.fixture
def released(
    here: HubServer,
    trusting: None,
    workspace: Workspace,
    made_once: list[HubServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> HubServer:
    """``here``, which holds a first release."""
    if not made_once:
        publish(workspace)
        with HubServer(tmp_path_factory.mktemp("released")) as kept:
            kept.hold_what(here)
        made_once.append(kept)
    else:
        here.hold_what(made_once[0])
    return here


def check(server: HubServer, grown: Workspace, statuses: Any, step: str) -> None:
    for status in statuses:
        said = refused(server, grown, step, status)
        assert WORDS in said, (step, status, said)
        assert ("nothing was changed" in said) == (step in BEFORE_ANY_CHANGE), (status, said)
        found = whole(server)
        assert found is not None
        if step == "tag":
            assert "only the tag v1.1.0 is missing" in said, said
            assert server.repositories[SET].branches["main"] in said
        else:
            assert found["version"] == "1.0.0"
        assert list(server.repositories[SET].tags) == ["v1.0.0"]
    publish(grown)
    assert list(server.repositories[SET].tags) == ["v1.0.0", "v1.1.0"]
    assert list(server.repositories[SET].branches) == ["main"]


@pytest.mark.parametrize("step", STEPS)
def test_the_hub_s_own_words(released: HubServer, tmp_path: Path, step: str) -> None:
    check(released, build(tmp_path / "grown", MORE), SOME, step)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_the_hub_s_own_words_with_every_status(
    released: HubServer, tmp_path: Path, step: str
) -> None:
    check(released, build(tmp_path / "grown", MORE), ALL, step)

"""No token is written to a file or said, by any command, whether it succeeds or fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from synpic import Workspace
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe
from tests.hub_server import HubServer, Status
from tests.hub_server.fixtures import GoOnline, online, waits

__all__ = ["online", "waits"]

TOKEN = "hf_SpeakNoTokenAnywhere0123456789"
OTHER = "wandb-key-0123456789abcdef0123456789abcdef"


@pytest.mark.usefixtures("waits")
def test_no_token_in_files_and_words(
    tmp_path: Path, recipe: MakeRecipe, online: GoOnline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", OTHER)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    with HubServer(tmp_path / "hub", tokens={TOKEN: ("user", "write")}) as hub:
        online(hub, TOKEN, tmp_path / "home")
        # A server that quotes what it was sent.
        hub.faults.plan(Status(403, f"no rights for {TOKEN}"), path="user/nothing", times=99)
        Workspace.create(tmp_path / "set", recipe(prompts=8, more='[publish]\nlicense = "mit"'))
        for code, words in (
            (0, "generate --device cpu --json"),
            (0, "score --device cpu --json"),
            (0, "rank --json"),
            (0, "status --json"),
            (0, "env --json"),
            (0, "publish --to out --json"),
            (0, "publish user/set --json"),
            (0, "verify user/set --json"),
            (0, "versions user/set --json"),
            (0, "export pairs user/set --to folders"),
            (1, "verify user/nothing"),
            (1, "publish other/set"),
            (1, "diff user/set@v9.9.9 user/set"),
        ):
            ended = in_process("-C", tmp_path / "set", *words.split())
            said.append(f"{words}\n{ended.output}{ended.stderr}{ended.exception!r}")
            said.append(str(getattr(ended.exception, "hint", "")))
            assert bool(ended.exit_code) == bool(code), said[-2]
        assert hub.seen(part="user/set"), "the Hub was asked"
        assert {one.token for one in hub.seen(host="hub")} <= {TOKEN, None}
        assert not hub.errors
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "set" / "out" / "manifest.json") in written
    assert any("no rights for [token]" in text for text in said)
    for secret in (TOKEN, OTHER):
        assert not [text for text in said if secret in text]
        assert not [path for path in written if secret.encode() in path.read_bytes()]

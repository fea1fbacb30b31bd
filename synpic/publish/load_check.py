"""Before a commit is tagged: is it what was meant, and does it load in a clean process?

Every file's hash and size are compared with the manifest as the Hub states them, without a
download. Then another process, with empty caches, loads each config by the commit's id, streaming,
and reads a row of every split. Reading everything is ``synpic verify``'s.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from synpic.display import count
from synpic.errors import PublishError
from synpic.hub.client import endpoint
from synpic.hub.repository import Remote
from synpic.publish import load_check_program
from synpic.release.manifest import Manifest

__all__ = ["check_commit"]

_MINUTES = 20
"""How long the process may take. It reads footers and one row group of each split."""


def check_commit(remote: Remote, commit: str, manifest: Manifest, token: str | None = None) -> None:
    """Make sure that ``commit`` is the release that ``manifest`` describes, and that it loads.

    Raises:
        PublishError: it is not, or does not; nothing was tagged.
        HubUnreachable: the Hub did not answer.
    """
    _compare(remote, commit, manifest)
    _load(remote, commit, manifest, token)


def _compare(remote: Remote, commit: str, manifest: Manifest) -> None:
    head = remote.head(commit)
    for path, described in manifest.files.items():
        stored = head.files.get(path)
        if stored is None:
            raise _wrong(remote, commit, f"{path} is not there")
        if stored.bytes != described.bytes:
            said = f"{path} has {count(stored.bytes, 'byte')}, {described.bytes:,} were sent"
            raise _wrong(remote, commit, said)
        if not remote.is_there(head, path, described.model_dump()):
            raise _wrong(remote, commit, f"{path} has another content than was sent")


def _load(remote: Remote, commit: str, manifest: Manifest, token: str | None) -> None:
    shards: dict[str, dict[str, list[str]]] = {}
    for config, splits in manifest.records.items():
        for split in splits:
            prefix = f"{config}/{split}-"
            paths = sorted(path for path in manifest.files if path.startswith(prefix))
            shards.setdefault(config, {})[split] = paths
    asked = {
        "repository": remote.repository,
        "commit": commit,
        "endpoint": endpoint(),
        "records": manifest.records,
        "shards": shards,
    }
    for attempt in itertools.count(1):
        with tempfile.TemporaryDirectory(prefix="synpic-verify-") as home:
            ended = _run(remote, commit, json.dumps(asked), _environment(home, token))
        lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        if ended.returncode != load_check_program.NO_ANSWER:
            break
        remote.patience.wait(remote.subject("loading it"), ConnectionError(lines[-1]), attempt)
    if ended.returncode:
        raise _wrong(remote, commit, f"it does not load: {lines[-1]}")


def _run(
    remote: Remote, commit: str, asked: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            # -P: what lies in the folder one stands in is no module of theirs.
            [sys.executable, "-P", load_check_program.__file__],
            input=asked,
            text=True,
            capture_output=True,
            env=environment,
            timeout=60 * _MINUTES,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _wrong(remote, commit, f"it did not load in {_MINUTES} minutes") from error


def _environment(home: str, token: str | None) -> dict[str, str]:
    """Ours, without what we have cached, and online."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (
            name.startswith("HUGGINGFACE_")
            or (name.startswith("HF_") and name.endswith(("_CACHE", "_OFFLINE", "_HOME")))
        )
    }
    kept |= {"HF_HOME": home, "HF_ENDPOINT": endpoint(), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    if token := _token(token):
        kept["HF_TOKEN"] = token  # a home without caches has no login
    return kept


def _token(given: str | None) -> str | None:
    from huggingface_hub import get_token

    return given or get_token()


def _wrong(remote: Remote, commit: str, what: str) -> PublishError:
    return PublishError(
        f"{remote.repository}: commit {commit[:8]} cannot be verified: {what}",
        hint=f"it is not tagged; look at {remote.page}/tree/{commit}, then publish again",
    )

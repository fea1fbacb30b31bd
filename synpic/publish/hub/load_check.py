"""Before a commit becomes the head of ``main``: does it load in a clean process?

Another process, with empty caches, loads each config by the commit's id, streaming, and reads a row
of every split. Reading everything is ``synpic verify``'s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from synpic.errors import HubUnreachable, PublishError
from synpic.hub.answers import plain, redact
from synpic.hub.client import token_of
from synpic.hub.commits.repository import Remote
from synpic.hub.names import endpoint
from synpic.publish.hub import load_check_program
from synpic.release.manifest import Manifest

__all__ = ["check_loads"]

_MINUTES = 20
"""How long the process may take. It reads footers and one row group of each split."""


def check_loads(remote: Remote, commit: str, manifest: Manifest) -> None:
    """Make sure that ``commit``, which holds what ``manifest`` describes, loads.

    Raises:
        PublishError: it does not, or the Hub refuses a file of it, with the last line of what the
            process printed.
        HubUnreachable: the Hub did not answer, with that line.
    """
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
    attempts = remote.begin("loading it")
    while True:
        watched = remote.patience.watching(remote.subject("loading it"))
        with tempfile.TemporaryDirectory(prefix="synpic-verify-") as home, watched:
            ended = _run(remote, commit, json.dumps(asked), _environment(home, remote.token))
        lines = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        last_line = plain(redact(lines[-1], remote.token))
        if ended.returncode != load_check_program.NO_ANSWER:
            break
        try:
            attempts.wait(ConnectionError(last_line))
        except HubUnreachable as error:
            error.message = f"{error.message}: {last_line}"
            raise
    if ended.returncode:
        raise _wrong(remote, commit, f"it does not load: {last_line}")


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
    if token := token_of(token):
        kept["HF_TOKEN"] = token  # a home without caches has no login
    return kept


def _wrong(remote: Remote, commit: str, what: str) -> PublishError:
    return PublishError(
        f"{remote.repository}: commit {commit[:8]}: {what}",
        hint=f"it is not tagged; look at {remote.page}/tree/{commit}",
    )

"""How a publish to the Hub begins: what may be asked, is there, and is to be done.

``synpic publish`` and its ``--dry-run`` begin with the same questions and refusals. Nothing is
written to the Hub here.
"""

from __future__ import annotations

from dataclasses import dataclass

from synpic.hub.commits.repository import Remote
from synpic.publish.draft import Draft, prepare
from synpic.publish.extra_files import extra_paths
from synpic.publish.hub.preflight import Preflight
from synpic.publish.hub.remote_state import Decision, RemoteState, decide, target
from synpic.publish.options import PublishOptions
from synpic.publish.previous import NOTHING, Previous
from synpic.release.versions import Version
from synpic.workspace import Snapshot, Workspace

__all__ = ["Start", "begin"]


@dataclass(frozen=True, eq=False)
class Start:
    """A publish that may go on.

    Args:
        remote: the repository, at the branch that is to hold the release.
        exists: whether the repository is there.
        draft: the release to be.
        state: what the repository holds.
        decision: the version, and how much is done already.
        preflight: checked against ``state`` unless the release is tagged already.
        previous: what the new card keeps; nothing where the release is tagged already.
    """

    remote: Remote
    exists: bool
    draft: Draft
    state: RemoteState
    decision: Decision
    preflight: Preflight
    previous: Previous


def begin(
    workspace: Workspace | Snapshot,
    repository: str,
    options: PublishOptions,
) -> Start:
    """Ask the Hub, prepare the release, and refuse what would fail later.

    The errors are those of :func:`~.release.publish_to_hub`. A release that is under its tag
    already is refused nothing: there is nothing left to do.
    """
    repository, configs = target(repository, options.configs, options.as_pickapic)
    asked = None if options.version is None else Version.parse(options.version)
    remote = Remote(repository, options.branch, options.token, options.patience)
    exists = remote.require_write()
    draft = prepare(workspace, configs, options.limits, options.flagged)
    state = RemoteState.of(remote) if exists else RemoteState()
    decision = decide(remote, state, draft.manifest, asked, options.allow_older)
    preflight = Preflight(state.readable(remote), draft.shards, extra_paths(draft))
    previous = NOTHING
    if not decision.tagged:
        preflight.require(state.head, state.manifest)
        previous = state.previous(repository)
    return Start(remote, exists, draft, state, decision, preflight, previous)

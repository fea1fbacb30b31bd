"""Runs the server of a study until Ctrl-C."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from synpic.errors import Stopped, SynpicError, WorkspaceError
from synpic.pipeline.inventory import take_inventory
from synpic.study.asking import Asking
from synpic.study.assignments import Assignments
from synpic.study.definition import Study, folder_of, open_study
from synpic.study.own_votes import bind_votes
from synpic.study.pictures import Pictures
from synpic.study.server import make_app
from synpic.web.listening import Listening, listen, run_until_signal
from synpic.workspace import Workspace
from synpic.workspace.votes import Votes

__all__ = ["ServeOptions", "serve", "serving_study"]


@dataclass(frozen=True)
class ServeOptions:
    """Where raters reach the page.

    Args:
        port: None: the one that the study had before, else any free one, which it keeps.
        names: under which raters reach this machine, beside its own.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    names: Collection[str] = ()


def serve(
    workspace: Workspace,
    name: str,
    options: ServeOptions,
    *,
    on_ready: Callable[[str, Study], None] = lambda address, study: None,
    on_signal: Callable[[signal.Signals], object] = lambda number: None,
) -> None:
    """Serve a study until a signal ends it.

    Address and token are the same every time: raters who have them go on.

    Args:
        on_ready: called with the page's address once it answers, and the study.
        on_signal: called with the signal that ends it.

    Raises:
        SynpicError: it cannot listen there.
        WorkspaceError: there is no such study, images of it are gone, it is served already, or the
            votes in its folder are of another.
        Stopped: Ctrl-C, SIGTERM or SIGHUP.
    """
    with serving_study(workspace, name, options) as (listening, study):
        run_until_signal(
            listening, on_ready=lambda address: on_ready(address, study), on_signal=on_signal
        )
    raise Stopped(
        "stopped", hint="votes are kept; `synpic study serve` goes on, `synpic study report` counts"
    )


@contextmanager
def serving_study(
    workspace: Workspace, name: str, options: ServeOptions
) -> Iterator[tuple[Listening, Study]]:
    """A server that is bound and not running yet, and its study; files are closed at the end.

    Raises:
        SynpicError, WorkspaceError: as :func:`serve`.
    """
    study = open_study(workspace, name)
    folder = folder_of(workspace, name)
    inventory = take_inventory(workspace)
    _require_images(study, {*inventory.candidates().select("candidate_id", "sha256").iter_rows()})
    with _alone(folder):
        votes = Votes(folder / "votes.db", create=True)
        assignments = Assignments(folder / "assignments.db")
        try:
            bind_votes(workspace, study, votes, assignments)
            pictures = Pictures(workspace.images(inventory.image_folders()))
            app = make_app(Asking(study, assignments, votes), pictures)
            yield _listen(app, assignments, options), study
        finally:
            votes.close()
            assignments.close()


def _listen(app: object, assignments: Assignments, options: ServeOptions) -> Listening:
    token = assignments.setting("token") or secrets.token_urlsafe(24)
    kept = assignments.setting("port")
    port = options.port if options.port is not None else int(kept or 0)
    try:
        listening = listen(
            app,  # type: ignore[arg-type]
            host=options.host,
            port=port,
            token=token,
            names=options.names,
        )
    except SynpicError as error:
        if options.port is not None or not kept:
            raise
        raise SynpicError(
            f"port {kept}, which this study had before, is not free: {error.message}",
            hint="end what listens there; or --port 0 takes any, and raters need the new address",
        ) from error
    assignments.setting("token", token)
    assignments.setting("port", str(listening.socket.getsockname()[1]))
    return listening


def _require_images(study: Study, there: set[tuple[str, str]]) -> None:
    ids = [*study.by_id, *study.checks_by_id]
    needed = {(one.candidate_id, one.sha256) for id_ in ids for one in study.pictures_of(id_)}
    gone = sorted(needed - there)
    if gone:
        raise WorkspaceError(
            f"study {study.name!r}: {len(gone)} of its {len(needed)} images are not in the "
            f"workspace any more, or have other pixels, candidate {gone[0][0]} among them",
            hint="`synpic status` shows what is there; `synpic study new --name` makes another",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two servers of one study would show raters the same comparisons."""
    lock = FileLock(folder / ".serving")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise WorkspaceError(
            f"{folder}: the study is served already", hint="end the other `synpic study serve`"
        ) from error
    try:
        yield
    finally:
        lock.release()

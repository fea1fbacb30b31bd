"""A trained model on the Hub: the folder that training wrote, in one commit.

Only the files that load the model, its card and what records its training are sent. A publish that
was killed is run again: what the Hub has is not sent twice, and a tag that is missing is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import PublishError
from synpic.hub.commits.commit import Change, commit_onto
from synpic.hub.commits.repository import Head, Remote, blob_id, hashes_of
from synpic.hub.commits.uploads import SAMPLE, Content, new_bytes, require_not_ignored, send
from synpic.hub.names import page_of
from synpic.hub.retry import Patience
from synpic.publish.hub.model_evaluations import ModelEvaluations, read_evaluations
from synpic.publish.hub.released_card import released_card, stale_entries
from synpic.publish.hub.remote_state import require_later
from synpic.publish.hub.trained_folder import WEIGHTS, TrainedFolder, read_trained
from synpic.publish.manifest import describe_bytes
from synpic.readers.display import size
from synpic.release.cards.model_card import load_lines
from synpic.release.cards.training import FACTS
from synpic.release.manifest import CARD, File
from synpic.release.versions import Version

__all__ = ["ModelForecast", "ModelRelease", "forecast_model", "publish_model"]


@dataclass(frozen=True)
class ModelRelease:
    """A model that is on the Hub.

    Args:
        repository: owner/name.
        commit: that holds it.
        tag: of the commit, "v1.0.0"; None without one.
        files: path → bytes, of all of it.
        sent: bytes of the files that the Hub did not have.
        left_out: files of the folder that are no part of a model.
        load: Python that loads it.
        results: what the card's head says of evaluations that were published with it.
        removed: files of the repository that did not hold any more.
    """

    repository: str
    commit: str
    tag: str | None
    files: Mapping[str, int]
    sent: int
    left_out: Sequence[str]
    load: str
    results: Sequence[Mapping[str, Any]] = ()
    removed: Sequence[str] = ()

    @property
    def page(self) -> str:
        """Where people look at it."""
        return f"{page_of(self.repository)}/tree/{self.tag or self.commit}"


@dataclass(frozen=True)
class ModelForecast:
    """What publishing a model would send.

    Args:
        exists: whether the repository is there.
        changes: path → "new", "changed" or "there".
        section: what the card would say of evaluations, as Markdown; "" without any.

    The others are those of :class:`ModelRelease`.
    """

    repository: str
    exists: bool
    files: Mapping[str, int]
    changes: Mapping[str, str]
    sent: int
    left_out: Sequence[str]
    results: Sequence[Mapping[str, Any]] = ()
    removed: Sequence[str] = ()
    section: str = ""


def publish_model(
    folder: str | Path,
    repository: str,
    *,
    version: str | None = None,
    allow_older: bool = False,
    private: bool | None = None,
    evaluations: Sequence[str | Path] = (),
    benchmarks: Sequence[str] = (),
    token: str | None = None,
    patience: Patience | None = None,
) -> ModelRelease:
    """Send the model in ``folder`` to the Hub, in one commit on top of what is there.

    The card is the folder's, with the repository's name in it. Of a card on the Hub, the words
    between the marks ``synpic:yours`` and a licence stay, and so do results of evaluations, where
    the model is the same.

    Args:
        folder: that ``synpic.train.training_loop.train`` wrote.
        repository: owner/name of a model; made if it is not there.
        version: "1.2.0" tags the commit ``v1.2.0``. Under a tag that holds this model already
            there is nothing to do, whatever came to the repository since.
        allow_older: whether ``version`` may be lower than the last one.
        private: for a repository that is made now; one that is there stays as it is.
        evaluations: reports of ``synpic eval``, or workspaces that it read, whose results go into
            the card, in place of those that are there.
        benchmarks: "owner/dataset:task" that a suite is on the Hub, which reads the model's number
            from ``.eval_results``; with "suite=" before it where there are several.
        token: where not given, ``HF_TOKEN`` or that of ``hf auth login``.
        patience: with a Hub that says "not now".

    Raises:
        PublishError: ``folder`` holds no trained model, the token may not write, the version is
            taken, the repository holds other weights or somebody's own card, or an evaluation is
            not whole or not of this model.
        EvaluationError: there is no evaluation, or it is damaged.
        HubUnreachable: the Hub did not answer for too long; run it again.
    """
    model = read_trained(Path(folder))
    found = _evaluations(model, Path(folder), evaluations, benchmarks)
    number = None if version is None else Version.parse(version)
    tag = None if number is None else number.tag
    remote = Remote(repository, token=token, patience=patience, kind="model")
    exists = remote.require_write()
    if exists and private:
        remote.patience.tell(f"{repository} is there already, and stays as open as it is")
    if not exists:
        remote.create(private=private)
    if tag is not None and (tagged := remote.tagged(tag)):
        return _tagged(model, found, remote, tag, tagged)
    if number and not allow_older:
        latest = max(filter(None, map(Version.of_tag, remote.refs().tags)), default=None)
        require_later(repository, number, latest)
    head = remote.head()
    parcel = _pack(model, found, remote, head)
    missing = [path for path in parcel.files if parcel.changes[path] != "there"]
    commit, sent = head.commit, 0
    if missing or parcel.removed:
        operations, hashes, sent = _send(remote, parcel, missing)
        message = f"Release {tag}" if tag else f"Model of {model.about['steps']} steps, by synpic"
        commit = commit_onto(remote, head, Change(operations, hashes, parcel.removed, message))
    if tag:
        remote.tag(tag, commit)
    return ModelRelease(
        repository=repository,
        commit=commit,
        tag=tag,
        files=parcel.sizes,
        sent=sent,
        left_out=model.left_out,
        load=load_lines(model.about, repository),
        results=found.results(remote.page) if found else (),
        removed=parcel.removed,
    )


def forecast_model(
    folder: str | Path,
    repository: str,
    *,
    evaluations: Sequence[str | Path] = (),
    benchmarks: Sequence[str] = (),
    token: str | None = None,
    patience: Patience | None = None,
) -> ModelForecast:
    """What :func:`publish_model` would send; nothing is sent or made.

    Raises:
        PublishError, EvaluationError, HubUnreachable: as there.
    """
    model = read_trained(Path(folder))
    found = _evaluations(model, Path(folder), evaluations, benchmarks)
    remote = Remote(repository, token=token, patience=patience, kind="model")
    exists = remote.require_write()
    parcel = _pack(model, found, remote, remote.head() if exists else Head("", {}))
    return ModelForecast(
        repository=repository,
        exists=exists,
        files=parcel.sizes,
        changes=parcel.changes,
        sent=new_bytes(remote, parcel.changed()) if exists else sum(parcel.sizes.values()),
        left_out=model.left_out,
        results=found.results(remote.page) if found else (),
        removed=parcel.removed,
        section=found.section if found else "",
    )


def _evaluations(
    model: TrainedFolder, folder: Path, places: Sequence[str | Path], benchmarks: Sequence[str]
) -> ModelEvaluations | None:
    return read_evaluations(places, benchmarks, model.described[FACTS].sha256, folder)


def _tagged(
    model: TrainedFolder,
    found: ModelEvaluations | None,
    remote: Remote,
    tag: str,
    commit: str,
) -> ModelRelease:
    """The model under a tag that is there, if it is this one.

    Raises:
        PublishError: it is another one.
    """
    parcel = _pack(model, found, remote, remote.at_commit(commit))
    other = [path for path, change in parcel.changes.items() if change != "there"]
    other += parcel.removed
    if other:
        raise PublishError(
            f"{remote.repository}: {tag} is taken, by commit {commit[:8]}, which has another "
            f"{other[0]}",
            hint="publish under another version; tags are never moved",
        )
    return ModelRelease(
        repository=remote.repository,
        commit=commit,
        tag=tag,
        files=parcel.sizes,
        sent=0,
        left_out=model.left_out,
        load=load_lines(model.about, remote.repository),
        results=found.results(remote.page) if found else (),
    )


def _send(
    remote: Remote, parcel: _Parcel, missing: Sequence[str]
) -> tuple[list[Any], dict[str, Sequence[str]], int]:
    """Upload ``missing``: the operations of the commit, hashes by path, bytes new to the Hub."""
    operations, hashes, new = [], {}, 0
    for path in missing:
        remote.patience.tell(f"sending {path}, {size(parcel.sizes[path])}")
        sent = send(remote, {path: parcel.files[path]})[path]
        operations.append(sent.operation)
        hashes[path] = parcel.hashes(path)
        new += sent.new
    return operations, hashes, new


@dataclass(frozen=True)
class _Parcel:
    """Path → what is to be there, its size and SHA-256, and how that differs from the Hub's.

    ``removed``: what is not to be there any more.
    """

    files: Mapping[str, Path | bytes]
    described: Mapping[str, File]
    changes: Mapping[str, str]
    removed: Sequence[str]

    @property
    def sizes(self) -> dict[str, int]:
        return {path: described.bytes for path, described in self.described.items()}

    def changed(self) -> dict[str, Content]:
        """The files that the repository does not hold as they are to be."""
        return {
            path: Content(described.sha256, described.bytes, self._start(path))
            for path, described in self.described.items()
            if self.changes[path] != "there"
        }

    def _start(self, path: str) -> bytes:
        content = self.files[path]
        if isinstance(content, bytes):
            return content[:SAMPLE]
        with content.open("rb") as stream:
            return stream.read(SAMPLE)

    def hashes(self, path: str) -> Sequence[str]:
        content, described = self.files[path], self.described[path]
        if isinstance(content, bytes):
            return described.sha256, blob_id(content)
        return hashes_of(content, described.model_dump())


def _pack(
    model: TrainedFolder, found: ModelEvaluations | None, remote: Remote, head: Head
) -> _Parcel:
    foreign = sorted(
        path
        for path in head.files
        if path.endswith((WEIGHTS, "model_index.json")) and path not in model.files
    )
    if foreign:
        raise PublishError(
            f"{remote.repository} holds a {foreign[0]} that this model has not",
            hint=f"delete it at {remote.page}/tree/main, or publish to another repository: two "
            "models in one would be read as one",
        )
    if any(path.rpartition("/")[2] == ".gitignore" for path in head.files):
        sizes = {name: path.stat().st_size for name, path in model.files.items()}
        require_not_ignored(remote, sizes)
    made = {CARD: released_card(model, remote, head, found).encode()}
    made |= found.entries(remote.page) if found else {}
    files: dict[str, Path | bytes] = {**model.files, **made}
    described = {**model.described, **{path: describe_bytes(data) for path, data in made.items()}}

    def change(path: str) -> str:
        if remote.is_there(head, path, described[path].model_dump()):
            return "there"
        return "changed" if path in head.files else "new"

    changes = {path: change(path) for path in files}
    return _Parcel(files, described, changes, stale_entries(model, remote, head, found))

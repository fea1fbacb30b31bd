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
from synpic.publish.hub.remote_state import require_later
from synpic.publish.manifest import describe_bytes, describe_file
from synpic.publish.previous import decode_card, parse_previous, yours_block
from synpic.readers.display import size
from synpic.readers.safetensors_header import read_header
from synpic.release.cards.model_card import load_lines, render_card
from synpic.release.cards.training import FACTS, read_training
from synpic.release.manifest import CARD, File
from synpic.release.versions import Version

__all__ = ["ModelForecast", "ModelRelease", "forecast_model", "publish_model"]

_SENT = {".jinja", ".json", ".md", ".model", ".safetensors", ".txt"}
"""Kinds of files of which a model that diffusers saved consists. No pickles: they run code."""

_WEIGHTS = ".safetensors"


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
    """

    repository: str
    commit: str
    tag: str | None
    files: Mapping[str, int]
    sent: int
    left_out: Sequence[str]
    load: str

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

    The others are those of :class:`ModelRelease`.
    """

    repository: str
    exists: bool
    files: Mapping[str, int]
    changes: Mapping[str, str]
    sent: int
    left_out: Sequence[str]


def publish_model(
    folder: str | Path,
    repository: str,
    *,
    version: str | None = None,
    allow_older: bool = False,
    private: bool | None = None,
    token: str | None = None,
    patience: Patience | None = None,
) -> ModelRelease:
    """Send the model in ``folder`` to the Hub, in one commit on top of what is there.

    The card is the folder's, with the repository's name in it. Of a card on the Hub, the words
    between the marks ``synpic:yours`` and a licence stay.

    Args:
        folder: that ``synpic.train.training_loop.train`` wrote.
        repository: owner/name of a model; made if it is not there.
        version: "1.2.0" tags the commit ``v1.2.0``. Under a tag that holds this model already
            there is nothing to do, whatever came to the repository since.
        allow_older: whether ``version`` may be lower than the last one.
        private: for a repository that is made now; one that is there stays as it is.
        token: where not given, ``HF_TOKEN`` or that of ``hf auth login``.
        patience: with a Hub that says "not now".

    Raises:
        PublishError: ``folder`` holds no trained model, the token may not write, the version is
            taken, or the repository holds other weights or somebody's own card.
        HubUnreachable: the Hub did not answer for too long; run it again.
    """
    model = _read(Path(folder))
    number = None if version is None else Version.parse(version)
    tag = None if number is None else number.tag
    remote = Remote(repository, token=token, patience=patience, kind="model")
    exists = remote.require_write()
    if exists and private:
        remote.patience.tell(f"{repository} is there already, and stays as open as it is")
    if not exists:
        remote.create(private=private)
    if tag is not None and (tagged := remote.tagged(tag)):
        return _tagged(model, remote, tag, tagged)
    if number and not allow_older:
        latest = max(filter(None, map(Version.of_tag, remote.refs().tags)), default=None)
        require_later(repository, number, latest)
    head = remote.head()
    parcel = _pack(model, remote, head)
    missing = [path for path in parcel.files if parcel.changes[path] != "there"]
    commit, sent = head.commit, 0
    if missing:
        operations, hashes, sent = _send(remote, parcel, missing)
        message = f"Release {tag}" if tag else f"Model of {model.about['steps']} steps, by synpic"
        commit = commit_onto(remote, head, Change(operations, hashes, [], message))
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
    )


def forecast_model(
    folder: str | Path,
    repository: str,
    *,
    token: str | None = None,
    patience: Patience | None = None,
) -> ModelForecast:
    """What :func:`publish_model` would send; nothing is sent or made.

    Raises:
        PublishError, HubUnreachable: as there.
    """
    model = _read(Path(folder))
    remote = Remote(repository, token=token, patience=patience, kind="model")
    exists = remote.require_write()
    parcel = _pack(model, remote, remote.head() if exists else Head("", {}))
    return ModelForecast(
        repository=repository,
        exists=exists,
        files=parcel.sizes,
        changes=parcel.changes,
        sent=new_bytes(remote, parcel.changed()) if exists else sum(parcel.sizes.values()),
        left_out=model.left_out,
    )


def _tagged(model: _Model, remote: Remote, tag: str, commit: str) -> ModelRelease:
    """The model under a tag that is there, if it is this one.

    Raises:
        PublishError: it is another one.
    """
    parcel = _pack(model, remote, remote.at_commit(commit))
    other = [path for path, change in parcel.changes.items() if change != "there"]
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
class _Model:
    """A trained model's folder: files to send by their paths in it, and what it says of itself."""

    files: Mapping[str, Path]
    described: Mapping[str, File]
    left_out: Sequence[str]
    about: Mapping[str, Any]


def _read(folder: Path) -> _Model:
    facts = folder / FACTS
    if not facts.is_file():
        inner = (folder / "model" / FACTS).is_file()
        raise PublishError(
            f"{folder} holds no model that synpic trained: it has no {FACTS}",
            hint=f"the model is in {folder / 'model'}"
            if inner
            else "name the folder `model` of a run; `hf upload` sends any folder",
        )
    hint = "it is damaged, or another version of synpic wrote it; run `synpic train` again"
    try:
        data = facts.read_bytes()
    except OSError as error:
        raise PublishError(f"{facts} cannot be read: {error.strerror or error}", hint=hint) from (
            error
        )
    about = read_training(data, str(facts), error=PublishError, hint=hint)
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    sent = {
        name.as_posix(): path
        for name, path in sorted(found.items())
        if path.suffix in _SENT and not any(part.startswith(".") for part in name.parts)
    }
    for name, path in sent.items():
        if name.endswith(_WEIGHTS):
            read_header(path, error=PublishError, hint="run `synpic train` again: it goes on")
    if not any(name.endswith(_WEIGHTS) for name in sent):
        raise PublishError(
            f"{folder} holds no weights ({_WEIGHTS})", hint="run `synpic train` again: it goes on"
        )
    if CARD not in sent:
        raise PublishError(f"{folder} has no {CARD}", hint="run `synpic train` again, or write one")
    _card_text(sent[CARD])  # before anything is asked of the Hub
    left_out = sorted(name.as_posix() for name in found if name.as_posix() not in sent)
    described = {name: describe_file(path) for name, path in sent.items()}
    _require_recorded(folder, described, about["files"])
    return _Model(sent, described, left_out, about)


def _require_recorded(
    folder: Path, described: Mapping[str, File], recorded: Mapping[str, Mapping[str, Any]]
) -> None:
    """Hold the files of a model to the hashes that its training recorded.

    Raises:
        PublishError: one is gone or another, or there are weights that training did not write.
    """
    hint = (
        f"delete {folder} and run `synpic train` again: it makes the model from its last "
        "checkpoint; `hf upload` sends any folder"
    )
    for name, file in recorded.items():
        if name not in described:
            raise PublishError(f"{folder / name} is missing, which {FACTS} records", hint=hint)
        if described[name].sha256 != file["sha256"]:
            raise PublishError(
                f"{folder / name} is not what was trained: it does not have the SHA-256 that "
                f"{FACTS} records, key files.{name}",
                hint=hint,
            )
    for name in described:
        if name.endswith(_WEIGHTS) and name not in recorded:
            raise PublishError(
                f"{folder / name}: training did not write it, and {FACTS} records no such file",
                hint=f"move it out of {folder}",
            )


@dataclass(frozen=True)
class _Parcel:
    """Path → what is to be there, its size and SHA-256, and how that differs from the Hub's."""

    files: Mapping[str, Path | bytes]
    described: Mapping[str, File]
    changes: Mapping[str, str]

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


def _pack(model: _Model, remote: Remote, head: Head) -> _Parcel:
    foreign = sorted(
        path
        for path in head.files
        if path.endswith((_WEIGHTS, "model_index.json")) and path not in model.files
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
    files: dict[str, Path | bytes] = dict(model.files)
    card = files[CARD] = _card(model, remote, head).encode()
    described = {**model.described, CARD: describe_bytes(card)}

    def change(path: str) -> str:
        if remote.is_there(head, path, described[path].model_dump()):
            return "there"
        return "changed" if path in head.files else "new"

    return _Parcel(files, described, {path: change(path) for path in files})


def _card_text(file: Path) -> str:
    """The folder's card.

    Raises:
        PublishError: it cannot be read, or is not UTF-8.
    """
    try:
        return decode_card(file.read_bytes(), str(file))
    except OSError as error:
        raise PublishError(
            f"{file} cannot be read: {error.strerror or error}",
            hint="make it readable, or run `synpic train` again",
        ) from error


def _card(model: _Model, remote: Remote, head: Head) -> str:
    """The folder's card, speaking of the repository, with what stays of the card that is there."""
    card = _card_text(model.files[CARD])
    if card == render_card(model.about):  # else somebody has edited it, and means it so
        card = render_card(model.about, remote.repository)
    if CARD not in head.files:
        return card
    where = f"{remote.repository}/{CARD}"
    published = decode_card(remote.read(CARD, head.commit), where)
    before, now = parse_previous(published, where), parse_previous(card, CARD)
    if before.prose is None and before.body.strip() and published != card:
        raise PublishError(
            f"{where} was not written by synpic",
            hint="put what is to stay between the lines `<!-- synpic:yours -->` and "
            "`<!-- /synpic:yours -->`; the rest of a card is written anew",
        )
    if before.prose is not None and now.prose is not None:
        card = card.replace(yours_block(now.prose), yours_block(before.prose), 1)
    if "license" in before.written and now.head.get("license") == "unknown":
        card = card.replace(now.written["license"], before.written["license"], 1)
    return card

"""``study.json``: what a study asks. It is written once, and votes refer to it by ids.

The file holds a hash of the rest of it (``sha256``): a study that was edited is another study.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from synpic import ids
from synpic.errors import NewerSchema, StorageError, WorkspaceError, did_you_mean
from synpic.readers.json_models import Record, parse_json, validate
from synpic.study.questions import StudyQuestion
from synpic.workspace import Workspace
from synpic.workspace.alone import alone

__all__ = [
    "CheckPair",
    "ComparedPair",
    "ShownImage",
    "Study",
    "folder_of",
    "open_study",
    "require_new",
    "study_names",
    "votes_path",
    "write_study",
]

VERSION = 1
_HEX32 = r"\A[0-9a-f]{32}\z"


class ShownImage(Record, extra="forbid"):
    """An image of the workspace."""

    candidate_id: str = Field(pattern=_HEX32)
    sha256: str = Field(pattern=r"\A[0-9a-f]{64}\z")
    model: str


class ComparedPair(Record, extra="forbid"):
    """Two images of one prompt. ``first`` and ``second`` are no sides: those are random for
    each rater."""

    id: str
    prompt_id: str = Field(pattern=_HEX32)
    first: ShownImage
    second: ShownImage


class CheckPair(Record, extra="forbid"):
    """An image of a prompt, and one of another prompt, shown as if both were of the first."""

    id: str
    prompt_id: str = Field(pattern=_HEX32)
    own: ShownImage
    foreign: ShownImage


class Study(Record, extra="forbid"):
    """A study.

    Args:
        seed: decides the comparisons, and what raters are shown when.
        repeats, checks: how many a rater gets, as shares of its real comparisons.
        per_rater: the most real comparisons for one rater; None for all.
        prompts: prompt_id → text.
    """

    schema_version: int = VERSION
    name: str
    seed: int = Field(ge=0)
    questions: list[StudyQuestion] = Field(min_length=1)
    repeats: float = Field(ge=0, le=1)
    checks: float = Field(ge=0, le=1)
    per_rater: int | None = Field(default=None, ge=1)
    prompts: dict[str, str]
    comparisons: list[ComparedPair] = Field(min_length=1)
    check_comparisons: list[CheckPair]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        every: list[ComparedPair | CheckPair] = [*self.comparisons, *self.check_comparisons]
        if len({one.id for one in every}) < len(every):
            raise ValueError("two comparisons have one id")
        for one in every:
            if one.prompt_id not in self.prompts:
                raise ValueError(f"comparison {one.id}: prompt {one.prompt_id} is not in prompts")
        return self

    @cached_property
    def by_id(self) -> Mapping[str, ComparedPair]:
        """The comparisons, without checks."""
        return {one.id: one for one in self.comparisons}

    @cached_property
    def checks_by_id(self) -> Mapping[str, CheckPair]:
        """The checks."""
        return {one.id: one for one in self.check_comparisons}

    @cached_property
    def question_by_name(self) -> Mapping[str, StudyQuestion]:
        """The questions."""
        return {one.name: one for one in self.questions}

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits of all of it."""
        return ids.fingerprint(self.model_dump())

    @property
    def models(self) -> list[str]:
        """Names of the models that are compared, sorted."""
        return sorted({p.model for one in self.comparisons for p in (one.first, one.second)})

    def pictures_of(self, comparison: str) -> tuple[ShownImage, ShownImage]:
        """The two images of a comparison, or of a check.

        Raises:
            KeyError: there is none of that id.
        """
        if comparison in self.by_id:
            found = self.by_id[comparison]
            return found.first, found.second
        check = self.checks_by_id[comparison]
        return check.own, check.foreign

    def prompt_of(self, comparison: str) -> str:
        """The text of a comparison's prompt.

        Raises:
            KeyError: there is none of that id.
        """
        found = self.by_id.get(comparison) or self.checks_by_id[comparison]
        return self.prompts[found.prompt_id]


def study_names(workspace: Workspace) -> list[str]:
    """Names of the studies of a workspace, sorted."""
    return [n for n in workspace.store.list("study") if workspace.store.exists(_file(n))]


def folder_of(workspace: Workspace, name: str) -> Path:
    """The folder of a study.

    Raises:
        StorageError: the workspace is no folder of this machine: votes are in SQLite, which needs
            one.
    """
    if not workspace.store.is_local:
        raise StorageError(
            f"{workspace.store}: a study needs a folder of this machine, and that is an address",
            hint="make a workspace in a folder from it: `synpic merge`",
        )
    return Path(workspace.store.path(f"study/{name}"))


def open_study(workspace: Workspace, name: str) -> Study:
    """The study called ``name``.

    Raises:
        WorkspaceError: there is none, or its file is damaged.
        NewerSchema: a later synpic wrote it.
    """
    names = study_names(workspace)
    if name not in names:
        raise WorkspaceError(
            f"{workspace.store} has no study {name!r}.{did_you_mean(name, names)}",
            hint=f"studies here: {', '.join(names) or 'none'}; `synpic study new` makes one",
        )
    where = workspace.store.path(_file(name))
    hint = "restore it from a copy: votes refer to it"
    found = parse_json(workspace.store.read(_file(name)), where, error=WorkspaceError, hint=hint)
    version = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise NewerSchema(
            f"{where}: schema_version is {version}, and this synpic reads {VERSION}",
            hint="a later synpic wrote it: update synpic",
        )
    written = found.pop("sha256", None) if isinstance(found, dict) else None
    study = validate(Study, found, where, WorkspaceError, hint)
    if written != study.fingerprint:
        raise WorkspaceError(
            f"{where}: it is not what was written: sha256 is {written!r}, and that of the rest is "
            f"{study.fingerprint!r}",
            hint="restore it from a copy: votes refer to it; or make another with --name",
        )
    return study


def write_study(workspace: Workspace, study: Study) -> Path:
    """Write a new study, whole or not at all; the path of its file.

    Raises:
        WorkspaceError: there is one of that name.
        StorageError: it cannot be written.
    """
    folder = folder_of(workspace, study.name)
    found = {**study.model_dump(), "sha256": study.fingerprint}
    text = json.dumps(found, ensure_ascii=False, indent=1)
    with alone(workspace.store, _file(study.name)):
        require_new(workspace, study.name)
        workspace.store.write(_file(study.name), text.encode() + b"\n")
    return folder / "study.json"


def votes_path(workspace: Workspace, name: str) -> Path:
    """The file of a study's votes.

    Raises:
        WorkspaceError: there is none yet.
    """
    path = folder_of(workspace, name) / "votes.db"
    if not path.exists():
        raise WorkspaceError(
            f"study {name!r} has no votes yet: there is no {path}",
            hint="`synpic study serve` shows it to raters",
        )
    return path


def require_new(workspace: Workspace, name: str) -> None:
    """Refuse the name of a study that is there.

    Raises:
        WorkspaceError: there is one.
    """
    if name in study_names(workspace):
        raise WorkspaceError(
            f"--name {name}: {workspace.store} has that study, and votes refer to it",
            hint=f"choose another --name; or move {workspace.store.path(f'study/{name}')} away",
        )


def _file(name: str) -> str:
    return f"study/{name}/study.json"

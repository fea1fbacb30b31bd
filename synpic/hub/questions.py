"""What is asked of the Hub's API, and the form of each answer.

The client takes answers as they come: what should be a path, a commit or a size becomes a folder, a
file or an offset, whatever it is. Here each has its form, for every library that asks.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from synpic.hub.answers import NotTheHub
from synpic.hub.names import is_commit, is_inner_path

__all__ = ["Question", "commit", "content_hash", "inner_path", "question"]


def commit(found: object) -> str:
    """``found``, which has to be the id of a commit.

    Raises:
        NotTheHub: it is not.
    """
    if not is_commit(found):
        raise NotTheHub(f"it names a commit {found!r:.200}, one is 40 hexadecimal digits")
    return str(found)


def inner_path(found: object) -> str:
    """``found``, which has to be the path of a file in a repository.

    Raises:
        NotTheHub: it is not, or leads out of the repository.
    """
    if not is_inner_path(found):
        raise NotTheHub(f"it names a file {found!r:.200}")
    return str(found)


def content_hash(found: object) -> str:
    """``found``, which has to be a hash by which the Hub knows a file: SHA-1 or SHA-256.

    Raises:
        NotTheHub: it is not.
    """
    if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", found):
        raise NotTheHub(f"it names a file's content {found!r:.200}")
    return found


_Commit = Annotated[str, BeforeValidator(commit)]
_Hash = Annotated[str, BeforeValidator(content_hash)]
_Path = Annotated[str, BeforeValidator(inner_path)]
_Size = Annotated[int, Field(ge=0, lt=2**63)]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)


class _Pointer(_Answer):
    oid: _Hash | None = None
    sha256: _Hash | None = None
    size: _Size


class _Sibling(_Answer):
    rfilename: _Path
    size: _Size | None = None
    blobId: _Hash | None = None  # noqa: N815
    lfs: _Pointer | None = None


class _Info(_Answer):
    sha: _Commit
    siblings: list[_Sibling] | None = None


class _Entry(_Answer):
    type: str
    path: _Path
    oid: _Hash
    size: _Size = 0
    lfs: _Pointer | None = None


class _Ref(_Answer):
    name: str
    ref: str
    targetCommit: _Commit  # noqa: N815


class _Refs(_Answer):
    branches: list[_Ref]
    tags: list[_Ref]


class _Past(_Answer):
    id: _Commit
    date: str
    title: str


class _Made(_Answer):
    commitOid: _Commit  # noqa: N815


class _Mode(_Answer):
    path: str
    uploadMode: str  # noqa: N815
    shouldIgnore: bool = False  # noqa: N815


class _Modes(_Answer):
    files: list[_Mode]


class _Who(_Answer):
    name: str


class _Action(_Answer):
    href: str
    header: dict[str, Any] = {}


class _Object(_Answer):
    oid: _Hash
    size: _Size = 0
    actions: dict[str, _Action] | None = None
    error: dict[str, Any] | None = None


class _Batch(_Answer):
    objects: list[_Object]


class Question:
    """A kind of question: its method, its path, and the form of its answer."""

    def __init__(self, method: str, path: str, form: Any) -> None:
        self._method = method
        self._path = re.compile(path)
        self._form: TypeAdapter[Any] = TypeAdapter(form)

    def is_asked(self, method: str, url: str) -> bool:
        """Whether a request with this method to this URL asks it."""
        return method == self._method and bool(self._path.fullmatch(urlsplit(url).path))

    def check(self, content: bytes) -> None:
        """Hold an answer to its form.

        Raises:
            NotTheHub: it has another one.
        """
        try:
            self._form.validate_python(json.loads(content))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise NotTheHub(f"{place or 'it'}: {first['msg']}: {first['input']!r:.100}") from error
        except (ValueError, RecursionError) as error:
            raise NotTheHub(f"no JSON that can be read ({str(error)[:100]})") from error


_REPOSITORY = "/api/(?:models|datasets|spaces)/[^/]+(?:/[^/]+)?"

_QUESTIONS = (
    Question("GET", rf"{_REPOSITORY}/tree/.+", list[_Entry]),
    Question("POST", rf"{_REPOSITORY}/paths-info/.+", list[_Entry]),
    Question("GET", rf"{_REPOSITORY}/refs", _Refs),
    Question("GET", rf"{_REPOSITORY}/commits/.+", list[_Past]),
    Question("POST", rf"{_REPOSITORY}/commit/.+", _Made),
    Question("POST", rf"{_REPOSITORY}/preupload/.+", _Modes),
    Question("GET", "/api/whoami-v2", _Who),
    Question("POST", r"/.+\.git/info/lfs/objects/batch", _Batch),
    Question("GET", rf"{_REPOSITORY}(?:/revision/[^/]+)?/?", _Info),
)


def question(method: str, url: str) -> Question | None:
    """The question that a request asks; None for all that are not of the API."""
    return next((one for one in _QUESTIONS if one.is_asked(method, url)), None)

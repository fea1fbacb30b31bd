"""Names on the Hub: its address, the pages of repositories, revisions, paths of files.

What a server names is checked here before it becomes a path: a commit is 40 hexadecimal digits, and
a file's path stays inside its repository.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from synpic.errors import ReleaseError

__all__ = [
    "PUBLIC",
    "endpoint",
    "is_commit",
    "is_inner_path",
    "page_of",
    "parse_name",
    "shown_endpoint",
]

PUBLIC = "https://huggingface.co"
"""The Hub itself, without ``HF_ENDPOINT``."""


def endpoint() -> str:
    """The address of the Hub: ``HF_ENDPOINT`` as it is now, else the public one.

    It may hold a password; messages use :func:`shown_endpoint`.
    """
    return os.environ.get("HF_ENDPOINT", PUBLIC).rstrip("/")


def shown_endpoint() -> str:
    """:func:`endpoint` without user and password."""
    try:
        parts = urlsplit(endpoint())
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # "http://[": the client refuses it with words of its own
        return endpoint().rpartition("@")[2]


def page_of(name: str, kind: str = "model") -> str:
    """The page of a repository.

    Args:
        kind: "model", "dataset" or "space".
    """
    return f"{shown_endpoint()}/{'' if kind == 'model' else f'{kind}s/'}{name}"


def parse_name(text: str) -> tuple[str, str | None]:
    """ "user/name@v1.2.0" → ("user/name", "v1.2.0"); without "@", the second is None.

    Raises:
        ReleaseError: it cannot be the name of a repository.
    """
    name, at, revision = text.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII) or (at and not revision):
        raise ReleaseError(
            f"{text!r}: there is no such folder, and it is no name of a dataset on the Hub",
            hint="a folder has a manifest.json; a name on the Hub is written user/name or "
            "user/name@v1.2.0",
        )
    return name, revision or None


def is_commit(found: object) -> bool:
    """Whether ``found`` is the id of a commit: 40 lower-case hexadecimal digits."""
    return isinstance(found, str) and re.fullmatch("[0-9a-f]{40}", found, re.ASCII) is not None


def is_inner_path(found: object) -> bool:
    """Whether ``found`` is a relative path with "/" that stays in the folder it starts from."""
    if not isinstance(found, str) or not found or "\0" in found or "\\" in found:
        return False
    path = PurePosixPath(found)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == found

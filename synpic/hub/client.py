"""A dataset's name on the Hub → the commit it stands for; and what can be wrong with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from synpic.errors import HubUnreachable, ReleaseError, SynpicError, did_you_mean
from synpic.hub.retry import no_answer, status_of, transient

__all__ = [
    "WAITS",
    "ask",
    "endpoint",
    "explain",
    "is_missing",
    "is_of_the_hub",
    "parse_name",
    "resolve",
]

T = TypeVar("T")

WAITS = (1.0, 2.0, 4.0)
"""Seconds before a question is asked again."""

_HUB = "https://huggingface.co"


def endpoint() -> str:
    """The address of the Hub: ``HF_ENDPOINT`` as it is now, else the public one."""
    return os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")


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


def resolve(repository: str, revision: str | None, token: str | None) -> str:
    """The commit that ``revision`` (None: the default branch) of a dataset is now.

    Raises:
        ReleaseError: there is no such dataset or revision, or it may not be read.
        HubUnreachable: the Hub did not answer.
    """
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint(), token=token)
    try:
        info = ask(lambda: api.dataset_info(repository, revision=revision))
    except Exception as error:
        # No network, offline mode, 5xx: the client's errors are not one family across its versions.
        raise explain(error, repository, revision, token) from error
    if not info.sha:
        raise ReleaseError(
            f"{repository}: the Hub named no commit", hint=f"see {_page(repository)}"
        )
    return info.sha


def ask(act: Callable[[], T]) -> T:
    """``act()``; after each of :data:`WAITS` again, if it failed for a reason that may pass.

    The client itself tries again where it reads the bytes of a file, and hardly elsewhere.

    Raises:
        Exception: what ``act`` raises in the end; :func:`explain` has words for it.
    """
    for seconds in WAITS:
        try:
            return act()
        except Exception as error:  # several libraries; their errors have no other ancestor
            if not transient(error):
                raise
        sleep(seconds)
    return act()


def is_of_the_hub(error: Exception) -> bool:
    """Whether ``error`` came of speaking with the Hub: it refused, or there was no answer."""
    from huggingface_hub import errors

    return isinstance(error, (*no_answer(), errors.LocalTokenNotFoundError))


def is_missing(error: Exception) -> bool:
    """Whether the Hub says that it has no such file."""
    from huggingface_hub import errors

    return isinstance(error, FileNotFoundError | errors.EntryNotFoundError)


def explain(
    error: Exception, repository: str, revision: str | None, token: str | None
) -> SynpicError:
    """What the Hub's client raised on a dataset, in words; to be raised by the caller."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = _page(repository)
    if isinstance(error, GatedRepoError):
        return ReleaseError(
            f"{repository} is gated", hint=f"accept its terms at {page}, then `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        tags = _tags(repository, token)
        return ReleaseError(
            f"{repository} has no revision {revision!r}.{did_you_mean(revision or '', tags)}",
            hint=f"its tags: {', '.join(tags)}" if tags else f"it has no tags; see {page}",
        )
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        return ReleaseError(
            f"there is no dataset {repository!r} on the Hub, and no folder of that name",
            hint=f"see {page}; a private one needs `hf auth login`, or HF_TOKEN",
        )
    status = status_of(error)
    if status in (401, 403):
        return ReleaseError(
            f"{repository}: the Hub refuses the token",
            hint="`hf auth login` again, or set HF_TOKEN to one that may read it",
        )
    reason = f"it says {status}" if status else type(error).__name__
    return HubUnreachable(
        f"{repository}: the Hub cannot be reached ({reason})",
        hint="run it again when connected; to work without a connection, fetch it once with "
        f"`hf download --repo-type dataset {repository} --local-dir DIR`, and name DIR",
    )


def _tags(repository: str, token: str | None) -> list[str]:
    """The tags of a dataset, the highest first; none if they are not to be had."""
    from huggingface_hub import HfApi

    try:
        refs = HfApi(endpoint=endpoint(), token=token).list_repo_refs(
            repository, repo_type="dataset"
        )
    except Exception:  # it would have helped with another error, and must not hide that one
        return []
    return sorted((ref.name for ref in refs.tags), reverse=True)


def _page(repository: str) -> str:
    return f"{endpoint()}/datasets/{repository}"

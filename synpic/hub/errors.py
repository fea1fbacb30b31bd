"""What the Hub's client raises → one of synpic's errors, with the server's own words in it.

This is the one translation, and the one place that makes a ``HubUnreachable``. A caller says what
the Hub was asked for, and which error it wants, in a :class:`Subject`::

    subject = Subject("user/set", "v1.0.0", "dataset", ReleaseError)
    try:
        answer = api.dataset_info(...)
    except Exception as error:
        explained = explain(error, subject)
        if explained is None:  # not of the Hub: a bug, a full disk
            raise
        raise explained from error

``synpic.hub.retry.ask(subject, act)`` does just that, and tries again first. Code that writes
to a repository adds what was being done, and a hint of its own::

    Subject(name, branch, kind, PublishError, doing="tagging v1.0.0",
            hint="the commit is there; only the tag is missing")
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from synpic.errors import CheckpointError, HubUnreachable, SynpicError, causes, did_you_mean
from synpic.hub.answers import (
    NotTheHub,
    never_passes,
    no_answer,
    plain,
    redact,
    status_of,
    transient,
    words_of,
    wrong_size,
)
from synpic.hub.names import page_of, shown_endpoint

__all__ = ["Subject", "explain", "explain_library", "is_gated", "is_missing", "is_of_the_hub"]


@dataclass(frozen=True)
class Subject:
    """What the Hub is asked for, and how to speak of it.

    Args:
        name: owner/name.
        revision: a branch, tag or commit; None for the default branch.
        kind: "model" or "dataset".
        error: what is raised when the Hub refuses; no answer is always a ``HubUnreachable``.
        doing: what was being done, as "tagging v1.0.0"; follows the name in messages.
        hint: what to do after a refusal, where nothing better follows from the refusal itself.
        unanswered: what to do when there is no answer.
        token: in use; it is taken out of messages.
        tags: gives the names of the repository's tags, for a revision that is not there.
    """

    name: str
    revision: str | None = None
    kind: str = "model"
    error: type[SynpicError] = CheckpointError
    doing: str | None = None
    hint: str | None = None
    unanswered: str | None = None
    token: str | None = field(default=None, repr=False)
    tags: Callable[[], Sequence[str]] | None = field(default=None, repr=False)

    @property
    def page(self) -> str:
        """Where people look at it."""
        return page_of(self.name, self.kind)

    @property
    def what(self) -> str:
        """How a message begins: the name, and what was being done."""
        return f"{self.name}: {self.doing}" if self.doing else self.name


def explain(error: Exception, subject: Subject, *, tries: int = 1) -> SynpicError | None:
    """What ``error`` means for ``subject``; to be raised by the caller, ``from error``.

    The server's own words are always part of the message, whole; ours stand beside them. No token
    is: neither one that was sent nor one that the server quotes.

    Args:
        error: what the client raised, or a library that wrapped it.
        tries: how often the same was tried in a row.

    Returns:
        ``subject.error`` where the Hub refuses, ``HubUnreachable`` where there is no answer or not
        one of the Hub's; None where the error is not about the Hub.
    """
    met = _decisive(error)
    if isinstance(met, SynpicError):
        return met
    if isinstance(met, (NotTheHub, *_no_metadata())) or wrong_size(met):
        return _not_the_hub(subject, str(met))
    status = status_of(met)
    if not isinstance(met, (*no_answer(), *_refusals(), *_UNANSWERED)) and status is None:
        return None
    if status is None and never_passes(met):
        return _not_sent(met, subject)
    if status is None or transient(met):
        return _refusal(met, subject) or _unanswered(met, subject, status, tries)
    return _refusal(met, subject) or _refused(met, subject, status)


def is_of_the_hub(error: BaseException) -> bool:
    """Whether ``error`` came of speaking with the Hub: it refused, or there was no answer."""
    from huggingface_hub import errors

    return isinstance(error, (*no_answer(), errors.LocalTokenNotFoundError, NotTheHub))


def is_missing(error: BaseException) -> bool:
    """Whether the Hub says that it has no such file; not so where it could not be asked."""
    from huggingface_hub import errors

    return isinstance(error, FileNotFoundError | errors.EntryNotFoundError) and not isinstance(
        error, errors.LocalEntryNotFoundError
    )


def is_gated(error: BaseException) -> bool:
    """Whether ``error`` came of files that are given only to those who accepted terms."""
    from huggingface_hub import errors

    return any(isinstance(one, errors.GatedRepoError) for one in causes(error))


def explain_library(raised: Exception, subject: Subject) -> SynpicError | None:
    """What a library's own ``from_pretrained`` raised, as an error of synpic's.

    Returns:
        None of what is not of the Hub.
    """
    met = _decisive(raised)
    if type(met) is OSError and not wrong_size(met):
        # transformers' own: a file that is not there, or is damaged
        first = (str(met).splitlines() or [""])[0]
        return CheckpointError(
            f"{subject.name}: {plain(redact(first))}", hint=f"see {subject.page}"
        )
    from_the_hub = isinstance(met, _UNANSWERED) or wrong_size(met)
    if not from_the_hub and _package(met) not in (*_CLIENTS, "synpic"):
        return None
    return explain(raised, subject)


def _refusal(error: BaseException, subject: Subject) -> SynpicError | None:
    """A refusal whose reason has a name; None for others."""
    from huggingface_hub import errors

    name, page = subject.name, subject.page
    if isinstance(error, errors.GatedRepoError):
        return _told(
            error, subject, "is gated", f"accept its terms at {page}, then `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        tags = list(subject.tags()) if subject.tags else []
        near = did_you_mean(subject.revision or "", tags).lstrip()
        hint = f"see {page}/tree/main"
        if subject.tags:
            hint = f"its tags: {', '.join(tags)}" if tags else f"it has no tags; see {page}"
        what = f"has no revision {subject.revision!r}{f'. {near}' if near else ''}"
        return _told(error, subject, what, hint)
    if isinstance(error, errors.DisabledRepoError):
        return _told(error, subject, "is disabled", f"see {page}")
    if subject.doing and isinstance(error, errors.HFValidationError):
        return subject.error(
            f"{name!r} is no name of a {subject.kind} on the Hub: {plain(redact(str(error)))}",
            hint="write owner/name",
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return subject.error(
            _with_words(
                f"there is no {subject.kind} {name!r} on the Hub, and no folder of that name",
                error,
                subject,
            ),
            hint=f"see {page}; a private one needs `hf auth login`, or HF_TOKEN",
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(
        error, errors.LocalEntryNotFoundError
    ):
        hint = f"see {page}/tree/{subject.revision or 'main'}"
        return _told(error, subject, "lacks a file that is needed", hint)
    return None


def _refused(error: BaseException, subject: Subject, status: int) -> SynpicError:
    """A refusal that is a status and the server's words."""
    what = "the Hub refuses the token" if status == 401 else f"the Hub refuses ({status})"
    hint = subject.hint or {
        401: "`hf auth login` again, or set HF_TOKEN to one that is valid",
        403: f"where the token lacks a right, make one that has it at {shown_endpoint()}"
        "/settings/tokens, and `hf auth login`",
    }.get(status, f"see {subject.page}")
    return subject.error(_with_words(f"{subject.what}: {what}", error, subject), hint=hint)


def _unanswered(
    error: BaseException, subject: Subject, status: int | None, tries: int
) -> HubUnreachable:
    again = f", {tries} times in a row" if tries > 1 else ""
    if status is None:
        kind = type(error).__name__
        message = f"{subject.what}: the Hub cannot be reached ({kind}{again})"
    else:
        message = f"{subject.what}: the Hub cannot be reached (it says {status}{again})"
    return HubUnreachable(_with_words(message, error, subject), hint=_later(subject))


def _not_the_hub(subject: Subject, reason: str) -> HubUnreachable:
    return HubUnreachable(
        f"{subject.what}: the answer is not the Hub's: {plain(redact(reason, subject.token))}",
        hint=f"look at {subject.page}: HF_ENDPOINT may name another server, or a proxy or the "
        "login page of a network may answer in the Hub's place",
    )


def _not_sent(error: BaseException, subject: Subject) -> HubUnreachable:
    reason = plain(redact(f"{type(error).__name__}: {error}", subject.token))
    return HubUnreachable(
        f"{subject.what}: the Hub cannot be asked: {reason}",
        hint="HF_ENDPOINT begins with http:// or https:// and names the Hub; a token is one line",
    )


def _later(subject: Subject) -> str:
    if subject.unanswered:
        return subject.unanswered
    if subject.kind == "dataset":
        return (
            "run it again when connected; to work without a connection, fetch it once with "
            f"`hf download --repo-type dataset {subject.name} --local-dir DIR`, and name DIR"
        )
    return f"connect once, so that {subject.page} is in the cache; or name a local folder"


def _told(error: BaseException, subject: Subject, what: str, hint: str) -> SynpicError:
    start = f"{subject.what}: it {what}" if subject.doing else f"{subject.name} {what}"
    return subject.error(_with_words(start, error, subject), hint=hint)


def _with_words(message: str, error: BaseException, subject: Subject) -> str:
    words = words_of(error, subject.token)
    return f"{message}: {words}" if words else message


def _decisive(error: BaseException) -> BaseException:
    """Of an error and its causes the one that says most: libraries wrap what the client raises."""
    chain = list(causes(error))
    for one in chain:
        if isinstance(one, (NotTheHub, *_no_metadata())) or wrong_size(one):
            return one
    for one in chain:  # the client itself wraps a refusal in "not in the cache, and no connection"
        if _package(one) == "huggingface_hub" and status_of(one) is not None:
            return one
    for package in _CLIENTS:
        for one in chain:
            if _package(one) == package or isinstance(one, _UNANSWERED):
                return one
    return error


_UNANSWERED = (ConnectionError, TimeoutError, socket.gaierror)
_CLIENTS = ("huggingface_hub", "hf_xet", "httpx", "httpx2", "httpcore", "httpcore2", "requests")


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _refusals() -> tuple[type[Exception], ...]:
    """What the client raises, that is no error of its HTTP library."""
    from huggingface_hub import errors

    return (
        errors.EntryNotFoundError,
        errors.HFValidationError,
        errors.LocalTokenNotFoundError,
    )


def _no_metadata() -> tuple[type[Exception], ...]:
    """What the client raises where the answer lacks what the Hub sends with every file."""
    from huggingface_hub import errors

    return (errors.FileMetadataError,)

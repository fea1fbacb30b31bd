"""Around what a library asks of the Hub by itself: its errors are explained as synpic's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from synpic.errors import SynpicError
from synpic.hub.errors import Subject, explain_library
from synpic.hub.retry import guard

__all__ = ["naming_hub_errors"]


@contextmanager
def naming_hub_errors(source: str, revision: str | None, kind: str = "model") -> Iterator[None]:
    """Around a library's own ``from_pretrained``, that speaks to the Hub: its errors, explained.

    What may pass is waited for below it (:func:`synpic.hub.retry.guard`).

    Raises:
        CheckpointError: it is gated, is not there, or lacks the revision or a file.
        HubUnreachable: the Hub did not answer.
    """
    guard()
    try:
        yield
    except SynpicError:
        raise
    except Exception as raised:
        # The libraries' errors have no common ancestor; what is not of the Hub goes on as it is.
        explained = explain_library(raised, Subject(source, revision, kind))
        if explained is None:
            raise
        raise explained from raised

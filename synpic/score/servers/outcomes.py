"""What a request can come to, besides an answer."""

from __future__ import annotations

__all__ = ["Interrupted", "NotAsked", "Unreadable"]


class Unreadable(Exception):
    """An answer that is none. Either the server gives no other, or not to this question.

    Args:
        hint: what to do if no question has an answer.
    """

    def __init__(self, message: str, hint: str = "the address usually ends in /v1") -> None:
        super().__init__(message)
        self.hint = hint


class Interrupted(Exception):
    """Status 200, and then no whole answer: the next try may have one."""


class NotAsked(ValueError):
    """The server refuses the question."""

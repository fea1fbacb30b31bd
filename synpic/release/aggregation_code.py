"""What a manifest says of an aggregation that synpic does not bring."""

from __future__ import annotations

from synpic.readers.json_models import Record

__all__ = ["AggregationCode", "code_in_words"]


class AggregationCode(Record):
    """Where its code was from, and what it did.

    ``package`` and ``version`` of an installed one; ``source``, the SHA-256 of its text, of one
    that was written as ``module:callable``.
    """

    package: str | None = None
    version: str | None = None
    source: str | None = None
    description: str = ""


def code_in_words(code: AggregationCode | None) -> str:
    """Where an aggregation is from: a package with its version, or the hash of its text."""
    if code is None or not (code.package or code.source):
        return "synpic"
    return f"{code.package} {code.version}" if code.package else f"the code {str(code.source)[:12]}"

"""Lists of registered suites that were fetched before: for comparison with other prompts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from synpic.errors import SynpicError
from synpic.hub.published_files import PublishedFile, kept_published
from synpic.prompts.suites.opening import find_suite
from synpic.prompts.suites.suite import Suite, SuiteData
from synpic.registry import SUITES

__all__ = ["kept_lists"]


def kept_lists(beside: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """Name and prompts of each registered suite whose files are in the cache; none is fetched.

    A suite whose files the code does not pin, or that lies on the Hub, is left out.

    Args:
        beside: a folder in which modules of one's own are looked for too.
    """
    for name in SUITES.names():
        # What a package offers may be broken: that is for who uses it.
        with suppress(SynpicError):
            suite = find_suite(name, beside)
            files = _kept(suite)
            if files:
                content = suite.read(SuiteData(files))
                yield name, [one.prompt for one in content.items]


def _kept(suite: Suite) -> dict[str, bytes]:
    """What its files hold; nothing where one is not there."""
    files: dict[str, bytes] = {}
    for name, place in suite.places.items():
        data = kept_published(place) if isinstance(place, PublishedFile) else None
        if data is None:
            return {}
        files[name] = data
    return files

"""Suites: prompts with what each asks of its images, and a protocol.

    suite         what a suite is: items, protocol, places of its lists
    opening       which suite the recipe names; its items
    stored        suite.parquet, made anew only when the lists or the recipe have changed
    own_file      a suite of one's own
    requirements  what an item may ask for beside its prompt, checked

Lists that others published are fetched, and never part of synpic.
"""

from __future__ import annotations

from synpic.prompts.suites.opening import OpenedSuite, find_suite, open_suite
from synpic.prompts.suites.stored import StoredSuite, current_suite, ensure_suite, stored_suite
from synpic.prompts.suites.suite import (
    HubColumn,
    HubFile,
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    SuiteOrigin,
)

__all__ = [
    "HubColumn",
    "HubFile",
    "OpenedSuite",
    "Protocol",
    "StoredSuite",
    "Suite",
    "SuiteContent",
    "SuiteData",
    "SuiteItem",
    "SuiteOrigin",
    "current_suite",
    "ensure_suite",
    "find_suite",
    "open_suite",
    "stored_suite",
]

"""The aggregation that ranked a release, where it is available here.

A release is data from elsewhere: code is looked for by the names of synpic and of installed
packages, and what its manifest spells as ``module:callable`` is never imported.
"""

from __future__ import annotations

from synpic.errors import ReleaseError
from synpic.rank import Aggregation
from synpic.recipe.aggregation import find_aggregation
from synpic.registry import AGGREGATIONS
from synpic.release.aggregation_code import AggregationCode, code_in_words
from synpic.release.manifest import Rule

__all__ = ["missing_aggregation", "published_aggregation"]


def missing_aggregation(rule: Rule) -> str | None:
    """Why a release cannot be ranked here as it was; None where it can."""
    name, code = rule.aggregation, rule.aggregation_from
    if ":" in name:
        return f"it was ranked by {name}, and code that a release names is not run"
    if code is None:
        return None
    if name not in AGGREGATIONS.names():
        return f"it was ranked by {name!r} of {code_in_words(code)}, which is not installed"
    here = AggregationCode(**AGGREGATIONS.provenance(name, None))
    if (here.package, here.version) != (code.package, code.version):
        there = code_in_words(code)
        return f"it was ranked by {name!r} of {there}; installed is that of {code_in_words(here)}"
    return None


def published_aggregation(rule: Rule, release: str) -> Aggregation:
    """The aggregation that a release was ranked by.

    Args:
        release: its name, for messages.

    Raises:
        ReleaseError: it is not installed, or in another version, or written as module:callable.
        UnknownName: synpic has none of that name.
    """
    if why := missing_aggregation(rule):
        code = rule.aggregation_from
        install = f"install {code.package}=={code.version}, or " if code and code.package else ""
        raise ReleaseError(
            f"{release}: {why}",
            hint=f"{install}name what is to rank it: --aggregation win-rate, or "
            f"--aggregation {rule.aggregation} where you have its code",
        )
    return find_aggregation(rule.aggregation)

"""What was asked for an answer, as what decides it says: an endpoint's model, a judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic import ids

__all__ = ["asked_judge", "asked_model"]

_HERE = ("judge", "form")
"""Options of a judge as a reward that are not the judge's."""
_OF_JUDGE = ("judge", "version", "source", "checkpoint", "companions", "endpoint")


def asked_model(fingerprint_inputs: Mapping[str, Any]) -> str | None:
    """The model as the server names it, with its variant; None where no endpoint was asked."""
    if "endpoint" not in fingerprint_inputs:
        return None
    options = fingerprint_inputs.get("options") or {}
    variant = options.get("variant")
    return f"{options.get('model')}" + (f" ({variant})" if variant else "")


def asked_judge(fingerprint_inputs: Mapping[str, Any]) -> tuple[str, str] | None:
    """The judge that a verdict, or a reward that is a form of one, comes from.

    Returns:
        The judge as it is registered, and a hash of what decides its verdicts but the suite: equal
        for a judge and for all rewards that are forms of it. None of other rewards.
    """
    judge = fingerprint_inputs.get("judge")
    if judge is None:
        return None
    decides = {key: fingerprint_inputs.get(key) for key in _OF_JUDGE}
    options = fingerprint_inputs.get("options") or {}
    own = {key: value for key, value in options.items() if key not in _HERE}
    return str(judge), ids.fingerprint({**decides, "options": own or None})

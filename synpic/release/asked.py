"""Which model an endpoint served, as what decided its answers says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["asked_model"]


def asked_model(fingerprint_inputs: Mapping[str, Any]) -> str | None:
    """The model as the server names it, with its variant; None where no endpoint was asked."""
    if "endpoint" not in fingerprint_inputs:
        return None
    options = fingerprint_inputs.get("options") or {}
    variant = options.get("variant")
    return f"{options.get('model')}" + (f" ({variant})" if variant else "")

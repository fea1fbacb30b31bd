"""The YAML head of a card, as the Hub and ``huggingface_hub`` write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["yaml_head"]


def yaml_head(values: Mapping[str, Any]) -> str:
    """``values`` as YAML in their order, without those that are None; no line ``---``."""
    import yaml  # type: ignore[import-untyped]

    kept = {key: value for key, value in values.items() if value is not None}
    return str(yaml.dump(kept, allow_unicode=True, sort_keys=False)).strip()

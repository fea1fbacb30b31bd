"""The YAML head of a card, as the Hub and ``huggingface_hub`` write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["yaml_head"]


_WIDTH = 100


def yaml_head(values: Mapping[str, Any]) -> str:
    """``values`` as YAML in their order, without those that are None; no line ``---``.

    Tables in a list within a table (the columns of a config, say) stand beside one another, so that
    the text below the head is near.
    """
    import yaml  # type: ignore[import-untyped]

    kept = {key: value for key, value in values.items() if value is not None}
    mark = "beside"
    while mark in repr(kept):
        mark += "_"
    lists: list[str] = []

    def marked(value: Any, inner: bool = False) -> Any:
        if isinstance(value, Mapping):
            return {key: marked(one, value is not kept) for key, one in value.items()}
        if isinstance(value, list):
            if inner and value and all(isinstance(one, Mapping) for one in value):
                lists.append(_beside(value))
                return f"{mark}{len(lists) - 1}."
            return [marked(one) for one in value]
        return value

    text = str(yaml.dump(marked(kept), allow_unicode=True, sort_keys=False)).strip()
    for number, listed in enumerate(lists):
        text = text.replace(f" {mark}{number}.", f" {listed}")
    return text


def _beside(tables: list[Any]) -> str:
    """``tables`` between brackets, as many on a line as there is room for."""
    import yaml

    lines = [""]
    for table in tables:
        options = {"default_flow_style": True, "allow_unicode": True, "sort_keys": False}
        written = str(yaml.dump(table, width=float("inf"), **options)).strip()
        if lines[-1] and len(lines[-1]) + len(written) + 8 > _WIDTH:
            lines.append("")
        lines[-1] += ", " * bool(lines[-1]) + written
    if len(lines) == 1:
        return f"[{lines[0]}]"
    return "[\n    " + ",\n    ".join(lines) + "]"

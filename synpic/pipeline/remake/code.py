"""What of a published recipe would run its author's code, or ask a server that its author names.

A release is data from elsewhere. Names in the registry run code of synpic, or of a package that was
installed here on purpose; ``module:callable`` may run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["code_of_model", "code_of_reward"]

_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def code_of_model(table: Mapping[str, Any]) -> str | None:
    """Why ``[models.NAME]`` of a published recipe is not followed as it stands; None if it is."""
    for key in ("family", "model", "scheduler"):
        if _CODE.fullmatch(str(table.get(key, ""))):
            return f"{key} = {table[key]} is code that the release names"
    if table.get("allow"):
        return f"it allows {' and '.join(map(str, table['allow']))}, which can run anything"
    return None


def code_of_reward(name: str, table: Mapping[str, Any]) -> str | None:
    """The same of ``[rewards.NAME]``."""
    options = table.get("options", {})
    if ":" in str(table.get("reward", name)):
        return f"reward = {table['reward']} is code that the release names"
    if "environment" in table or "environment" in options:
        return "it runs in a Python environment that the release names"
    for endpoint in (table.get("endpoint"), options.get("endpoint")):
        address = endpoint.get("url") if isinstance(endpoint, Mapping) else endpoint
        if address is not None and not str(address).startswith("$"):
            return f"it asks {address}, an address that the release names"
    for text in _texts(options):
        if _CODE.fullmatch(text):
            return f"{text} is code that the release names"
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)

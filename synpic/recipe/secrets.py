"""No key and no address of an endpoint is published with the text of a recipe."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["published_text", "refuse_secrets"]

_NAMES = re.compile(
    r"(^|[_-])(api[_-]?key|secret|password|authorization|bearer|(access|auth|api)[_-]?token)$",
    re.IGNORECASE,
)
"""What libraries and servers call a key."""

_VALUES = re.compile(
    r"\b(sk|pk|rk|gsk|xai|hf|nvapi|AIza)[-_A-Za-z0-9]*[A-Za-z0-9_-]{16,}"
    r"|^\s*Bearer\s+\S"
    r"|://[^/\s@:]*:[^/\s@]+@"
)
"""Keys as providers make them, and a password in an address."""


def refuse_secrets(options: Mapping[str, Any]) -> None:
    """Refuse options that hold a key. ``$NAME``, which names an environment variable, is none.

    Raises:
        ValueError: naming the option, and never its value.
    """
    for path, key, value in _texts(options, ""):
        by_reference = value.startswith("$")
        if not by_reference and (_NAMES.search(key) or _VALUES.search(value)):
            raise ValueError(
                f"{path}: this is a key, and a recipe is published with its dataset; put the key "
                'into an environment variable, and name that: "$OPENAI_API_KEY"'
            )


def published_text(text: str) -> str:
    """The text of a recipe without the addresses of endpoints, which decide nothing.

    Args:
        text: of a recipe that was read already.

    Returns:
        The text, in which ``$OPENAI_BASE_URL`` stands for each: it can be followed elsewhere.
    """
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return text
    for path, _, value in _texts(tables, ""):
        if re.search(r"\.endpoint(\.url)?$", path) and "://" in value:
            text = text.replace(value, "$OPENAI_BASE_URL")
    return text


def _texts(value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Path, last key and text of every text in ``value``, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            inner_path = f"{path}.{key}" if path else str(key)
            if isinstance(inner, str):
                yield inner_path, str(key), inner
            else:
                yield from _texts(inner, inner_path)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if isinstance(inner, str):
                yield f"{path}[{number}]", "", inner
            else:
                yield from _texts(inner, f"{path}[{number}]")

"""What a source calls its models → names that a recipe could have."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

__all__ = ["UNNAMED", "name_models"]

UNNAMED = "unknown"
"""The model of images of which the source says none."""

_LONGEST = 64


def name_models(
    labels: Iterable[str | None], known: Mapping[str | None, str]
) -> dict[str | None, str]:
    """A name of lower-case letters, digits and ``_`` for every label, no two alike.

    Args:
        labels: in the order of the source; None for images whose model it does not name.
        known: names chosen before, which stay.
    """
    names = dict(known)
    taken = set(names.values())
    for label in labels:
        if label in names:
            continue
        stem = UNNAMED if label is None else _plain(label)
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem[: _LONGEST - len(str(number)) - 1]}_{number}"
        names[label] = name
        taken.add(name)
    return names


def _plain(label: str) -> str:
    ascii_ = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"[^a-z0-9]+", "_", ascii_).strip("_")
    named = joined if joined[:1].isalpha() else f"model_{joined}".rstrip("_")
    return named[:_LONGEST].rstrip("_")

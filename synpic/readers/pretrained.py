"""Weights are loaded whole, or not at all.

What a file of weights lacks, diffusers and transformers fill with random numbers, and say so in a
warning: the model would draw or judge, and do it otherwise each time it is opened, all under one
fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synpic.errors import SynpicError

__all__ = ["lacking", "open_whole", "refuse_lacking"]

_LEARNED = (".running_mean", ".running_var")
"""Buffers that training fills. Others are computed, as numbers of positions are."""


def open_whole(kind: Any, place: str, *, error: type[SynpicError], source: str, **more: Any) -> Any:
    """``kind.from_pretrained(place, **more)``.

    Args:
        kind: a class of diffusers or transformers.
        source: where the weights are from, for messages.

    Raises:
        SynpicError: an ``error`` that names what the files lack.
        Exception: whatever the library raises.
    """
    model, loading = kind.from_pretrained(place, output_loading_info=True, **more)
    refuse_lacking(lacking(model, loading), source, error)
    return model


def lacking(model: Any, loading: Mapping[str, Any]) -> list[str]:
    """What of ``model`` is learned and was in none of its files.

    A tensor that has several names is lacking if none of them was there.

    Args:
        loading: what ``from_pretrained`` gives for ``output_loading_info``.
    """
    missing = set(loading["missing_keys"])
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    found = [same[0] for same in names.values() if missing.issuperset(same)]
    found += [name for name, _ in model.named_buffers() if name in missing and _learned(name)]
    return sorted(found)


def refuse_lacking(names: Iterable[str], source: object, error: type[SynpicError]) -> None:
    """Refuse weights that are not all there.

    Raises:
        SynpicError: an ``error`` that names the first of them.
    """
    keys = sorted(names)
    if keys:
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        raise error(
            f"{source} lacks weights: {', '.join(keys[:3])}{more}",
            hint="random numbers would stand in for them: name a whole checkpoint, or one that was "
            "trained for this",
        )


def _learned(name: str) -> bool:
    return f".{name}".endswith(_LEARNED)

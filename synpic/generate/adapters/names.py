"""What the names and shapes of a LoRA's tensors say of it, before any of them is read.

A layer's change is the product of two matrices, which files call ``lora_A`` and ``lora_B``, or
``down`` and ``up``; in a LoKr it is the Kronecker product of ``lokr_w1`` and ``lokr_w2``, each of
which may be a product ``_a`` by ``_b`` itself. An ``alpha`` beside them says how strong it is; a
layer without one has its rank for it, as kohya's programs have it. A file that has one matrix
without the other has lost tensors, and so has one with a magnitude (DoRA) or a bias for some layers
of a component only: libraries make them for all of its layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["listed", "owner_of", "pair_problem"]

_MATRIX = re.compile(
    r"(?P<stem>.+)(?P<mark>[._]lora(?:_linear_layer|_embedding)?[._])(?P<which>A|B|down|up)"
    r"(?P<rest>(?:\.\w+)?(?:\.weight)?)"
)
_OTHER = {"A": "B", "B": "A", "down": "up", "up": "down"}
_KRONECKER = re.compile(r"(?P<stem>.+)\.lokr_(?P<which>w[12](?:_[ab])?|t2)")
_BESIDE = re.compile(
    r"(?P<stem>.+)\.(?P<what>alpha|dora_scale|lora_magnitude_vector(?:\.weight)?|lora_(?:B|up)\.bias)"
)
_COMPONENT = re.compile(r"lora_(?:unet|transformer|te\d?)_|[^.]+")


def pair_problem(shapes: Mapping[str, Sequence[int]]) -> str | None:
    """What is wrong with a file of these tensors by itself, whatever model it is for.

    Args:
        shapes: name → shape.

    Returns:
        Words that name the first tensors concerned; None where nothing is wrong.
    """
    lacking, misfits, stems = set(), [], set()
    beside: dict[str, dict[str, str]] = {}
    factors: dict[str, set[str]] = {}
    for name, shape in shapes.items():
        if found := _BESIDE.fullmatch(name):
            beside.setdefault(found["what"], {})[found["stem"]] = name
            if found["what"] == "alpha" and math.prod(shape) != 1:
                misfits.append(f"{name} {list(shape)} is no single number")
        elif found := _MATRIX.fullmatch(name):
            stems.add(found["stem"])
            partner = f"{found['stem']}{found['mark']}{_OTHER[found['which']]}{found['rest']}"
            other = shapes.get(partner)
            if other is None:
                lacking.add(partner)
            elif found["which"] in ("A", "down") and not _multiply(other, shape):
                misfits.append(f"{name} {list(shape)} beside {partner} {list(other)}")
        elif found := _KRONECKER.fullmatch(name):
            stems.add(found["stem"])
            factors.setdefault(found["stem"], set()).add(found["which"])
    for stem, parts in factors.items():
        lacking |= {f"{stem}.lokr_{part}" for part in _factors_lacking(parts)}
    alone = []
    for what, names in beside.items():
        alone += [name for stem, name in names.items() if stem not in stems]
        if what != "alpha":
            concerned = {_component(stem) for stem in names}
            others = {stem for stem in stems - names.keys() if _component(stem) in concerned}
            lacking |= {f"{stem}.{what}" for stem in others}
    problems = [
        f"it lacks {len(lacking)} of its tensors: {listed(sorted(lacking))}" if lacking else "",
        f"{len(alone)} of its tensors have no matrices: {listed(alone)}" if alone else "",
        f"shapes that do not go together: {listed(misfits)}" if misfits else "",
    ]
    return "; ".join(filter(None, problems)) or None


def _factors_lacking(parts: Collection[str]) -> list[str]:
    lacking = []
    for whole in ("w1", "w2"):
        halves = [f"{whole}_a", f"{whole}_b"]
        has = [half for half in halves if half in parts]
        if whole not in parts:
            lacking += [half for half in halves if half not in has] if has else [whole]
    return lacking


def _component(stem: str) -> str:
    found = _COMPONENT.match(stem)
    return found[0] if found else ""


def _multiply(up: Sequence[int], down: Sequence[int]) -> bool:
    return len(up) > 1 and len(down) > 1 and up[1] == down[0]


def owner_of(name: str) -> str | None:
    """The stem of an alpha's name, which its matrices' names begin with; None for any other."""
    found = _BESIDE.fullmatch(name)
    return found["stem"] if found and found["what"] == "alpha" else None


def listed(names: Iterable[str]) -> str:
    """The first three of ``names``, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    return ", ".join(every[:3]) + more

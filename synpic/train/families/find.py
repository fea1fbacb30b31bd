"""Which family trains a checkpoint: the one that is named, or by the pipeline that saved it."""

from __future__ import annotations

import os
from typing import Any

from synpic.errors import TrainingError
from synpic.registry import FAMILIES
from synpic.train.families.family import TrainableFamily

__all__ = ["family_name", "find_family"]


def family_name(pipeline: str, named: str | None = None, checkpoint: str = "") -> str:
    """The name of the family that trains a checkpoint.

    Args:
        pipeline: the class of diffusers that saved it, by name.
        named: the family that a recipe names; ``auto`` and None stand for any.
        checkpoint: what the message calls it.

    Raises:
        TrainingError: none trains it; the message names what packages offer and does not import.
    """
    if named is not None and named != "auto":
        return named
    # Those of packages are imported only where synpic has none.
    if (own := FAMILIES.trainable(plugins=False).get(pipeline)) is not None:
        return own
    broken: list[str] = []
    known = FAMILIES.trainable(broken)
    if pipeline not in known:
        words = f"{checkpoint or 'the checkpoint'} is a {pipeline}, which synpic cannot train"
        raise TrainingError(
            "; ".join([words, *broken]),
            hint=f"checkpoints that can be trained are of {', '.join(sorted(known))}; or write "
            "model.family: a family of your own with a half that trains",
        )
    return known[pipeline]


def find_family(name: str) -> type[TrainableFamily]:
    """The half that trains, of the family ``name``.

    Modules of one's own are looked for in the working directory too.

    Raises:
        TrainingError: it draws only, or its half is no :class:`TrainableFamily`.
        UnknownName: it is unknown, or does not import.
    """
    found: Any = FAMILIES.load_trainable(name, os.curdir)
    if found is None:
        raise TrainingError(
            f"the family {name!r} draws and cannot be trained",
            hint="leave model.family out, or name a synpic.registry.FamilyHalves with `train`; "
            f"synpic trains {', '.join(sorted(FAMILIES.trainable().values()))}",
        )
    if not (isinstance(found, type) and issubclass(found, TrainableFamily)):
        raise TrainingError(
            f"the half of {name!r} that trains is no family: {found!r}",
            hint="make it a subclass of synpic.train.families.family.TrainableFamily",
        )
    return found

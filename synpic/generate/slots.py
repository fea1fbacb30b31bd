"""The components of a checkpoint, as its model_index.json names them, and where their files are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synpic.errors import ModelError
from synpic.generate.contents import Contents

__all__ = [
    "INDEX",
    "Slot",
    "class_of",
    "class_of_pipeline",
    "read_index",
    "slots_of",
]

INDEX = "model_index.json"


@dataclass(frozen=True)
class Slot:
    """A component of a pipeline.

    Args:
        contents: of the checkpoint that it is from.
        folder: in it.
        library, kind: that its class is found by. Both None: the checkpoint does without it.
    """

    contents: Contents
    folder: str
    library: str | None
    kind: str | None


def read_index(contents: Contents, key: str = "checkpoint") -> dict[str, Any]:
    """A checkpoint's model_index.json.

    Args:
        key: the recipe's, for messages.

    Raises:
        HubUnreachable: the Hub did not answer.
        ModelError: there is none, or it is damaged.
    """
    index = contents.json(INDEX)
    if index is None:
        raise ModelError(
            f"{key}: {contents.location} is no pipeline: it has no {INDEX}",
            hint="name a folder or repository that pipeline.save_pretrained made; one component of "
            "a pipeline belongs into `components`, a LoRA into `adapters`",
        )
    return index


def slots_of(contents: Contents, index: Mapping[str, Any], prefix: str = "") -> dict[str, Slot]:
    """The components that ``index`` names, each name after ``prefix``."""
    return {
        f"{prefix}{name}": Slot(contents, name, *value)
        for name, value in index.items()
        if not name.startswith("_")
        and isinstance(value, list)
        and len(value) == 2
        and all(piece is None or isinstance(piece, str) for piece in value)
    }


def class_of(slot: Slot) -> Any:
    """The class of a component; None for one that neither diffusers nor transformers has."""
    from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj

    if slot.library is None or slot.kind is None:
        return None
    if slot.kind == "PaellaVQModel":
        # Wherever it is said to be: synpic.generate.stable_cascade tells why.
        from diffusers.pipelines.stable_cascade import pipeline_stable_cascade

        return vars(pipeline_stable_cascade)[slot.kind]
    try:
        return simple_get_class_obj(slot.library, slot.kind)  # type: ignore[no-untyped-call]
    except (AttributeError, ImportError, ValueError):
        return None


def class_of_pipeline(name: object) -> Any:
    """The pipeline class called ``name``; None if diffusers has no such."""
    import diffusers

    # As diffusers does: what Flax saved, torch opens.
    found = getattr(diffusers, name.removeprefix("Flax"), None) if isinstance(name, str) else None
    is_one = isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)
    return found if is_one else None

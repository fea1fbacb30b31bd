"""What a checkpoint says of itself: names of files, small JSON, components; never a weight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synpic.errors import HubUnreachable, ModelError
from synpic.hub.cache import cached_file
from synpic.hub.client import names_of
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.hub.libraries import naming_hub_errors

__all__ = [
    "INDEX",
    "WEIGHTS",
    "Checkpoint",
    "Component",
    "class_named",
    "class_of",
    "class_of_pipeline",
    "components_of",
    "is_variant",
    "read_index",
]

INDEX = "model_index.json"
WEIGHTS = (".safetensors", ".bin")

_CONFIGURATIONS = ("config.json", "tokenizer_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Checkpoint:
    """The files of a folder, or of a repository at a commit.

    Of a repository the list and the JSON that is asked for are fetched, and nothing else. The list
    is asked for once in the life of an instance, whether there was an answer or none.

    Args:
        location: a folder, or owner/name.
        commit: of a repository.
    """

    location: str
    commit: str | None
    _listing: list[frozenset[str] | HubUnreachable] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def naming_errors(self) -> AbstractContextManager[None]:
        """Around a library's ``from_pretrained`` of it: errors of the Hub, explained."""
        return naming_hub_errors(self.location, self.commit) if self.commit else nullcontext()

    def local_folder(self) -> Path | None:
        """Where it is on this machine; None for a repository."""
        path = Path(self.location)
        return path if path.is_dir() else None

    def file_names(self) -> frozenset[str]:
        """Paths of all files, with "/".

        Raises:
            HubUnreachable: the Hub did not answer.
        """
        if not self._listing:
            self._listing.append(self._list())
        (found,) = self._listing
        if isinstance(found, HubUnreachable):
            raise found
        return found

    def inside(self, folder: str) -> list[str]:
        """Names of the files that lie directly in ``folder``, sorted; "" for the root."""
        start = f"{folder}/" if folder else ""
        inner = (name.removeprefix(start) for name in self.file_names() if name.startswith(start))
        return sorted(name for name in inner if "/" not in name)

    def json(self, name: str) -> dict[str, Any] | None:
        """What the file called ``name`` holds; None if there is no such file.

        Raises:
            HubUnreachable: the Hub did not answer, and the file is not in its cache.
            ModelError: it is no JSON object.
        """
        folder = self.local_folder()
        path = self._fetched(name) if folder is None else folder / name
        if path is None or not path.is_file():
            return None
        try:
            found = json.loads(path.read_text("utf-8"))
            if isinstance(found, dict):
                return found
            error: object = f"an object expected, not {type(found).__name__}"
        except RecursionError:
            error = "its values are nested too deep to be read"
        except (OSError, ValueError) as raised:
            error = raised
        raise ModelError(
            f"checkpoint: {self.location} cannot be opened: {name} is damaged: {error}",
            hint="get the checkpoint again",
        )

    def place_of(self, name: str) -> str:
        """The folder in which the component called ``name`` lies; "" for the root."""
        there = any(self.has(f"{name}/{file}") for file in _CONFIGURATIONS)
        return name if there else ""

    def has(self, name: str) -> bool:
        """Whether there is a file called ``name``, as far as is known here."""
        try:
            return name in self.file_names()
        except HubUnreachable:
            return self.cached(name)

    def has_variant(self, variant: str) -> bool:
        """Whether there are weights of that variant.

        Raises:
            HubUnreachable: the Hub did not answer.
        """
        return any(
            is_variant(name, variant) for name in self.file_names() if name.endswith(WEIGHTS)
        )

    def cached(self, name: str) -> bool:
        """Whether the file called ``name``, of a repository, lies in the cache."""
        return cached_file(self.location, name, self.commit) is not None

    def _list(self) -> frozenset[str] | HubUnreachable:
        folder = self.local_folder()
        if folder is not None:
            files = (path for path in folder.rglob("*") if path.is_file())
            return frozenset(path.relative_to(folder).as_posix() for path in files)
        try:
            return names_of(Subject(self.location, self.commit))
        except HubUnreachable as error:
            return error

    def _fetched(self, name: str) -> Path | None:
        return download(Subject(self.location, self.commit), name)


@dataclass(frozen=True)
class Component:
    """A component of a pipeline, as a checkpoint gives it.

    Args:
        folder: in the checkpoint; "" for its root.
        library, kind: that its class is found by. Both None: the checkpoint does without it.
        key: the recipe's, of where it comes from, for messages.
    """

    checkpoint: Checkpoint
    folder: str
    library: str | None
    kind: str | None
    key: str = "checkpoint"

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        location = self.checkpoint.location
        return f"{location}/{self.folder}" if self.folder else location

    def json(self, name: str) -> dict[str, Any] | None:
        """See :meth:`Checkpoint.json`; ``name`` is in its folder."""
        return self.checkpoint.json(f"{self.folder}/{name}" if self.folder else name)


def read_index(checkpoint: Checkpoint, key: str = "checkpoint") -> dict[str, Any]:
    """A checkpoint's model_index.json.

    Args:
        key: the recipe's, for messages.

    Raises:
        HubUnreachable: the Hub did not answer.
        ModelError: there is none, or it is damaged.
    """
    index = checkpoint.json(INDEX)
    if index is None:
        raise ModelError(
            f"{key}: {checkpoint.location} is no pipeline: it has no {INDEX}",
            hint="name a folder or repository that pipeline.save_pretrained made; one component of "
            "a pipeline belongs into `components`, a LoRA into `adapters`",
        )
    return index


def components_of(
    checkpoint: Checkpoint, index: Mapping[str, Any], key: str = "checkpoint", prefix: str = ""
) -> dict[str, Component]:
    """The components that ``index`` names, each name after ``prefix``."""
    return {
        f"{prefix}{name}": Component(checkpoint, name, value[0], value[1], key)
        for name, value in index.items()
        if not name.startswith("_")
        and isinstance(value, list)
        and len(value) == 2
        and all(piece is None or isinstance(piece, str) for piece in value)
    }


def is_variant(name: str, variant: str) -> bool:
    """Whether a file called ``name`` is of ``variant``, by the present spelling or that of old."""
    return f".{variant}." in name or f".{variant}-" in name


def class_of(component: Component) -> Any:
    """The class of a component; None for one that neither diffusers nor transformers has."""
    return class_named(component.library, component.kind)


def class_named(library: str | None, kind: str | None) -> Any:
    """The class that a model_index.json names so; None where there is none."""
    from diffusers.pipelines.pipeline_loading_utils import simple_get_class_obj

    if library is None or kind is None:
        return None
    if kind == "PaellaVQModel":
        # Wherever it is said to be: synpic.generate.stable_cascade tells why.
        from diffusers.pipelines.stable_cascade import pipeline_stable_cascade

        return vars(pipeline_stable_cascade)[kind]
    try:
        return simple_get_class_obj(library, kind)  # type: ignore[no-untyped-call]
    except (AttributeError, ImportError, TypeError, ValueError):
        return None


def class_of_pipeline(name: object) -> Any:
    """The pipeline class called ``name``; None if diffusers has no such."""
    import diffusers

    # As diffusers does: what Flax saved, torch opens.
    found = getattr(diffusers, name.removeprefix("Flax"), None) if isinstance(name, str) else None
    is_one = isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)
    return found if is_one else None

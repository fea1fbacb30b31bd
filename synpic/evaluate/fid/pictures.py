"""Images that are compared as a whole: of a folder, of a model of a workspace, or of a world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import polars as pl
from PIL.Image import Image

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.wanted_images import wanted_images
from synpic.ingest.listing import list_folder, read_regular
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.readers.display import visible
from synpic.readers.images import decode
from synpic.registry import SCENES
from synpic.workspace import Workspace

__all__ = [
    "NamedPicture",
    "PictureSet",
    "images_by_model",
    "in_batches",
    "pictures_of_model",
    "references_at",
    "require_references",
]

NamedPicture: TypeAlias = tuple[str, Image]
"""What an image is called in messages, and the image."""

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2")

_AT_ONCE = 32

_WORLD = "world:"

T = TypeVar("T")


def in_batches(things: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """``things`` in batches of ``size``, the last of which may be smaller."""
    rest = iter(things)
    while some := list(islice(rest, size)):
        yield some


@dataclass(frozen=True)
class PictureSet:
    """Images, read one after another whenever they are gone through.

    Args:
        name: what they are, for people.
        n: how many.
        pictures: they.
    """

    name: str
    n: int
    pictures: Iterable[NamedPicture]


def images_by_model(inventory: Inventory) -> pl.DataFrame:
    """The rows of :meth:`Inventory.candidates`, each for every image of a model that it stands for.

    Of images that exist already, two models that gave one picture have one candidate.
    """
    rows = inventory.candidates()
    models = wanted_images(inventory).select("candidate_id", "model")
    return (
        rows.drop("model")
        .join(models, on="candidate_id", how="inner", maintain_order="left")
        .select(rows.columns)
    )


def pictures_of_model(inventory: Inventory, model: str) -> PictureSet:
    """The images of ``model`` that are there, flagged ones too.

    Raises:
        EvaluationError: the recipe has no such model.
    """
    rows = images_by_model(inventory)
    there = rows.filter(pl.col("model") == model)
    known = sorted({one.name for one in inventory.models} | set(rows["model"].unique()))
    if model not in known:
        raise EvaluationError(
            f"no model {model!r}.{did_you_mean(model, known)}",
            hint=f"models here: {', '.join(known) or 'none'}",
        )
    return PictureSet(model, there.height, _OfWorkspace(inventory, there))


def require_references(references: str) -> None:
    """Refuse a name of what :func:`references_at` cannot read, before anything is drawn.

    Raises:
        EvaluationError, UnknownName: as there.
    """
    if references.startswith(_WORLD):
        SCENES.load(references.removeprefix(_WORLD))
    elif not (Path(references) / "recipe.toml").is_file():
        _files_of(Path(references))


def references_at(
    references: str | Path, inventory: Inventory, models: Sequence[str]
) -> PictureSet:
    """The images that others are held to.

    Args:
        references: a folder of images, those of folders in it too; a workspace, all of whose images
            are taken; or ``world:NAME``, scenes that a program draws of the prompts in
            ``inventory``, as many as its models have images.
        models: of ``inventory``, whose images are compared.

    Raises:
        EvaluationError: there is no such folder, or no image in it.
        UnknownName: no such world draws scenes.
    """
    if str(references).startswith(_WORLD):
        return _scenes(str(references).removeprefix(_WORLD), inventory, models)
    folder = Path(references)
    if (folder / "recipe.toml").is_file():
        other = take_inventory(Workspace.open(folder))
        rows = other.candidates()
        return PictureSet(f"the workspace {folder}", rows.height, _OfWorkspace(other, rows))
    files = _files_of(folder)
    return PictureSet(f"the folder {folder}", len(files), _OfFolder(folder, files))


def _files_of(folder: Path) -> list[str]:
    """
    Raises:
        EvaluationError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise EvaluationError(
            f"{visible(str(folder))}: there is no such folder of references",
            hint="name a folder of images, a workspace, or world:NAME",
        )
    files = _image_files(folder)
    if not files:
        raise EvaluationError(
            f"{visible(str(folder))} holds no image",
            hint=f"images end in {', '.join(_IMAGES)}; those of a dataset are ingested into a "
            "workspace, and the workspace is named",
        )
    return files


def _image_files(folder: Path) -> list[str]:
    listing = list_folder(folder, lambda name: name.lower().endswith(_IMAGES), follow_links=False)
    return list(listing.files)


@dataclass(frozen=True)
class _OfFolder:
    folder: Path
    files: Sequence[str]

    def __iter__(self) -> Iterator[NamedPicture]:
        for name in self.files:
            yield _decoded(str(self.folder / name), partial(read_regular, self.folder / name))


@dataclass(frozen=True, eq=False)
class _OfWorkspace:
    inventory: Inventory
    rows: pl.DataFrame

    def __iter__(self) -> Iterator[NamedPicture]:
        reader = self.inventory.workspace.images(self.inventory.image_folders())
        wanted = list(self.rows.select("candidate_id", "sha256").iter_rows())
        for some in in_batches(reader.in_order(wanted), _AT_ONCE):
            for (candidate, _), data in zip(some, reader.read(some), strict=True):
                yield _decoded(f"candidate {candidate}", partial(bytes, data))


def _decoded(name: str, read: Callable[[], bytes]) -> NamedPicture:
    """
    Raises:
        EvaluationError: the image cannot be read, by its name.
    """
    try:
        return name, decode(read())
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise EvaluationError(
            f"{visible(name)} cannot be read: {reason}", hint="put a whole image there, or none"
        ) from error


@dataclass(frozen=True)
class _OfWorld:
    draw: Any
    times: Mapping[str, int]

    def __iter__(self) -> Iterator[NamedPicture]:
        for prompt, times in self.times.items():
            for number in range(times):
                yield f"scene {number} of {prompt!r}", self.draw(prompt, number)


def _scenes(world: str, inventory: Inventory, models: Sequence[str]) -> PictureSet:
    counted = (
        images_by_model(inventory)
        .filter(pl.col("model").is_in(list(models)))
        .group_by("prompt", "model")
        .len()
        .group_by("prompt")
        .agg(pl.col("len").max())
        .sort("prompt")
    )
    times = dict(counted.iter_rows())
    return PictureSet(
        f"scenes of the world {world}", sum(times.values()), _OfWorld(SCENES.load(world), times)
    )

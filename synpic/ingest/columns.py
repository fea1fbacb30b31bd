"""Which columns of a dataset hold images, prompts and the names of models."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from synpic.errors import IngestError
from synpic.ingest.captions import choose_prompt, require
from synpic.readers.arrow import column_of, is_text
from synpic.recipe import IngestSettings

__all__ = ["LAYOUTS", "ColumnLayout", "ImageColumns", "choose_columns"]


@dataclass(frozen=True)
class ColumnLayout:
    """How a family of datasets calls its columns.

    Args:
        images: of one row.
        models: which model drew each; one column may stand for all.
        keys: an id for each that no other image of the dataset has.
    """

    images: tuple[str, ...]
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


LAYOUTS = (
    # Pick-a-Pic, v1 and v2, and what has its columns.
    ColumnLayout(("jpg_0", "jpg_1"), ("model_0", "model_1"), ("image_0_uid", "image_1_uid")),
    # `pairwise` of this tool, and open-image-preferences-v1-binarized, which has no ids.
    ColumnLayout(
        ("chosen", "rejected"), ("chosen_model", "rejected_model"), ("chosen_id", "rejected_id")
    ),
    # Rapidata's comparisons.
    ColumnLayout(("image1", "image2"), ("model1", "model2")),
    ColumnLayout(("image",), ("model",)),
    ColumnLayout(("jpg",), ("model",)),
    ColumnLayout(("png",), ("model",)),
)
"""The first whose images are all there is taken; its other columns where they are there."""


@dataclass(frozen=True)
class ImageColumns:
    """The columns to read.

    Args:
        images: column → the Parquet leaf that holds its bytes.
        models, keys: column of an image → the one that says its model, its id; those that have one.
    """

    prompt: str
    images: dict[str, str]
    models: dict[str, str]
    keys: dict[str, str]

    @property
    def small(self) -> list[str]:
        """All but the images."""
        return list(dict.fromkeys([self.prompt, *self.models.values(), *self.keys.values()]))


def choose_columns(schema: pa.Schema, settings: IngestSettings, where: str) -> ImageColumns:
    """Settle which columns of ``schema`` are read.

    Raises:
        IngestError: one is not there, or holds something else; or there are several to choose from.
    """
    names = list(schema.names)
    layout = _layout(schema, settings, where)
    leaves = {name: _leaf(schema, name, where) for name in layout.images}
    prompt = choose_prompt(names, settings.prompt, where)
    if not is_text(schema.field(prompt).type):
        raise IngestError(
            f"{where}: column {prompt!r} is {schema.field(prompt).type}, not text",
            hint='name the column that holds prompts: prompt = "…" in [ingest], or --prompt-column',
        )
    models = tuple(settings.model or layout.models)
    for name in settings.model or ():
        require(name, names, where)
    for name in {*models, *layout.keys} & set(names):
        if not column_of(schema.field(name)).plain:
            raise IngestError(
                f"{where}: column {name!r} is {schema.field(name).type}, not one name or id a row",
                hint='name the column of models: model = ["…"] in [ingest], or --model-column',
            )
    models = models * len(layout.images) if len(models) == 1 else models
    return ImageColumns(
        prompt,
        leaves,
        {one: name for one, name in zip(leaves, models, strict=False) if name in names},
        {one: name for one, name in zip(leaves, layout.keys, strict=False) if name in names},
    )


def _layout(schema: pa.Schema, settings: IngestSettings, where: str) -> ColumnLayout:
    if settings.image is not None:
        for name in settings.image:
            require(name, schema.names, where)
        asked = tuple(settings.image)
        # Named or not, the columns of a known layout belong together.
        return next((one for one in LAYOUTS if one.images == asked), ColumnLayout(asked))
    for layout in LAYOUTS:
        if set(layout.images) <= set(schema.names):
            return layout
    images = [field.name for field in schema if _holds_images(field.type)]
    if len(images) == 1:
        return ColumnLayout((images[0],))
    raise IngestError(
        f"{where}: cannot tell which column holds images"
        + (f": {' or '.join(images)}" if images else ""),
        hint=f'it has: {", ".join(schema.names)}; name one or more: image = ["…"] in [ingest], or '
        "--image-column",
    )


def _leaf(schema: pa.Schema, name: str, where: str) -> str:
    kind = schema.field(name).type
    if _holds_images(kind):
        return f"{name}.bytes"
    types = pa.types
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return name
    raise IngestError(
        f"{where}: column {name!r} is {kind}, and holds no encoded images",
        hint="images are bytes, or the `Image` feature of datasets; an address is not fetched",
    )


def _holds_images(kind: pa.DataType) -> bool:
    """Whether this is the storage of the ``Image`` feature."""
    return pa.types.is_struct(kind) and "bytes" in {field.name for field in kind}

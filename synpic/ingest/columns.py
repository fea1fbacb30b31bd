"""Which columns of a dataset hold images, prompts and the names of models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import pyarrow as pa

from synpic.errors import IngestError
from synpic.ingest.captions import PROMPTS, choose_prompt, require
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
    # Pairs of ImageRewardDB, which names no models.
    ColumnLayout(("img_better", "img_worse")),
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
        prompts: column of an image → the one that holds its prompt.
        images: column → the Parquet leaf that holds its bytes.
        models, keys: column of an image → the one that says its model, its id; those that have one.
            Where that is a list, it has something for each image of the row.
        lists: columns whose cells are lists of images → the leaf from which their lengths are read.
        keep: columns to keep beside prompts.
    """

    prompts: dict[str, str]
    images: dict[str, str]
    models: dict[str, str]
    keys: dict[str, str]
    lists: Mapping[str, str]
    keep: Sequence[str]

    @property
    def small(self) -> list[str]:
        """All but the images."""
        named = [*self.prompts.values(), *self.models.values(), *self.keys.values()]
        return list(dict.fromkeys(named))


def choose_columns(schema: pa.Schema, settings: IngestSettings, where: str) -> ImageColumns:
    """Settle which columns of ``schema`` are read.

    Raises:
        IngestError: one is not there, or holds something else; or there are several to choose from.
    """
    names = list(schema.names)
    for name in names:
        if names.count(name) > 1:
            raise IngestError(f"{where}: two columns {name!r:.60}", hint="rename one of them")
    layout = _layout(schema, settings, where)
    leaves = {name: _leaf(schema, name, where) for name in layout.images}
    prompts = _prompts(names, list(layout.images), settings, where)
    for prompt in prompts.values():
        if not is_text(_element(schema.field(prompt).type)):
            raise IngestError(
                f"{where}: column {prompt!r} is {schema.field(prompt).type}, not text",
                hint='name the column that holds prompts: prompt = "…" in [ingest], or '
                "--prompt-column",
            )
    models = tuple(settings.model or layout.models)
    for name in settings.model or ():
        require(name, names, where)
    for name in {*models, *layout.keys} & set(names):
        # A list has something for each image of a row, where there are several.
        field = schema.field(name)
        several = len(leaves) > 1 or _is_list(schema.field(layout.images[0]).type)
        held = field.with_type(_element(field.type)) if several else field
        if not column_of(held).plain:
            raise IngestError(
                f"{where}: column {name!r} is {schema.field(name).type}, not one name or id a row",
                hint='name the column of models: model = ["…"] in [ingest], or --model-column',
            )
    models = models * len(layout.images) if len(models) == 1 else models
    for name in settings.keep or ():
        require(name, names, where)
        if not column_of(schema.field(name)).plain:
            raise IngestError(
                f"{where}: column {name!r} is {schema.field(name).type}, not one value a row",
                hint="take it out of keep: texts, numbers and booleans are kept beside prompts",
            )
    return ImageColumns(
        prompts,
        leaves,
        {one: name for one, name in zip(leaves, models, strict=False) if name in names},
        {one: name for one, name in zip(leaves, layout.keys, strict=False) if name in names},
        {
            name: _length_leaf(schema, name, leaf)
            for name, leaf in leaves.items()
            if _is_list(schema.field(name).type)
        },
        settings.keep or (),
    )


def _prompts(
    names: Sequence[str], images: Sequence[str], settings: IngestSettings, where: str
) -> dict[str, str]:
    """The column of each image's prompt: one for all, else one beside each."""
    asked = settings.prompt
    if asked is not None and len(asked) > 1:
        if len(asked) != len(images):
            raise IngestError(
                f"{where}: {len(asked)} columns of prompts for {len(images)} of images "
                f"({', '.join(images)})",
                hint="name one for all of them, or one for each",
            )
        return {one: require(name, names, where) for one, name in zip(images, asked, strict=True)}
    if asked is None and not any(name in names for name in PROMPTS):
        for word in PROMPTS:
            beside = {one: _beside(one, word, names) for one in images}
            if all(beside.values()):
                return {one: str(name) for one, name in beside.items()}
    shared = choose_prompt(names, asked[0] if asked else None, where)
    return dict.fromkeys(images, shared)


def _beside(image: str, word: str, names: Sequence[str]) -> str | None:
    """``caption_0`` of ``image_0``, ``chosen_caption`` of ``chosen``, ``captions`` of a list."""
    number = re.search(r"_?\d+$", image)
    wanted = [f"{word}{number[0]}"] if number else []
    wanted += [f"{image}_{word}", f"{word}_{image}", f"{word}s"]
    return next((name for name in wanted if name in names), None)


def _layout(schema: pa.Schema, settings: IngestSettings, where: str) -> ColumnLayout:
    if settings.image is not None:
        for name in settings.image:
            require(name, schema.names, where)
        asked = tuple(settings.image)
        # Named or not, the columns of a known layout belong together.
        return next((one for one in LAYOUTS if one.images == asked), ColumnLayout(asked))
    for layout in LAYOUTS:
        there = set(layout.images) <= set(schema.names)
        if there and not any(_is_list(schema.field(one).type) for one in layout.images):
            return layout
    numbered = _numbered(schema)
    if numbered is not None:
        return numbered
    images = [field.name for field in schema if _holds_images(_element(field.type))]
    if len(images) == 1:
        name = images[0]
        models = [f"{name}_models", f"{name}_model", "models", "model"]
        model = next((one for one in models if one in schema.names), None)
        return ColumnLayout((name,), (model,) if model else ())
    raise IngestError(
        f"{where}: cannot tell which column holds images"
        + (f": {' or '.join(images)}" if images else ""),
        hint=f'it has: {", ".join(schema.names)}; name one or more: image = ["…"] in [ingest], or '
        "--image-column",
    )


def _numbered(schema: pa.Schema) -> ColumnLayout | None:
    """``image_0``, ``image_1``, …: as `ranked` of this tool has them, whose lists name the rest."""
    for stem in ("image_", "img_"):
        images = [f"{stem}{number}" for number in range(len(schema.names))]
        first = 0 if images[0] in schema.names else 1
        there = list(takewhile(schema.names.__contains__, images[first:]))
        if len(there) > 1 and all(_holds_images(schema.field(one).type) for one in there):
            models = [f"model_{one.removeprefix(stem)}" for one in there]
            listed = "models" in schema.names and _is_list(schema.field("models").type)
            keyed = "candidate_ids" in schema.names
            return ColumnLayout(
                tuple(there),
                ("models",) * len(there) if listed else tuple(models),
                ("candidate_ids",) * len(there) if keyed else (),
            )
    return None


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _element(kind: pa.DataType) -> pa.DataType:
    """What a list holds; of another type itself."""
    return kind.value_type if _is_list(kind) else kind


def _length_leaf(schema: pa.Schema, name: str, leaf: str) -> str:
    """The smallest leaf of a list of images: names of files, where they are there."""
    element = _element(schema.field(name).type)
    paths = pa.types.is_struct(element) and "path" in {field.name for field in element}
    return f"{leaf.removesuffix('.bytes')}.path" if paths else leaf


def _leaf(schema: pa.Schema, name: str, where: str) -> str:
    kind = schema.field(name).type
    if _holds_images(kind):
        return f"{name}.bytes"
    if _is_list(kind) and _holds_images(_element(kind)):
        # As Arrow names the levels of a list in Parquet.
        return f"{name}.list.{kind.value_field.name}.bytes"
    kind = _element(kind)
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

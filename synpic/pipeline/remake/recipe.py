"""The workspace in which a part of a release is made again: recipe, lock and prompts."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.errors import DamagedRelease, WorkspaceError
from synpic.hub.lock import LockEntry
from synpic.pipeline.merge.recipe_text import plain_text
from synpic.prompts.joined import JOINED, write_joined
from synpic.readers.json_models import validate
from synpic.recipe import Recipe, parse_recipe
from synpic.release.chunks import ChunkSample
from synpic.release.manifest import MANIFEST, LockRow, Manifest, encode
from synpic.release.source import Published
from synpic.workspace import RECIPE, Workspace, tables
from synpic.workspace.lock import LOCK, RecipeLock

__all__ = ["begin_workspace", "published_recipe"]

_HEAD = "# Made by `synpic remake`, of the release with this SHA-256 of its manifest: "


def published_recipe(release: Published) -> Recipe:
    """The recipe of a release.

    Raises:
        RecipeError: this synpic cannot follow it.
    """
    return parse_recipe(release.manifest.recipe, f"{release.name}: {MANIFEST}: recipe")


def begin_workspace(
    workspace: Workspace,
    release: Published,
    sample: ChunkSample,
    models: Sequence[str],
    rewards: Sequence[str],
) -> None:
    """Write recipe, lock and prompts of the sample; what was made there before stays.

    Args:
        workspace: a folder that is empty or absent, or the one of an earlier remake.
        models, rewards: those of the recipe that are followed.

    Raises:
        WorkspaceError: the folder holds something else.
        DamagedRelease: the lock in the manifest is none.
        StorageError: the disk is full, or refuses.
    """
    store, manifest = workspace.store, release.manifest
    head = _HEAD + ids.sha256(encode(manifest))
    if store.exists(RECIPE):
        first = store.read(RECIPE).decode("utf-8", errors="replace").partition("\n")[0]
        if first != head:
            raise WorkspaceError(
                f"{store} holds another workspace: its {RECIPE} is not of this release",
                hint="name another folder: --into DIR",
            )
    else:
        foreign = {*store.list("")} - {LOCK, JOINED}
        if foreign:
            raise WorkspaceError(
                f"{store} is not empty: it holds {min(foreign)}",
                hint="name a folder that is empty, or not there yet: --into DIR",
            )
        RecipeLock(store, _locked(release)).write()
    write_joined(store, _prompts(sample.prompts, release.name))
    # Last: what has a recipe is a workspace, and whole.
    store.write(RECIPE, f"{head}\n\n{_text(manifest, models, rewards)}".encode())


def _text(manifest: Manifest, models: Sequence[str], rewards: Sequence[str]) -> str:
    """What draws and scores, of the published recipe, over the prompts of the sample."""
    data = tomllib.loads(manifest.recipe.removeprefix("\ufeff"))
    # Of a suite, its protocol says how many images a prompt has.
    samples = {one.name: one.samples for one in manifest.models if one.samples is not None}
    kept: dict[str, Any] = {}
    kept |= {key: data[key] for key in ("seed", "shared_seeds") if key in data}
    kept["prompts"] = {"file": JOINED}
    if "images" in data:
        kept["images"] = data["images"]
    kept["models"] = {
        name: {**data["models"][name], **({"samples": samples[name]} if name in samples else {})}
        for name in models
    }
    kept["rewards"] = {name: data["rewards"][name] for name in rewards}
    return plain_text(kept)


def _locked(release: Published) -> list[LockEntry]:
    hint = "download the release again, or publish it again"
    return [
        validate(
            LockEntry,
            row.model_dump(include={*LockRow.model_fields}),
            f"{release.name}: {MANIFEST}: lock.{number}",
            DamagedRelease,
            hint,
        )
        for number, row in enumerate(release.manifest.lock)
    ]


def _prompts(prompts: pl.DataFrame, source: str) -> pa.Table:
    rows = prompts.select("prompt_id", "prompt", "split", pl.lit(source).alias("source"))
    return rows.to_arrow().cast(tables.PROMPTS)

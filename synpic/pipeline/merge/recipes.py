"""Recipes and locks of several workspaces as one, and what they do not agree on."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synpic import ids
from synpic.errors import RecipeError
from synpic.hub.lock import LockEntry
from synpic.pipeline.merge.places import Held
from synpic.pipeline.merge.recipe_text import plain_text, table_text, with_table, with_value
from synpic.pipeline.merge.source import Clash, RecipeText, Source, edited
from synpic.prompts.joined import JOINED
from synpic.readers.text import decode
from synpic.recipe import Recipe, parse_recipe
from synpic.recipe.toml import toml_value
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.lock import RecipeLock, TriedSchedule

__all__ = ["joined_lock", "joined_text", "read_recipe_file", "recipe_clashes"]

_NAMED = ("models", "rewards", "judges")


def recipe_clashes(sources: Sequence[Source]) -> list[Clash]:
    """Keys of which two recipes say different things; prompts are compared by their rows.

    Weights, lists and images count by their content where that is known.
    """
    first, *others = [(source.name, _compared(source)) for source in sources]
    found: list[str] = []
    for name, data in others:
        for key in [key for key in data if key not in _NAMED]:
            found += _differences(key, (first[0], first[1][key]), (name, data[key]))
    for kind in _NAMED:
        known: dict[str, tuple[str, Any]] = {}
        for name, data in [first, *others]:
            for entry, settings in data[kind].items():
                before = known.setdefault(entry, (name, settings))
                found += _differences(f"{kind}.{entry}", before, (name, settings))
    return [Clash("recipe", line) for line in dict.fromkeys([*found, *_twins(sources)])]


def joined_text(parts: Sequence[RecipeText], prompts: Mapping[str, Any] | None) -> str:
    """The text of one recipe: the first, with the models, rewards and judges that only others have.

    Comments stay, unless the layout of a text is such that only a plain one can be written.

    Args:
        parts: recipes that agree on what they all say.
        prompts: what goes in the place of ``[prompts]``; None for that of the first.

    Raises:
        RecipeError: the parts make no recipe.
    """
    first, *others = parts
    data, text = first.data, _moved_text(first)
    if prompts is not None and data.get("prompts") != dict(prompts):
        data["prompts"] = dict(prompts)
        text = with_table(text, "prompts", prompts)
    for part in others:
        theirs, their_text = part.data, _moved_text(part)
        for kind in _NAMED:
            for name, settings in theirs.get(kind, {}).items():
                if name not in data.setdefault(kind, {}):
                    data[kind][name] = settings
                    block = table_text(their_text, f"{kind}.{name}") or ""
                    text = f"{text.rstrip()}\n\n{block}\n"
    data = {key: value for key, value in data.items() if value != {}}
    wanted = _validated(data)
    try:
        if parse_recipe(text) == wanted:
            return text
    except RecipeError:
        pass
    return plain_text(data)


def read_recipe_file(file: Path) -> Snapshot:
    """A recipe outside any workspace; one without prompts gets those of the workspaces.

    Raises:
        RecipeError: it cannot be read, or is none.
    """
    try:
        text = decode(file.read_bytes(), str(file), error=RecipeError)
    except OSError as error:
        raise RecipeError(
            f"--recipe {file}: {error.strerror or error}", hint="name a file that is there"
        ) from error
    try:
        recipe = parse_recipe(text, str(file))
    except RecipeError as error:
        if _has_prompts(text):
            raise
        text = with_table(text, "prompts", {"file": JOINED})
        try:
            recipe = parse_recipe(text, str(file))
        except RecipeError:
            raise error from None
    workspace = Workspace(file.absolute().parent)
    return Snapshot(workspace, recipe, text, RecipeLock(workspace.store))


def _has_prompts(text: str) -> bool:
    """Whether a recipe says anything of prompts; also a text that is no TOML may."""
    try:
        return "prompts" in tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return True


def joined_lock(
    sources: Sequence[Source], target: Path
) -> tuple[list[LockEntry], list[TriedSchedule], list[Clash]]:
    """The entries of all locks, with the paths of the new workspace; and names of two answers."""
    known: dict[Any, tuple[str, LockEntry]] = {}
    tried: dict[str, TriedSchedule] = {}
    clashes = []
    for source in sources:
        moved = {one.value: one.moved for one in source.recipe.places}
        for entry in source.snapshot.lock.entries:
            if entry.source in moved and entry.kind in ("folder", "file"):
                entry = entry.model_copy(update={"source": moved[entry.source]})
            elif entry.kind in ("folder", "file") and not _anywhere(entry.source):
                continue  # the recipe no longer names it
            name, before = known.setdefault(entry.key, (source.name, entry))
            if before.identity != entry.identity:
                at = f" at {entry.revision}" if entry.revision else ""
                clashes.append(
                    Clash(
                        "lock",
                        f"{entry.kind} {entry.source}{at}: {ids.short(before.identity)} in {name}, "
                        f"{ids.short(entry.identity)} in {source.name}",
                    )
                )
        tried = {**{one.sha256: one for one in source.snapshot.lock.schedules}, **tried}
    return [entry for _, entry in known.values()], list(tried.values()), clashes


def _anywhere(source: str) -> bool:
    """Whether a path means the same from every folder."""
    return source.startswith(("/", "~", "package:"))


def _moved_text(part: RecipeText) -> str:
    text = part.snapshot.recipe_text.removeprefix("\ufeff")
    for one in part.places:
        if one.moved != one.value:
            text = with_value(text, one.keys, one.value, one.moved)
    return text


def _validated(data: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc']))}: {str(one['msg']).removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise RecipeError(
            f"the recipes make none together: {'; '.join(lines)}",
            hint="give a recipe for all of them: --recipe FILE",
        ) from error


def _twins(sources: Sequence[Source]) -> Iterator[str]:
    """A line for each model that is called otherwise elsewhere: the images of both are the same."""
    known: dict[str, tuple[str, str]] = {}
    for source in sources:
        for model in source.inventory.models:
            if model.name not in source.snapshot.recipe.models:
                continue
            name, owner = known.setdefault(model.fingerprint, (model.name, source.name))
            if name != model.name and source.snapshot.recipe.shared_seeds:
                yield (
                    f"[models.{name}] in {owner} and [models.{model.name}] in {source.name} are "
                    "one model, which draws the same images under both names"
                )


def _compared(source: Source) -> dict[str, Any]:
    data = source.snapshot.recipe.model_dump()
    held = {one.keys: one.held for one in source.recipe.places}
    data = edited(data, dict(held))
    data.pop("prompts")
    return data


def _differences(name: str, one: tuple[str, Any], other: tuple[str, Any]) -> Iterator[str]:
    """A line for each key of a table, or for a plain value, that is not the same in both."""
    (first, before), (second, now) = one, other
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [key for key in {**before, **now} if before.get(key) != now.get(key)]:
            yield (
                f"[{name}] {key}: {_shown(before.get(key))} in {first}, "
                f"{_shown(now.get(key))} in {second}"
            )
        return
    table = isinstance(before, dict) or isinstance(now, dict)
    shown = [
        _shown(one) if not table else "not set" if one is None else "set" for one in (before, now)
    ]
    yield f"{f'[{name}]' if table else name}: {shown[0]} in {first}, {shown[1]} in {second}"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Held):
        return str(value)
    try:
        text = toml_value(value)
    except TypeError:  # a place deeper in
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"

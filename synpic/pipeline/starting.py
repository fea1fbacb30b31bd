"""The recipe that ``synpic init`` writes for prompts, models and rewards that options name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synpic.errors import RecipeError, did_you_mean
from synpic.pipeline.asked import (
    ask_model,
    is_repository,
    model_names,
    model_tables,
    named_tables,
    path_from,
)
from synpic.prompts.read import FILES
from synpic.recipe.toml import toml_value
from synpic.registry import REWARDS, WORLDS

__all__ = ["starting_recipe"]

_WORLD_PROMPTS = 300
"""How many prompts of a world are wanted where nothing says so: it makes them without end."""

_END = """
[ranking]
aggregation = "win-rate"          # `synpic list aggregations` shows the others
ties = "competition"              # 1, 2, 2, 4; or "ordinal": ties broken by candidate id

[records]
configs = ["ranked", "scores"]    # also: images, pairwise, pickapic

[publish]
# title = "…"
# license = "…"                   # mind the licences of the models and of the prompts
# language = ["en"]
"""


def starting_recipe(
    folder: Path,
    *,
    prompts: str,
    models: Sequence[str],
    rewards: Sequence[str],
    column: str | None = None,
    count: int | None = None,
) -> str:
    """The text of a commented recipe.

    Args:
        folder: where it will lie; files are named from there.
        prompts: a file; a dataset, ``owner/name[@revision]``; or a world.
        models: registered models, folders, or ``owner/name[@revision]``; ``NAME=MODEL`` names one.
        rewards: names in the registry, or ``package.module:callable``.
        column: that holds the prompt, of a file or dataset.
        count: how many prompts; all, or 300 of a world, if None.

    Raises:
        RecipeError: one of them is not there, or two models have one name.
    """
    lines = [
        "# Edit it and run the commands again: what is missing is made, nothing is made twice.",
        "# docs/recipe.md has every key.",
        "",
        "seed = 0                          # every image's seed is derived from it",
        "",
        "[prompts]",
        *(f"{key} = {toml_value(value)}" for key, value in _prompts(folder, prompts, count)),
    ]
    if column is not None:
        lines.append(f"column = {toml_value(column)}")
    asked = [ask_model(model, error=RecipeError) for model in models]
    names = model_names(asked, "give one a name: --model NAME=MODEL", error=RecipeError)
    # A ranking needs two images of a prompt.
    samples = (
        f"samples = {1 if len(asked) > 1 else 2}                       # images of each prompt"
    )
    for model in asked:
        blank, head, *keys = model_tables(model, str(names[model.label]), folder)
        lines += [blank, head, samples, *keys]
    for name, table in named_tables("reward", _known(rewards)).items():
        lines += ["", f"[rewards.{name}]"]
        if table["reward"] != name:
            lines.append(f"reward = {toml_value(table['reward'])}")
        lines.append("weight = 1.0")
    return "\n".join(lines) + "\n" + _END


def _prompts(folder: Path, prompts: str, count: int | None) -> list[tuple[str, Any]]:
    """The keys of ``[prompts]`` that say where they come from."""
    counted = [] if count is None else [("count", count)]
    if Path(prompts).expanduser().is_file():
        return [("file", path_from(folder, prompts)), *counted]
    if prompts in WORLDS.names():
        return [("world", prompts), ("count", count or _WORLD_PROMPTS)]
    if Path(prompts).expanduser().is_dir():
        return [("dataset", path_from(folder, prompts)), *counted]
    name, _, revision = prompts.partition("@")
    # A name that ends like a file of prompts is a file that is not there.
    if is_repository(prompts) and not name.endswith(FILES):
        return [("dataset", name), *([("revision", revision)] if revision else []), *counted]
    raise RecipeError(
        f"--prompts {prompts}: there is no such file, dataset or world",
        hint="give a .txt (a prompt a line), .csv, .jsonl or .parquet file, owner/name of a "
        f"dataset on the Hub, or a world: {', '.join(WORLDS.names())}",
    )


def _known(rewards: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    for name in rewards:
        if name not in REWARDS:
            raise RecipeError(
                f"--reward {name}: there is no such reward.{did_you_mean(name, REWARDS.names())}",
                hint="`synpic list rewards` shows what there is; one of your own is written as "
                "module:function",
            )
    return {name: {} for name in rewards}

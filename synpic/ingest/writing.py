"""The recipe that options on the command line amount to, where images exist already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synpic.errors import RecipeError
from synpic.ingest.names import name_models
from synpic.readers.text import shown
from synpic.recipe.toml import toml_value

__all__ = ["ingest_recipe"]


def ingest_recipe(rewards: Sequence[str], ingest: Mapping[str, Any]) -> str:
    """The text of a recipe.

    Args:
        rewards: names in the registry, or ``package.module:callable``.
        ingest: the keys of ``[ingest]``: texts, numbers, lists of texts, true; None leaves one out.

    Raises:
        RecipeError: there is no reward, or a text is not UTF-8.
    """
    if not rewards:
        raise RecipeError(
            "no reward is named to score with",
            hint="--reward NAME, once for each; `synpic list rewards` shows what there is",
        )
    for key, value in ingest.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and shown(one) != one:
                raise RecipeError(
                    f"{key}: {shown(one):.200}: the name is not UTF-8, and a recipe is",
                    hint="give it another name, or a link to it: ln -s",
                )
    lines = [
        "# Images that exist already, scored. Edit it and run `synpic score` again: what is",
        "# missing is ingested and scored, and nothing is done twice.",
        "[ingest]",
        *(f"{key} = {toml_value(value)}" for key, value in ingest.items() if value is not None),
    ]
    words: dict[str, str] = {}
    for reward in dict.fromkeys(rewards):
        word, number = reward.rpartition(":")[2], 1
        while (label := word if number == 1 else f"{word} {number}") in words.values():
            number += 1
        words[reward] = label
    tables = name_models(words.values(), {})
    for reward, label in words.items():
        lines += ["", f"[rewards.{tables[label]}]"]
        if reward != tables[label]:
            lines.append(f"reward = {toml_value(reward)}")
    return "\n".join(lines) + "\n"

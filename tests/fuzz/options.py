"""Odd command lines: options of the commands themselves, with values that make no sense."""

from __future__ import annotations

import random
from typing import Any

from tests.fuzz.values import NUMBERS, TEXTS

__all__ = ["odd_command"]

COMMANDS: list[list[str]] = [
    ["status"], ["rank"], ["validate"], ["plan"], ["publish", "--to", "made"],
    ["publish", "user/set", "--dry-run"], ["verify", "out"], ["diff", "out", "out"],
    ["re-rank", "out"], ["export", "--to", "pickapic", "made", "out"],
    ["export", "--to", "folders", "made"], ["init", "fresh"], ["list", "models"],
    ["list", "rewards"], ["generate", "--dry-run"], ["score", "--dry-run"],
    ["train", "--preset", "shapes", "--show"], ["versions", "user/set"], ["repair", "--dry-run"],
]  # fmt: skip

_SAFE = [text for text in TEXTS if text[:1] not in ("/", "~", "$") and "\0" not in text]
"""An operating system passes no NUL to a program; and no test writes outside its folder."""


def odd_command(rng: random.Random) -> list[str]:
    """A command with one or two options, or an argument, that it does not expect."""
    from typer.main import get_command

    from synpic_cli.main import app

    words = list(rng.choice(COMMANDS))
    command: Any = get_command(app)
    for word in words[: 2 if words[0] == "list" else 1]:
        command = command.commands.get(word, command)
    options = [
        one
        for one in command.params
        if one.param_type_name == "option" and one.name not in ("help", "version")
    ]
    how = rng.choice(["option", "option", "option", "word", "more"])
    if how == "word" and len(words) > 1:
        at = rng.randrange(1, len(words))
        if words[at] not in ("--dry-run", "--show"):
            words[at] = _odd(rng)
    elif how == "more":
        words.append(_odd(rng))
    for one in rng.sample(options, min(len(options), rng.choice([1, 1, 2]))):
        words.append(one.opts[-1])
        if not one.is_flag:
            words.append(_odd(rng))
    return words


def _odd(rng: random.Random) -> str:
    near = ["a=1", "redness=1", "redness=-1", "redness=nan", "redness=1e999", "1/2", "3/2", "0/0",
            "cpu", "cuda:99", "ray", "out", "recipe.toml", "made/x.csv", "x.parquet", "all",
            "random", "borda", "v1.0.0", "1.0.0", "beta", "run.steps=1e999"]  # fmt: skip
    return str(rng.choice([rng.choice(NUMBERS), rng.choice(_SAFE), rng.choice(near)]))

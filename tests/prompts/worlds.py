"""Worlds for tests, named in recipes as ``tests.prompts.worlds:…``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as count_up
from typing import Any


def numbers(*, count: int, seed: int, split: str) -> list[dict[str, Any]]:
    return [{"prompt": f"{seed + i} dots", "split": split, "meta_dots": i} for i in range(count)]


def endless(*, count: int, seed: int, split: str) -> Iterator[dict[str, Any]]:
    return ({"prompt": f"{i // 2} dots"} for i in count_up())


def broken(*, count: int, seed: int, split: str) -> list[dict[str, Any]]:
    raise ZeroDivisionError("no such world")


def texts(*, count: int, seed: int, split: str) -> list[str]:
    return ["a red circle"] * count


def halves(*, count: int, seed: int, split: str) -> list[dict[str, Any]]:
    return [{"prompt": "a"}, {"prompt": "b\ud800"}]


def numbered(*, count: int, seed: int, split: str) -> list[dict[Any, Any]]:
    return [{"prompt": "a", 7: "b"}]


def silent(*, count: int, seed: int, split: str) -> list[dict[str, Any]]:
    return []


nothing = 7

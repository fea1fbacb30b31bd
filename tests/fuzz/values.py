"""Faults in values: JSON, TOML, a card's YAML head, the header of safetensors."""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["mutate_card", "mutate_json", "mutate_safetensors", "mutate_toml", "mutate_value"]

Changed = tuple[bytes, str, str | None]


class Raw(str):
    """What stands in the file as it is written here, whatever the format's rules are."""


NUMBERS: list[Any] = [
    0, -1, 1, 2**31, 2**53, 2**63, -(2**63) - 1, 2**64, 10**30, 1e308, -0.0, 1e-320, 0.5,
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("-1e999"), Raw("1" * 5000),
    Raw("00"), Raw("0x10"),
]  # fmt: skip
TEXTS = [
    "", " ", "x", "\0", "a\0b", "\x1b[2J", "\ud800", "x\udfff", "../../outside", "../" * 40 + "x",
    "/etc/passwd", "C:\\x", "file:///etc/passwd", "~nobody/x", ".", "..", "/", "a/b", "con",
    "x" * 300, "x" * 100_000, "\u202eabc", "\u200b", "e\u0301", "\u00e9", "\ufeff", "\u2028",
    "İ", "{}", "{0}", "%s", "[red]x[/red]", "[/]", "null", "true", "1", "1.0", "NaN", "-",
    "__class__", "os:system", "no_such_package:x", "\n", "a\nb", "*", "**", "[", "$HOME",
    "hf://datasets/x/y", "x@y", "user/set", "a" * 64, "0" * 40,
]  # fmt: skip


def odd_value(rng: random.Random) -> Any:
    """A value that is rarely what a reader expects."""
    return rng.choice(
        [
            lambda: None,
            lambda: rng.choice([True, False]),
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(TEXTS),
            lambda: [],
            lambda: {},
            lambda: [[]],
            lambda: [None],
            lambda: [rng.choice(TEXTS)],
            lambda: {"": ""},
            lambda: {rng.choice(TEXTS): rng.choice(TEXTS)},
            lambda: {str(n): n for n in range(1000)},
            lambda: _nested(rng.choice([40, 300]), rng.random() < 0.5),
            lambda: Raw("[" * 100_000 + "]" * 100_000),
            lambda: Raw('{"a":' * 5000 + "1" + "}" * 5000),
        ]
    )()


def _nested(depth: int, lists: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any, str | None]]:
    """Each container with one of its keys, and the key by which people know the place."""

    def walk(inside: Any, known: str | None) -> Iterator[tuple[Any, Any, str | None]]:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        for key in keys:
            name = str(key) if isinstance(inside, dict) else known
            yield inside, key, name
            if isinstance(inside[key], dict | list):
                yield from walk(inside[key], name)

    yield from walk(value, None)


def mutate_value(value: Any, rng: random.Random) -> tuple[Any, str, str | None]:
    """``value`` (changed in place, if it can be) with one fault; what it is; the key it is at."""
    places = list(_places(value)) if isinstance(value, dict | list) else []
    if not places or rng.random() < 0.03:
        odd = odd_value(rng)
        return odd, f"the whole is {_short(odd)}", None
    # A shallow place is as likely as a deep one, however many there are of these.
    names = sorted({name or "" for _, _, name in places})
    name = rng.choice(names)
    inside, key, named = rng.choice([place for place in places if (place[2] or "") == name])
    old = inside[key]
    if isinstance(inside, list):
        how = rng.choice(["value", "value", "delete", "twice", "near"])
    else:
        how = rng.choice(["value", "value", "value", "delete", "rename", "add", "near", "twice"])
    if how == "delete":
        del inside[key]
        return value, f"{key} deleted", named
    if how == "rename":
        other = rng.choice([str(key) + "x", str(key).upper(), str(key)[:-1], "", "é", "a.b"])
        del inside[key]
        inside[other] = old
        return value, f"{key} renamed to {other!r}", f"{named}|{other}"
    if how == "add":
        odd = odd_value(rng)
        inside[rng.choice(["new_key", "", "a b", "__proto__", "x" * 500])] = odd
        return value, f"a new key beside {key}: {_short(odd)}", None
    if how == "twice" and isinstance(inside, list):
        inside.insert(key, old)
        return value, f"item {key} twice", named
    if how == "twice":
        inside[key] = Twice(old, odd_value(rng))
        return value, f"{key} twice", named
    odd = _near(old, rng) if how == "near" else odd_value(rng)
    inside[key] = odd
    return value, f"{key} = {_short(odd)}", named


class Twice:
    """A key that stands in the file twice, with these values."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second


def _near(old: Any, rng: random.Random) -> Any:
    """A value of the same kind, or nearly."""
    if isinstance(old, bool):
        return rng.choice([not old, int(old), str(old).lower()])
    if isinstance(old, int | float):
        return rng.choice([old + 1, -old, old * 1000, float(old), str(old), [old], old / 3])
    if isinstance(old, str):
        return rng.choice(
            [old + " ", old.upper(), old[:-1], old[::-1], [old], {"x": old}, old + "\0", old * 50]
        )
    if isinstance(old, list):
        return rng.choice([old[::-1], old * 2, old[:1], {}, dict(enumerate(map(str, old)))])
    if isinstance(old, dict):
        return rng.choice([list(old), {}, list(old.values()), {k + "x": v for k, v in old.items()}])
    return "null"


def _short(value: Any) -> str:
    written = ascii(value)
    return written if len(written) < 60 else f"{written[:50]}… ({len(written)})"


# -- JSON ----------------------------------------------------------------------------------------


def write_json(value: Any) -> bytes:
    """``value`` as JSON, with what is raw or stands twice."""
    raw: list[str] = []

    def hold(text: str) -> str:
        raw.append(text)
        return f"<<raw {len(raw) - 1}>>"

    def plain(inside: Any) -> Any:
        if isinstance(inside, Raw):
            return hold(str(inside))
        if isinstance(inside, Twice):
            return inside
        if isinstance(inside, dict):
            made: dict[str, Any] = {}
            for key, one in inside.items():
                if isinstance(one, Twice):
                    first, second = (json.dumps(plain(each)) for each in (one.first, one.second))
                    made[str(key)] = hold(f"{first}, {json.dumps(str(key))}: {second}")
                else:
                    made[str(key)] = plain(one)
            return made
        return [plain(one) for one in inside] if isinstance(inside, list) else inside

    text = json.dumps(plain(value), indent=1)
    while found := re.search(r'"<<raw (\d+)>>"', text):
        text = text[: found.start()] + raw[int(found[1])] + text[found.end() :]
    return text.encode("utf-8", errors="surrogatepass")


def mutate_json(data: bytes, rng: random.Random) -> Changed:
    """A JSON document with a fault in one of its values."""
    value, what, key = mutate_value(json.loads(data), rng)
    return write_json(value), what, key


def mutate_safetensors(data: bytes, rng: random.Random) -> Changed:
    """A file of weights with a fault in its header."""
    size = int.from_bytes(data[:8], "little")
    value, what, key = mutate_value(json.loads(data[8 : 8 + size]), rng)
    header = write_json(value)
    claimed = rng.choice([len(header)] * 6 + [0, len(header) + 8, 2**40, 2**64 - 1])
    return claimed.to_bytes(8, "little") + header + data[8 + size :], what, key


# -- TOML ----------------------------------------------------------------------------------------


def write_toml(value: Any, at: str = "") -> str:
    """``value`` as TOML; null, which TOML lacks, is left as a bare word."""
    if not isinstance(value, dict):
        return f"value = {_toml(value)}\n"
    lines = [f"[{at}]"] if at else []
    tables = []
    for key, one in value.items():
        name = key if re.fullmatch(r"[A-Za-z0-9_-]+", str(key)) else json.dumps(str(key))
        if isinstance(one, Twice):
            lines += [f"{name} = {_toml(one.first)}", f"{name} = {_toml(one.second)}"]
        elif isinstance(one, dict) and len(at.split(".")) < 3:
            tables.append(write_toml(one, f"{at}.{name}" if at else name))
        else:
            lines.append(f"{name} = {_toml(one)}")
    return "\n".join([*lines, ""]) + "\n" + "".join(tables)


def _toml(value: Any) -> str:
    if isinstance(value, Raw):
        return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(value, str(value))
    if value is None:
        return "null"
    if isinstance(value, Twice):
        return _toml(value.first)
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value).replace("\x7f", "\\u007f")


def mutate_toml(data: bytes, rng: random.Random) -> Changed:
    """A TOML file with a fault in one of its values."""
    value, what, key = mutate_value(tomllib.loads(data.decode()), rng)
    return write_toml(value).encode("utf-8", errors="surrogatepass"), what, key


# -- cards ---------------------------------------------------------------------------------------


def mutate_card(data: bytes, rng: random.Random) -> Changed:
    """A card with a fault in the YAML of its head."""
    _, head, body = data.decode().split("---\n", 2)
    if rng.random() < 0.15:
        written = rng.choice(
            [
                "- a\n- b\n", "a: &a [*a]\n", "a: !!python/object:os.system x\n", "x\n", "a: {\n",
                "? [1]\n: 2\n", "1: 2\nnull: 3\n", "a: 2020-01-01\n", "a:\n\tb\n", "<<: x\n",
                "a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "a: " + "[" * 3000 + "\n",
            ]
        )  # fmt: skip
        return f"---\n{written}---\n{body}".encode(), f"the head is {written[:30]!r}", None
    value, what, key = mutate_value(yaml.safe_load(head), rng)
    # YAML reads most JSON, faults included.
    written = write_json(value).decode("utf-8", errors="surrogatepass")
    made = f"---\n{written}\n---\n{body}"
    return made.encode("utf-8", errors="surrogatepass"), what, key

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from synpic.errors import RecipeError
from synpic.recipe.toml import Table, read_toml, write_toml


class Inner(Table):
    rate: float = 1.0
    name: str = "x"
    sizes: list[int] = Field(default_factory=list)


class Outer(Table):
    seed: int = 0
    inner: Inner = Inner()


def read(text: str, *changes: str) -> Outer:
    return read_toml(Outer, text, "a.toml", hint="see", changes=changes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("seed=3", {"seed": 3}),
        ("inner.rate=1e-5", {"inner": Inner(rate=1e-5)}),
        ("inner.name=sdxl", {"inner": Inner(name="sdxl")}),
        ('inner.name="sdxl"', {"inner": Inner(name="sdxl")}),
        ("inner.name=a=b c", {"inner": Inner(name="a=b c")}),
        ("inner.name=1024x768", {"inner": Inner(name="1024x768")}),
        ("inner.sizes=[1, 2]", {"inner": Inner(sizes=[1, 2])}),
        ("inner.sizes=1", {"inner": Inner(sizes=[1])}),
        ("inner.name=0x0", {"inner": Inner(name="0x0")}),
        (" inner.rate = 2.5 ", {"inner": Inner(rate=2.5)}),
        ("inner.name=x\nseed = 4", {"inner": Inner(name="x\nseed = 4")}),
    ],
)
def test_a_change_is_put_over_the_text(change: str, expected: dict[str, Any]) -> None:
    assert read("", change) == Outer(**expected)


def test_a_change_without_a_value_takes_the_key_out() -> None:
    assert read("seed = 1\n[inner]\nrate = 3.0", "seed=", "inner.rate = ", "inner.name=") == Outer()


def test_an_unknown_table_of_the_file_is_the_files_mistake() -> None:
    with pytest.raises(RecipeError, match=r"a\.toml:1: foo: unknown key"):
        read("[foo]\nx = 1", "foo.bar=3")


def test_the_last_change_counts() -> None:
    assert read("seed = 1", "seed=2", "seed=3").seed == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("inner.rte=1", "inner.rte=1: unknown key. Did you mean 'rate'?"),
        ("inner.other=1", "inner.other=1: unknown key. There are: rate, name, sizes"),
        ("foo.bar=3", "foo.bar=3: unknown key. There are: seed, inner"),
        ("inner=3", "inner=3: is a table, so give one of its keys: inner.rate"),
        ("inner.sizes=x", "inner.sizes=x: Input should be a valid integer"),
        ("inner.rate=fast", "inner.rate=fast: Input should be a valid number"),
        ("seed", "'seed' changes no key"),
        ("=3", "changes no key"),
        ("inner..rate=3", "changes no key"),
        ("seed.x=3", "seed is no table"),
    ],
)
def test_a_wrong_change_is_named(change: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read("seed = 1", change)
    assert message in raised.value.message
    assert "a.toml:" not in raised.value.message


def test_other_mistakes_keep_their_line() -> None:
    with pytest.raises(RecipeError) as raised:
        read('[inner]\nrate = "x"', "seed=1")
    assert raised.value.message.startswith("a.toml:2: inner.rate: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = " + "1" * 5000, "a.toml:1: a number of too many digits"),
        ("x = 0\nseed = 18446744073709551616", "a.toml:2: seed: 18446744073709551616 is beyond 64"),
        ('[inner]\nname = "a\\u0000b"', "a.toml:2: inner.name: a text holds a NUL character"),
        ("seed = " + "[" * 40 + "]" * 40, "a.toml: seed: nested more than 32 deep"),
        ("seed = " + "[" * 9000 + "]" * 9000, "a.toml: nested too deeply"),
    ],
    ids=["digits", "64 bits", "NUL", "deep", "deeper"],
)
def test_values_that_no_file_could_hold_are_named(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read(text)
    assert message in raised.value.message


def test_a_change_of_too_many_digits_is_a_word() -> None:
    with pytest.raises(RecipeError, match="seed=1111"):
        read("seed = 1", "seed=" + "1" * 5000)


values = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
keys = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
tables = st.recursive(
    st.dictionaries(keys, st.one_of(values, st.lists(values)), max_size=4),
    lambda inner: st.dictionaries(keys, inner.filter(bool), min_size=1, max_size=3),
    max_leaves=8,
)


@given(tables)
def test_what_is_written_reads_as_the_same(settings: dict[str, Any]) -> None:
    assert tomllib.loads(write_toml(settings)) == settings


def test_what_is_not_set_is_left_out() -> None:
    assert write_toml({"a": None, "b": {"c": None}, "d": {}, "e": 1}) == "e = 1\n"

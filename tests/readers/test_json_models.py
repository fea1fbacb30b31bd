from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import ReleaseError
from synpic.readers.json_models import DEPTH, Record, TooDeep, parse_json, read_json, walk


class Inner(Record):
    sha256: str
    bytes: int


class Outer(Record):
    name: str
    files: dict[str, Inner]


def parse(data: bytes) -> object:
    return parse_json(data, "f.json", error=ReleaseError, hint="h")


def read(value: object) -> Outer:
    return read_json(Outer, json.dumps(value).encode(), "f.json", error=ReleaseError, hint="h")


def test_reads_what_was_written_and_keeps_keys_of_later_versions() -> None:
    found = read({"name": "a", "files": {"x": {"sha256": "s", "bytes": 3}}, "later": [1]})
    assert found.files["x"].bytes == 3
    assert found.model_dump()["later"] == [1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"files": {}}, "f.json: name: is missing"),
        ({"name": 3, "files": {}}, "f.json: name: Input should be a valid string, found 3"),
        ([1], "f.json: expected an object, found list"),
        ({"name": "a", "files": []}, "f.json: files: expected an object, found list"),
        (
            {"name": "a", "files": {"x": {"sha256": "s", "bytes": "3"}}},
            "f.json: files.x.bytes: Input should be a valid integer, found '3'",
        ),
    ],
)
def test_names_file_and_key(value: object, message: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        read(value)
    assert caught.value.message.startswith(message.partition(", found")[0])
    assert caught.value.hint == "h"


def test_lists_a_few_mistakes_of_many() -> None:
    with pytest.raises(ReleaseError) as caught:
        read({"name": "a", "files": {str(i): {} for i in range(50)}})
    assert len(caught.value.message.splitlines()) == 11
    assert caught.value.message.endswith("and 90 more")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"9" * 5000,
        str(2**64).encode(),
        b"[" * 100_000,
        b'{"a":' * (DEPTH + 1) + b"1" + b"}" * (DEPTH + 1),
        b'"\xed\xa0\x80"',
        b'[{"\\ud800": 1}]',
        b'{"a": "\\udfff"}',
    ],
)
def test_refuses_what_is_no_json_or_beyond_the_limits(data: bytes) -> None:
    with pytest.raises(ReleaseError, match=r"^f\.json: "):
        parse(data)


def test_takes_what_is_just_within_the_depth() -> None:
    assert parse(b"[" * DEPTH + b"1" + b"]" * DEPTH)


def test_walk_gives_outer_ones_first_with_their_keys() -> None:
    found = {"a": [1, {"b": []}], "c": {}}
    assert list(walk(found)) == [
        ((), found),
        (("a",), found["a"]),
        (("c",), {}),
        (("a", "1"), {"b": []}),
        (("a", "1", "b"), []),
    ]
    assert list(walk("text")) == []
    deep: object = 1
    for _ in range(DEPTH + 1):
        deep = [deep]
    with pytest.raises(TooDeep) as caught:
        list(walk(deep))
    assert caught.value.keys == ("0",) * DEPTH


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_parses_as_json_does(value: object) -> None:
    data = json.dumps(value).encode()
    assert parse(data) == json.loads(data)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (r'{"a": [1, {"b": "x\ud800"}]}', "f.json: a.1.b: a text holds half of a character"),
        (r'{"a": {"\ud800": 1}}', "f.json: a.'\\ud800': a text holds half of a character"),
        (r'["\ud800"]', "f.json: 0: a text holds half of a character"),
        (r'"\ud800"', "f.json: a text holds half of a character"),
    ],
)
def test_half_of_a_character_is_named_by_its_keys(written: str, message: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        parse(written.encode())
    assert caught.value.message.startswith(message)

"""Pickles of plain data are read; those that would run anything, or grow, are refused unrun."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.serve.asking import Refused
from synpic.serve.wires.plain_pickle import read_plain

_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.binary()
)
PLAIN = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(PLAIN, st.integers(3, 5))
def test_plain_data_comes_back(value: Any, protocol: int) -> None:
    read = read_plain(pickle.dumps(value, protocol))
    assert pickle.dumps(read, protocol) == pickle.dumps(value, protocol) or repr(read) == repr(
        value
    )


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for each in (body, b"\x80\x04" + body, b"\x80\x04" + body + b"."):
        try:
            read_plain(each)
        except Refused as error:
            assert error.status == 422


@given(PLAIN, st.data())
def test_damaged_pickles_are_read_or_refused(value: Any, data: st.DataObject) -> None:
    body = bytearray(pickle.dumps(value))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        read_plain(bytes(body))
    except Refused as error:
        assert error.status == 422


class Touching:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    touched = tmp_path / "touched"
    body = pickle.dumps({"images": [Touching(touched)]}, protocol)
    with pytest.raises(Refused, match="pickle is not read"):
        read_plain(body)
    assert not touched.exists()
    pickle.loads(body)
    assert touched.exists()


def within_itself() -> bytes:
    ring: list[Any] = []
    ring.append(ring)
    return pickle.dumps(ring)


def doubled(times: int) -> bytes:
    value: list[Any] = []
    for _ in range(times):
        value = [value, value]
    return pickle.dumps(value)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "exhausted"),
        (b"\x80\x04]", "exhausted"),
        (pickle.dumps(os.getcwd), "STACK_GLOBAL of posix.getcwd"),
        (pickle.dumps({1, 2}), "EMPTY_SET"),
        (pickle.dumps(bytearray(b"x")), "STACK_GLOBAL of builtins.bytearray"),
        (pickle.dumps("text", 0), "UNICODE"),
        (pickle.dumps([None] * 60_000), "more than 50,000"),
        (b"\x80\x04]r\xff\xff\xff\x7f.", "under number"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00.", "expected"),
        (b"\x80\x04}K\x01a.", "append|extend"),
        (b"\x80\x04}(" + (b")" + b"\x85" * 20_000 + b"N") * 2 + b"u.", "recursion"),
        (within_itself(), "deeper than 12"),
        (doubled(11), None),
        (doubled(40), "deeper than 12"),
        (pickle.dumps([[[0] * 1000] * 1000]), "more than 50,000 values"),
    ],
)
def test_what_no_request_needs_is_refused(body: bytes, part: str | None) -> None:
    if part is None:
        read_plain(body)
        return
    with pytest.raises(Refused, match=part):
        read_plain(body)

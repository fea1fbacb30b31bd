from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.engine.shard import WHOLE, Shard
from synpic.errors import SynpicError


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_every_batch_is_in_exactly_one_share(count: int, batch: int) -> None:
    assert sum(Shard(index, count).holds(batch) for index in range(1, count + 1)) == 1


@given(st.text())
def test_any_text_is_a_share_or_an_error(text: str) -> None:
    try:
        shard = Shard.parse(text)
    except SynpicError as error:
        assert "3/16" in str(error.hint)
    else:
        assert 1 <= shard.index <= shard.count


def test_shares_are_written_as_people_count() -> None:
    assert Shard.parse(" 3/16 ") == Shard(3, 16)
    assert Shard.parse("1/1") == WHOLE
    for wrong in ("0/3", "4/3", "1/0", "-1/3", "1", "a/b", "", "1/2/3"):
        with pytest.raises(SynpicError):
            Shard.parse(wrong)

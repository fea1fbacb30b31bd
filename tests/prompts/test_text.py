from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import PromptError
from synpic.prompts.text import lines, read_text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb", ["a", "b"]),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b" a \n\n\tb", [" a ", "", "\tb"]),
        ("a\u2028b\x0cc\x85d\n".encode(), ["a\u2028b\x0cc\x85d"]),
    ],
)
def test_only_a_lines_end_is_cut(data: bytes, expected: list[str]) -> None:
    assert lines(data, "p.txt") == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"))))
def test_written_lines_come_back(texts: list[str]) -> None:
    data = "".join(text + "\n" for text in texts).encode()
    assert lines(data, "p.txt") == texts


def test_a_huge_prompt_is_one_row() -> None:
    text = "猫 " * 350_000
    (table,) = read_text(text.encode(), "p.txt")
    assert table.column("prompt").to_pylist() == [text]


def test_other_encodings_are_refused_with_their_line() -> None:
    with pytest.raises(PromptError, match=r"p\.txt:2: not UTF-8 \(byte 0xe9\)") as caught:
        lines("a\ncafé\n".encode("latin-1"), "p.txt")
    assert "iconv" in str(caught.value.hint)

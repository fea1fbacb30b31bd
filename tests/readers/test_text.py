from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synpic.errors import PromptError
from synpic.readers.text import LONGEST, decode, fault_of, is_blank, lines, require_texts

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


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
    assert lines(data, "p.txt", error=PromptError) == expected


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff\0")))
)
def test_written_lines_come_back(texts: list[str]) -> None:
    data = "".join(text + "\n" for text in texts).encode()
    assert lines(data, "p.txt", error=PromptError) == texts


def test_a_line_that_is_not_utf8_is_named() -> None:
    with pytest.raises(PromptError, match=r"p\.txt:2: not UTF-8 \(byte 0xe9\)") as caught:
        lines("a\ncafé\n".encode("latin-1"), "p.txt", error=PromptError)
    assert "iconv -f LATIN1 -t UTF-8 p.txt > p.utf8.txt" in str(caught.value.hint)


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize(
    "text",
    ["a cat\na dog\n", "un café, “là-bas”\n", "a", "a 👩 walks\nthere\n", "猫，一只猫\n狗 和 猫\n"],
)
def test_utf16_and_utf32_are_named_with_their_iconv(text: str, encoding: str, mark: bool) -> None:
    if not mark and encoding.startswith("UTF-32") and not text.isascii():
        pytest.skip("of UTF-32 without a mark, Latin text is told")
    data = (("\ufeff" if mark else "") + text).encode(encoding)
    name = encoding[:6] if mark else encoding
    with pytest.raises(PromptError, match=rf"^my p\.csv: the file is {name}, not UTF-8$") as caught:
        decode(data, "my p.csv", error=PromptError)
    command = str(caught.value.hint).partition(": ")[2]
    written = ["iconv", "-f", name, "-t", "UTF-8", "my p.csv", ">", "my p.utf8.csv"]
    assert shlex.split(command) == written


@given(TEXTS)
@example("a\0b")
@example("\0")
@example("ab\0" * 9)
def test_utf8_is_told_from_utf16(text: str) -> None:
    """A stray NUL does not make a file UTF-16."""
    data = ("a line of text\n" + text).encode()
    if text.count("\0") * 8 < len(data):
        assert decode(data, "p.txt", error=PromptError) == "a line of text\n" + text


@given(st.binary())
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        assert decode(data, "p.txt", error=PromptError).encode() in (data, data[3:])
    except PromptError as error:
        assert error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a\0b", "a NUL at character 2"),
        ("ab\ufeff", r"a byte order mark \(U\+FEFF\) at character 3"),
        ("x\ud83d", "half of a surrogate pair at character 2"),
        ("a" * (LONGEST + 1), "131,073 characters, where at most 131,072"),
    ],
)
def test_faults_are_named_counted_and_placed(text: str, what: str) -> None:
    def at(row: int) -> str:
        return f"p:{row + 1}"

    with pytest.raises(PromptError, match=rf"^p:2: 'tag' has {what}[^;]*$"):
        require_texts(["fine", text, None, 3], "tag", at, error=PromptError)
    with pytest.raises(PromptError, match=r"; 5 texts .* the next at p:3, p:4, p:5, …$"):
        require_texts(["fine", *[text] * 5], "tag", at, error=PromptError)


@given(TEXTS)
def test_a_text_without_a_fault_can_be_written(text: str) -> None:
    if fault_of(text) is None:
        assert decode(text.encode(), "p", error=PromptError) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n",
        "\xa0\u3000",
        "\u200b\u2060",
        "\x1b\x07",
        "\u202e",
        "\u3164\u2800",
        "\ufe0f\u00ad",
    ],
)
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}猫")
    assert not is_blank(f"{text}.")


@given(TEXTS)
def test_more_text_is_never_blanker(text: str) -> None:
    assert is_blank(text) >= is_blank(text + text) >= is_blank(text + "a" + text)
    assert is_blank(text) or text.strip()

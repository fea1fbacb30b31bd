"""Words are found whole, and however they are written."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synpic.errors import SafetyError
from synpic.safety.words import WordList, fold, read_words, words_of
from synpic.workspace import Workspace
from tests.conftest import MakeRecipe


@pytest.mark.parametrize(
    ("entry", "prompt", "found"),
    [
        ("gore", "Gore, everywhere", True),
        ("gore", "al gorey", False),
        ("gore", "gore2", False),
        ("gore", "gore_2", True),  # an underscore is no letter
        ("cafe", "a café", False),
        ("café", "a cafe\u0301 at night", True),
        ("straße", "STRASSE", True),
        ("nude", "ｎｕｄｅ", True),
        ("nude", "nu\u00adde", True),  # a soft hyphen
        ("fi", "ﬁ", True),
        ("self-harm", "self harm", True),
        ("self harm", "Self\u2014HARM!", True),
        ("self harm", "self and harm", False),
        ("harm self", "self harm", False),
        ("18+", "18+ only", True),
        ("18+", "18 only", False),
        ("18", "180", False),
        ("🍆", "an 🍆🍑", True),
        ("❤", "with ❤\ufe0f", True),
        ("裸", "裸の女性", True),
        ("裸体", "裸の体", False),
        ("किताब", "एक किताब है", True),
        ("कि", "एक किताब है", False),
        ("кровь", "КРОВЬ и лёд", True),
        ("ς", "σ", True),
        ("", "anything", False),
    ],
)
def test_a_word_is_found_whole(entry: str, prompt: str, found: bool) -> None:
    assert WordList([entry] if entry else []).flags(prompt) == found


@given(st.text(min_size=1), st.text(), st.text())
def test_what_is_listed_is_found_in_any_company(entry: str, before: str, after: str) -> None:
    assume(words_of(entry))
    listed = WordList([entry])
    assert listed.flags(f"{before} . {entry} . {after}")


@given(st.text(min_size=1), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_how_characters_are_composed_makes_no_difference(entry: str, form: Any) -> None:
    assert words_of(unicodedata.normalize(form, entry)) == words_of(entry)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_shortcut_for_ascii_gives_what_the_rules_give(text: str) -> None:
    assert words_of(text) == fold(text)


def test_every_ascii_character_is_one_of_the_shortcut_s_kinds() -> None:
    for code in range(128):
        assert words_of(f"a{chr(code)}b") == fold(f"a{chr(code)}b")


@given(
    st.lists(st.text("abc \u0301ßé", max_size=6).filter(words_of), max_size=4), st.text("abc ßé")
)
def test_a_list_flags_what_one_of_its_entries_does(entries: list[str], prompt: str) -> None:
    joined = f" {' '.join(words_of(prompt))} "
    expected = any(f" {' '.join(words_of(entry))} " in joined for entry in entries)
    assert WordList(entries).flags(prompt) == expected


@pytest.fixture
def small(tmp_path: Path, recipe: MakeRecipe) -> Workspace:
    return Workspace.create(tmp_path / "set", recipe())


def test_a_file_has_an_entry_a_line(small: Workspace) -> None:
    text = "\ufeff# forbidden\r\ngore   # and its kind\n\n  self harm\nGORE\n"
    small.store.write("words.txt", text.encode())
    listed = read_words(small, "words.txt")
    assert len(listed) == 2
    assert [listed.flags(word) for word in ("gore", "self-harm", "forbidden", "kind")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "no such file"),
        (b"", "holds no word"),
        (b"# nothing\n\n", "holds no word"),
        (b"gore\n...\n", "words.txt:2: '...'"),
        (b"gore\n\xff\n", "words.txt:2: not UTF-8 (byte 0xff)"),
        ("gore\n".encode("utf-16-le"), "words.txt: the file is UTF-16LE, not UTF-8"),
        (b"gore\nharm\0\n", "words.txt:2: 'the line' has a NUL at character 5"),
    ],
)
def test_a_list_that_would_check_nothing_is_refused(
    small: Workspace, data: bytes | None, said: str
) -> None:
    if data is not None:
        small.store.write("words.txt", data)
    with pytest.raises(SafetyError) as caught:
        read_words(small, "words.txt")
    assert said in caught.value.message
    assert "words.txt" in caught.value.message
    assert caught.value.hint


def test_a_folder_is_no_list(small: Workspace, tmp_path: Path) -> None:
    (tmp_path / "set" / "words.txt").mkdir()
    with pytest.raises(SafetyError, match="no such file"):
        read_words(small, "words.txt")

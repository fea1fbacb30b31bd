from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from synpic.readers.display import count, duration, number, size, visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a red circle", "a red circle"),
        ("une forêt 猫 👩‍👩‍👧 العربية", "une forêt 猫 👩‍👩‍👧 العربية"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("two\r\nlines\tand", r"two\r\nlines\tand"),
        ("a\u2028b", r"a\u2028b"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u2066\u200b\ufeff", r"\u2066\u200b\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("x\ud83d", r"x\ud83d"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("[red]C:\\new", "[red]C:\\new"),
    ],
)
def test_what_a_terminal_obeys_is_escaped_and_the_rest_stands(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_what_is_shown_can_be_printed_on_one_line(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
    assert visible_lines(text).split("\n") == [visible(line) for line in text.split("\n")]


@given(st.text(st.characters()), st.integers(1, 40))
def test_a_width_is_kept(text: str, width: int) -> None:
    cut = visible(text, width)
    assert cell_len(cut) <= width
    assert cut == visible(text) or cut.endswith("…")


def test_numbers_counts_sizes_and_durations() -> None:
    assert number(2345) == "2,345"
    assert [count(n, "image") for n in (0, 1, 2345)] == ["0 images", "1 image", "2,345 images"]
    assert count(2, "entry", "entries") == "2 entries"
    assert [size(n) for n in (0, 999, 999.7, 1000, 1.5e6, 999_960, 3.7e11, 2e15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.0 kB",
        "1.5 MB",
        "1.0 MB",
        "370.0 GB",
        "2,000.0 TB",
    ]
    assert [duration(n) for n in (0, 59.4, 61, 3700)] == ["0 s", "59 s", "1 min 01 s", "1 h 01 min"]

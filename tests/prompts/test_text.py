from __future__ import annotations

import pytest

from synpic.errors import PromptError
from synpic.prompts.text import read_text
from synpic.readers.text import LONGEST


def test_a_line_is_a_prompt() -> None:
    (table,) = read_text(b"\xef\xbb\xbf a cat \r\n\r\na dog", "p.txt")
    assert table.to_pydict() == {"prompt": [" a cat ", "", "a dog"]}


def test_a_huge_prompt_is_one_row_up_to_the_limit() -> None:
    text = "猫 " * (LONGEST // 2)
    (table,) = read_text(text.encode(), "p.txt")
    assert table.column("prompt").to_pylist() == [text]
    with pytest.raises(PromptError, match=r"p\.txt:2: 'the prompt' has 131,073 characters"):
        list(read_text(f"a\n{text}!".encode(), "p.txt"))

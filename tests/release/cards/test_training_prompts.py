from __future__ import annotations

from pathlib import Path

import pytest

from synpic import ids
from synpic.errors import EvaluationError
from synpic.release.cards.training_prompts import (
    TRAINING_PROMPTS,
    read_training_prompts,
    write_training_prompts,
)

PROMPTS = ["A red fox, at dawn.", "ein Bär im Schnee", "☃", "a red fox at dawn"]


def test_what_was_written_is_held_word_for_word_or_nearly(tmp_path: Path) -> None:
    write_training_prompts(tmp_path, PROMPTS)
    found = read_training_prompts(tmp_path, error=EvaluationError)
    assert found is not None
    assert found.exact == {ids.prompt_id(one) for one in PROMPTS}
    assert [found.hold(one) for one in PROMPTS] == ["exact"] * 4
    assert found.hold("a RED  fox - at dawn!") == "folded"
    assert found.hold("EIN BÄR im Schnee") == "folded"
    assert found.hold("a red fox") is None
    # No text is in it.
    assert b"fox" not in (tmp_path / TRAINING_PROMPTS).read_bytes()


def test_prompts_without_a_word_are_not_all_the_same(tmp_path: Path) -> None:
    write_training_prompts(tmp_path, ["☃"])
    found = read_training_prompts(tmp_path, error=EvaluationError)
    assert found is not None
    assert found.hold("☂") is None


def test_a_damaged_record_is_named_with_its_line(tmp_path: Path) -> None:
    assert read_training_prompts(tmp_path, error=EvaluationError) is None
    write_training_prompts(tmp_path, PROMPTS)
    with (tmp_path / TRAINING_PROMPTS).open("a") as stream:
        stream.write("fox\n")
    with pytest.raises(EvaluationError, match=f"{TRAINING_PROMPTS}, line 5: expected two hashes"):
        read_training_prompts(tmp_path, error=EvaluationError)

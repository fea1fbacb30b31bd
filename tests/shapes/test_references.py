"""Scenes by which images of the embedded world are measured: the judge finds each of them right."""

from __future__ import annotations

import numpy as np
import pytest

from synpic.errors import PromptError
from synpic.shapes.judge import strict
from synpic.shapes.prompts import prompts
from synpic.shapes.references import scene_of


def test_scenes_show_their_prompts_and_are_the_same_at_every_call() -> None:
    same = 0
    for text, _ in prompts(60, 1, "test"):
        first, second = scene_of(text, 0), scene_of(text, 1)
        assert strict(text, first)
        assert strict(text, second)
        assert np.array_equal(first, scene_of(text, 0))
        same += np.array_equal(first, second)
    assert same < 6, "few prompts leave so little open that two scenes are the same by chance"


def test_another_text_is_refused() -> None:
    with pytest.raises(PromptError, match="not a prompt of the shapes world"):
        scene_of("a cat on a mat", 0)

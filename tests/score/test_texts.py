from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synpic.score.texts import TextFeatures


def encoder(asked: list[list[str]]):  # type: ignore[no-untyped-def]
    def encode(texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return torch.tensor([[len(text), ord(text[0])] for text in texts], dtype=torch.float32)

    return encode


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "cc", "ddd", "é"]), max_size=6), max_size=8),
    st.integers(1, 4),
)
def test_features_are_those_of_each_prompt_in_order(calls: list[list[str]], keep: int) -> None:
    asked: list[list[str]] = []
    features = TextFeatures(encoder(asked), keep=keep)
    for prompts in filter(None, calls):
        expected = [[len(prompt), ord(prompt[0])] for prompt in prompts]
        assert features(prompts).tolist() == expected
    assert all(len(set(texts)) == len(texts) for texts in asked)


def test_what_is_remembered_is_not_encoded_again() -> None:
    asked: list[list[str]] = []
    features = TextFeatures(encoder(asked), keep=2)
    features(["a", "b", "a"])
    features(["b", "a"])
    assert asked == [["a", "b"]]
    features(["c"])  # forgets "b", which was used before "a"
    features(["a"])
    assert asked == [["a", "b"], ["c"]]
    features(["b"])
    assert asked == [["a", "b"], ["c"], ["b"]]


def test_more_prompts_at_once_than_are_kept() -> None:
    features = TextFeatures(encoder([]), keep=1)
    assert features(["a", "bb", "ccc"]).tolist() == [[1, 97], [2, 98], [3, 99]]


def test_an_encoder_that_gives_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        TextFeatures(lambda texts: torch.zeros(1, 2))(["a", "b"])

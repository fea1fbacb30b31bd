"""The tokens that a model would begin its answer with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import RewardError

__all__ = ["Spelling", "check_spellings", "refuse_marks", "refuse_shared", "spellings"]


@dataclass(frozen=True)
class Spelling:
    """One way to write an answer.

    Args:
        text: as a person writes it.
        tokens: ids that follow the question when the model writes it, at least one.
    """

    text: str
    tokens: tuple[int, ...]


def spellings(tokenizer: Any, question: str, texts: Sequence[str]) -> list[Spelling]:
    """The tokens of each of ``texts`` right after ``question``; those with equal tokens once.

    Args:
        tokenizer: of transformers.
        question: any question, as it stands before an answer, with the chat around it.

    Raises:
        RewardError: one of them is empty, or merges with what stands before it.
    """
    before = _tokens(tokenizer, question)
    found: dict[tuple[int, ...], Spelling] = {}
    for text in texts:
        whole = _tokens(tokenizer, question + text)
        answer = tuple(whole[len(before) :])
        if whole[: len(before)] != before or not answer:
            raise RewardError(
                f"the answer {text!r} has no tokens of its own: they merge with the end of the "
                "question",
                hint="write it as the model does: with or without a leading space",
            )
        found.setdefault(answer, Spelling(text, answer))
    return list(found.values())


def check_spellings(reward: str, why: str, **answers: Sequence[str]) -> None:
    """Refuse spellings of two answers that mean nothing.

    Args:
        reward: for the message.
        why: what an answer is, for a hint.
        answers: name of the option → spellings; two of them.

    Raises:
        RewardError: naming the option.
    """
    for name, spelt in answers.items():
        if isinstance(spelt, str) or not spelt or not all(isinstance(one, str) for one in spelt):
            raise RewardError(
                f"{reward}: {name} is {spelt!r}, expected a list of spellings",
                hint=f'{name} = ["{name.capitalize()}"]',
            )
    one, other = answers
    if shared := set(answers[one]) & set(answers[other]):
        raise RewardError(
            f"{reward}: {min(shared)!r} is among the spellings of {one} and of {other}", hint=why
        )


def refuse_shared(reward: str, why: str, **answers: Sequence[Spelling]) -> None:
    """Refuse two answers of which spellings have the same tokens; as :func:`check_spellings`."""
    one, other = answers
    for spelling in answers[one]:
        if any(spelling.tokens == another.tokens for another in answers[other]):
            raise RewardError(
                f"{reward}: {spelling.text!r} is among the spellings of {one} and of {other}",
                hint=why,
            )


def refuse_marks(tokenizer: Any, prompt: str) -> None:
    """Refuse a prompt in which the tokenizer would read one of its own marks.

    Raises:
        ValueError: naming the mark; it is the failure of this prompt's images.
    """
    for mark in tokenizer.added_tokens_encoder:
        if mark.strip() and mark in prompt:
            raise ValueError(f"the prompt holds {mark!r}, which the model does not read as text")


def _tokens(tokenizer: Any, text: str) -> list[int]:
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens

"""What is asked of a model that is not on this machine, and what it answers."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from PIL.Image import Image

from synpic.readers.images import as_png
from synpic.score.vlm.fitting import fit

__all__ = ["TOP", "SentImage", "VlmAnswer", "VlmQuestion", "place_of", "refuse_likely_marks"]

TOP = 20
"""Alternatives at each place of an answer: the most that OpenAI's interface gives."""

Token = Mapping[str, float]
"""The likeliest tokens at one place of an answer, each with ln P."""

_ROUNDING = 1e-6
"""How far a sum of probabilities in float32 may be off."""

_MARKS = re.compile(
    r"<\|[^<>|]{1,64}\|>"  # Qwen, Llama 3, Phi, GLM
    r"|<｜[^<>｜]{1,64}｜>"  # DeepSeek
    r"|\[/?(INST|IMG|IMG_BREAK|IMG_END|SYSTEM_PROMPT)\]"  # Llama 2, Mistral
    r"|</?(s|img|image|think|start_of_turn|end_of_turn|bos|eos|pad|unk|video|vision"
    r"|start_of_image|end_of_image|image_soft_token|end_of_utterance|fake_token_around_image"
    r"|global-img|IMG_CONTEXT|tool_call|tool_response)>"
)


@dataclass(frozen=True)
class SentImage:
    """An image as it is sent.

    Args:
        png: the encoded file.
        digest: of its size and pixels; that of the file would change with the encoder.
    """

    png: bytes = field(repr=False)
    digest: str

    @classmethod
    def of(cls, image: Image, max_pixels: int) -> SentImage:
        """An RGB image, made smaller where it has more than ``max_pixels``."""
        fitted = fit(image, max_pixels)
        content = hashlib.sha256(f"{fitted.size}".encode())
        content.update(fitted.tobytes())
        return cls(as_png(fitted), content.hexdigest()[:32])


@dataclass(frozen=True)
class VlmQuestion:
    """One message of a user: texts and pictures, in the order in which the model reads them.

    Args:
        parts: at least one.
        tokens: how many the answer has, at most.
    """

    parts: tuple[str | SentImage, ...]
    tokens: int = 1


@dataclass(frozen=True)
class VlmAnswer:
    """What a model answers: at each place the likeliest tokens.

    Args:
        places: one for each token that was generated, as :func:`place_of` makes them: its text is
            the first there.
    """

    places: Sequence[Token]

    def log_probability(self, spellings: Iterable[str], place: int = 0) -> float | None:
        """ln of the sum of P of ``spellings`` at ``place``, counted from 0; None if none is there.

        What is not among the likeliest tokens is left out of the sum.
        """
        there = self.places[place]
        found = [there[text] for text in dict.fromkeys(spellings) if text in there]
        return _ln_sum(found) if found else None

    def either(self, ones: Sequence[str], others: Sequence[str]) -> tuple[float, float]:
        """ln P of two answers of one token, by their spellings, as :meth:`log_probability` has it.

        For one that is not there, :meth:`bound` stands in.

        Raises:
            ValueError: neither is among the likeliest tokens.
        """
        if not self.places:
            raise ValueError("the answer is empty")
        one, other = self.log_probability(ones), self.log_probability(others)
        if one is None and other is None:
            raise ValueError(
                f"neither {ones[0]!r} nor {others[0]!r} is among the likeliest tokens, which begin "
                f"with {self.likeliest()}"
            )
        bound = self.bound()
        return bound if one is None else one, bound if other is None else other

    def bound(self, place: int = 0) -> float:
        """What ln P of a token that is not among those at ``place`` does not exceed.

        It is at most as likely as the least likely of these, and as what they leave of 1.
        """
        values = list(self.places[place].values())
        left = 1 - sum(map(math.exp, values))
        return min(*values, math.log(max(left, _ROUNDING)))

    def likeliest_at(self, place: int) -> str:
        """The token that was generated there, greedily; "" where none is known."""
        return next(iter(self.places[place]), "")

    def beginning(self, length: int = 80) -> str:
        """The first characters of what was generated, for a message."""
        return "".join(map(self.likeliest_at, range(min(length, len(self.places)))))[:length]

    def slim(self) -> VlmAnswer:
        """Less to keep of an answer of several tokens: ratings are digits, and the alternatives of
        what is beside no digit are left out."""
        if len(self.places) == 1:
            return self
        return VlmAnswer(
            [
                place
                if any(token.strip().isdecimal() for token in place)
                else dict(islice(place.items(), 1))
                for n, place in enumerate(self.places)
            ]
        )

    def likeliest(self, place: int = 0, number: int = 3) -> str:
        """The first tokens at ``place``, for a message."""
        there = sorted(self.places[place].items(), key=lambda one: -one[1])
        return ", ".join(repr(text) for text, _ in there[:number])


def place_of(likely: Iterable[tuple[str, float]], generated: str | None = None) -> dict[str, float]:
    """The tokens at one place: that which was generated first, and then the likeliest.

    Tokens that are written alike, as with and without a mark of a word's beginning, are one: their
    probabilities add up.

    Args:
        likely: text and ln P of each token.
        generated: the text of the one that was generated; the likeliest token if None, or if it is
            not among them.
    """
    ordered = sorted(likely, key=lambda one: -one[1])
    sums: dict[str, float] = {}
    for text, value in ordered:
        sums[text] = _ln_sum([sums[text], value]) if text in sums else value
    if not sums:
        return {}
    first = generated if generated in sums else ordered[0][0]
    return {first: sums.pop(first)} | dict(sorted(sums.items(), key=lambda one: -one[1]))


def refuse_likely_marks(prompt: str) -> None:
    """Refuse a prompt that holds what a model's tokenizer may read as a mark.

    A server fills the prompt into its chat template and reads the whole as tokens: a mark in the
    prompt would end the question and begin an answer. The tokenizer is not known here, so the marks
    of the usual families are refused.

    Raises:
        ValueError: naming the mark; it is the failure of this prompt's images.
    """
    if mark := _MARKS.search(prompt):
        raise ValueError(f"the prompt holds {mark[0]!r}, which a model may not read as text")


def _ln_sum(values: Sequence[float]) -> float:
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))

"""Tokens of T5, by sentencepiece itself, from the ``spiece.model`` that T5's repositories hold.

transformers 5 builds another tokenizer from that file, which normalises a letter together with the
marks upon it, and so gives other numbers for some of them. Models were trained with sentencepiece.
"""

from __future__ import annotations

import re
from typing import Any

from synpic.errors import RewardError
from synpic.score.weights import find_file

__all__ = ["END", "FILE", "PAD", "T5Tokens"]

FILE = "spiece.model"
PAD, END, UNKNOWN = 0, 1, 2
SPECIAL = {"<pad>": PAD, "</s>": END, "<unk>": UNKNOWN}

SENTINELS = 100
"""Tokens that stand for gaps, numbered downwards behind the pieces; no file lists them."""

SPELLED = re.compile(r"(<pad>|</s>|<unk>|<extra_id_(?:0|[1-9][0-9]?)>)")
"""Special tokens that a text spells."""


class T5Tokens:
    """Texts to numbers, as ``T5Tokenizer`` of transformers 4 gives them with ``use_fast=False``.

    Args:
        source: folder or repository that holds ``spiece.model``.
        revision: its commit.

    Raises:
        RewardError: the file is damaged, or no T5's.
        CheckpointError: it is not there, or cannot be reached.
    """

    def __init__(self, source: str, revision: str | None) -> None:
        from sentencepiece import SentencePieceProcessor

        path = find_file(source, revision, FILE)
        self._pieces: Any = SentencePieceProcessor()
        try:
            self._pieces.Load(str(path))
        except (RuntimeError, OSError) as error:
            raise RewardError(
                f"{path} cannot be read: {error}",
                hint="delete it, so that it is downloaded again, or put a whole copy in its place",
            ) from error
        numbers = (self._pieces.pad_id(), self._pieces.eos_id(), self._pieces.unk_id())
        if numbers != (PAD, END, UNKNOWN):
            raise RewardError(
                f"{path} numbers its <pad>, </s> and <unk> {numbers}, {(PAD, END, UNKNOWN)} "
                "expected",
                hint="it is a tokenizer of another model; name a T5's",
            )

    def __len__(self) -> int:
        """How many tokens there are."""
        return int(self._pieces.get_piece_size()) + SENTINELS

    def __call__(self, text: str) -> list[int]:
        """The tokens of ``text`` and its end. Special tokens that it spells are these tokens."""
        found: list[int] = []
        for place, part in enumerate(SPELLED.split(text)):
            found += [self._special(part)] if place % 2 else self._pieces.encode(part)
        return found if found[-1:] == [END] else [*found, END]

    def _special(self, name: str) -> int:
        if name in SPECIAL:
            return SPECIAL[name]
        return len(self) - 1 - int(name.removeprefix("<extra_id_").removesuffix(">"))

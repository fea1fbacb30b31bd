"""Which prompts a model was trained on, as hashes: the texts of a private set stay private."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from synpic import ids
from synpic.errors import SynpicError

__all__ = [
    "CHECKPOINT_PROMPTS",
    "TRAINING_PROMPTS",
    "TrainingPrompts",
    "folded_id",
    "read_training_prompts",
    "write_training_prompts",
]

TRAINING_PROMPTS = "training_prompts.txt"
"""What ``synpic train`` leaves beside a model: a line for each prompt that it learnt from."""
CHECKPOINT_PROMPTS = "checkpoint_prompts.txt"
"""The same of the prompts by which checkpoints were evaluated on the way."""

_LINE = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{32})")


@dataclass(frozen=True)
class TrainingPrompts:
    """Prompts that a model was trained on; or any others, to be looked for among them.

    Args:
        exact: their prompt ids.
        folded: the same of their texts without case, punctuation and further spaces.
    """

    exact: frozenset[str]
    folded: frozenset[str]

    @classmethod
    def of(cls, prompts: Iterable[str]) -> TrainingPrompts:
        """These texts."""
        texts = list(prompts)
        exact = frozenset(ids.prompt_id(ids.normalise_prompt(one)) for one in texts)
        return cls(exact, frozenset(map(folded_id, texts)))

    def __or__(self, other: TrainingPrompts) -> TrainingPrompts:
        return TrainingPrompts(self.exact | other.exact, self.folded | other.folded)

    def hold(self, prompt: str) -> str | None:
        """Whether ``prompt`` is one of them: "exact" word for word, "folded" nearly; or None."""
        if ids.prompt_id(ids.normalise_prompt(prompt)) in self.exact:
            return "exact"
        return "folded" if folded_id(prompt) in self.folded else None


def folded_id(prompt: str) -> str:
    """The id of a text without case, punctuation and further spaces."""
    plain = unicodedata.normalize("NFKC", prompt).casefold()
    # Without any word, the text itself is what there is.
    return ids.prompt_id(" ".join(re.findall(r"\w+", plain)) or plain)


def write_training_prompts(
    folder: Path, prompts: Iterable[str], name: str = TRAINING_PROMPTS
) -> None:
    """Write the file ``name`` in ``folder``.

    Raises:
        OSError: the disk is full, or refuses.
    """
    lines = {f"{ids.prompt_id(ids.normalise_prompt(one))} {folded_id(one)}\n" for one in prompts}
    (folder / name).write_text("".join(sorted(lines)), "ascii")


def read_training_prompts(
    folder: Path, *, error: type[SynpicError], name: str = TRAINING_PROMPTS
) -> TrainingPrompts | None:
    """What the file ``name`` in ``folder`` says; None where there is none.

    Args:
        error: what is raised.

    Raises:
        SynpicError: an ``error`` that names the line that is not what was written.
    """
    path = folder / name
    hint = "`synpic train` writes it: train the model again, or take the file away"
    try:
        lines = path.read_text("ascii").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as raised:
        raise error(f"{path}: cannot be read: {raised}", hint=hint) from raised
    found = [_LINE.fullmatch(line) for line in lines]
    for at, match in enumerate(found, 1):
        if match is None:
            raise error(f"{path}, line {at}: expected two hashes of 32 hex digits", hint=hint)
    return TrainingPrompts(
        frozenset(match[1] for match in found if match),
        frozenset(match[2] for match in found if match),
    )

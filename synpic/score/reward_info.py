"""What a reward, comparer or judge declares of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Companion", "RewardInfo"]


@dataclass(frozen=True)
class Companion:
    """A second repository that a reward reads from: a tokenizer, a tower.

    Args:
        repository: the one it reads by default.
        files: what is read of it, as of a checkpoint.
        unless: an entry of ``files`` → how names of tensors begin: it is not read where the
            checkpoint holds such tensors.
    """

    repository: str
    files: tuple[str, ...] = ()
    unless: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RewardInfo:
    """What a reward, or a comparer, declares. Nothing here is guessed: what has not been seen is
    None.

    Args:
        summary: one line.
        version: raised whenever the code comes to give other numbers; part of the fingerprint.
        reads_prompt: False for a judge of pixels alone.
        score_range: the interval in which scores lie, as people write it: "-1 … 1".
        checkpoint: the repository it loads by default; None if it needs no weights.
        files: what is read of the checkpoint, as file names or patterns. ``a|b`` stands for a where
            it is there, else b; ``a|`` for a where it is there.
        files_by_option: an option → its values → what is read of the checkpoint then, in place of
            ``files``.
        companions: further repositories, by the name of the constructor's argument that says where
            one is: ``processor`` comes with ``processor_revision``.
        licence: as it was seen, with what it is the licence of where that is not the checkpoint.
        paper: an arXiv number or address.
        text_limit: what happens to long prompts.
        verified: how its numbers were checked.
    """

    summary: str
    version: int = 1
    reads_prompt: bool = True
    score_range: str | None = None
    checkpoint: str | None = None
    files: tuple[str, ...] = ()
    files_by_option: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    companions: Mapping[str, Companion] = field(default_factory=dict)
    licence: str | None = None
    paper: str | None = None
    text_limit: str | None = None
    verified: str | None = None

    def files_with(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """What is read of the checkpoint with these options; nothing where it is not declared."""
        for option, files in self.files_by_option.items():
            if option in options:
                return files.get(str(options[option]), ())
        return self.files

"""The text that HPSv3 reads around a prompt, taken from its authors' own package.

The model was trained with one instruction, to the blank at the end of a line. It is the authors'
text, published in ``hpsv3==1.0.0``, and not part of synpic: it is read from that package where it
is installed, held to a hash, and nothing of the package is imported or run.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from synpic.errors import RewardError

__all__ = ["MARK", "Hpsv3Text", "read_text"]

PACKAGE, VERSION = "hpsv3", "1.0.0"

FILE = "hpsv3/dataset/data_collator_qwen.py"

NAMES = ("INSTRUCTION", "prompt_with_special_token")
"""What the authors call the halves: ``{text_prompt}`` is in the first, the mark in the other."""

SHA256 = "18957b68f6dbfb1d9862e970e084c1093656df0dfe2b4468253879198cc4d064"
"""Of the two halves, joined by a zero byte."""

MARK = "<|Reward|>"
"""The token at which the model's reading becomes a score."""

HINT = f"pip install --no-deps {PACKAGE}=={VERSION}"


@dataclass(frozen=True)
class Hpsv3Text:
    """The halves of the text that the model reads.

    Args:
        instruction: with ``{text_prompt}`` where the prompt stands.
        ending: what follows, with :data:`MARK` once.
    """

    instruction: str
    ending: str

    def around(self, prompt: str) -> str:
        """All of the text for one prompt."""
        return self.instruction.format(text_prompt=prompt) + self.ending


def read_text() -> Hpsv3Text:
    """The text of the installed package.

    Raises:
        RewardError: it is not installed, or holds another text than that of version 1.0.0.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise RewardError(
            f"hpsv3 reads its instruction from its authors' package {PACKAGE} {VERSION}, which is "
            "not installed",
            hint=HINT,
        ) from error
    path = Path(str(package.locate_file(FILE)))
    halves = _texts(path)
    found = hashlib.sha256("\0".join(halves).encode()).hexdigest()
    if found != SHA256:
        raise RewardError(
            f"{path} of {PACKAGE} {package.version} holds another instruction than that of "
            f"{VERSION}: SHA-256 {found[:16]}…, {SHA256[:16]}… expected",
            hint=HINT,
        )
    return Hpsv3Text(*halves)


def _texts(path: Path) -> list[str]:
    """The values of :data:`NAMES` in a file of Python, which is not run.

    Raises:
        RewardError: the file is not there, or lacks one of them.
    """
    try:
        statements = ast.parse(path.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError) as error:
        raise RewardError(f"{path} cannot be read: {error}", hint=HINT) from error
    found = {
        target.id: one.value.value
        for one in statements
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    missing = [name for name in NAMES if not isinstance(found.get(name), str)]
    if missing:
        raise RewardError(f"{path} has no text {missing[0]}", hint=HINT)
    return [str(found[name]) for name in NAMES]

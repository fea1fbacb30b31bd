"""What marks images as flagged: a list of words, and classifiers of prompts and of images.

A check decides no pixel and keeps nothing from being drawn; it writes one column, ``flagged``.
While a recipe has ``[safety]``, no image is kept that was not checked.
"""

from synpic.safety.checked import checked, prompts_to_check
from synpic.safety.checker import (
    Checker,
    WantedSafety,
    check_safety,
    describe_safety,
    open_safety,
    resolve_safety,
)
from synpic.safety.words import WordList, read_words

__all__ = [
    "Checker",
    "WantedSafety",
    "WordList",
    "check_safety",
    "checked",
    "describe_safety",
    "open_safety",
    "prompts_to_check",
    "read_words",
    "resolve_safety",
]

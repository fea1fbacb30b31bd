"""All that a recipe's ``[safety]`` asks for, opened: prompts and images → flagged or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.recipe import SafetySettings
from synpic.safety.classes import Classes, choose, read_classes
from synpic.safety.words import WordList, read_words
from synpic.workspace import Snapshot, Workspace

if TYPE_CHECKING:
    from torch import Tensor

    from synpic.safety.classifiers import ImageClassifier, PromptClassifier

__all__ = [
    "Checker",
    "WantedSafety",
    "check_safety",
    "describe_safety",
    "open_safety",
    "resolve_safety",
]

_HEADS = {"images": "ForImageClassification", "prompts": "ForSequenceClassification"}
_REMEMBERED = 1 << 16
"""Prompts whose answer is kept: the samples of one come close together."""


class Checker:
    """Flags an image if its prompt holds a listed word, or a classifier of either is sure enough.

    Args:
        words: to look for in prompts.
        prompts: a classifier of them.
        images: a classifier of images.
        threshold: the least probability that flags.
    """

    def __init__(
        self,
        words: WordList | None,
        prompts: PromptClassifier | None,
        images: ImageClassifier | None,
        threshold: float,
    ) -> None:
        self._words, self._prompts, self._images = words, prompts, images
        self._threshold = threshold
        self._known: dict[str, bool] = {}

    @property
    def looks(self) -> bool:
        """Whether images are looked at; else their prompts alone decide."""
        return self._images is not None

    def flags(self, prompts: Sequence[str], images: Sequence[Image]) -> list[bool]:
        """Whether each of n images, drawn for n prompts, is flagged.

        Args:
            images: RGB.

        Raises:
            ValueError: a classifier gives no probability.
        """
        return self.judge(prompts, [self.prepare(image) for image in images])

    def prepare(self, image: Image) -> Tensor | None:
        """What :meth:`judge` takes of an RGB image. Off the device, and in any thread."""
        return None if self._images is None else self._images.prepare(image)

    def judge(self, prompts: Sequence[str], prepared: Sequence[Tensor | None]) -> list[bool]:
        """As :meth:`flags`, of images made ready before."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        flagged = dict(zip(new, self._judge_prompts(new), strict=True))
        flagged |= {prompt: self._known[prompt] for prompt in prompts if prompt not in flagged}
        if len(self._known) + len(new) > _REMEMBERED:
            self._known.clear()
        self._known |= flagged
        found = [flagged[prompt] for prompt in prompts]
        if self._images is None or not prepared:
            return found
        sure = self._images.probabilities([one for one in prepared if one is not None])
        return [
            by_prompt or probability >= self._threshold
            for by_prompt, probability in zip(found, sure, strict=True)
        ]

    def _judge_prompts(self, prompts: Sequence[str]) -> list[bool]:
        listed = [self._words is not None and self._words.flags(prompt) for prompt in prompts]
        if self._prompts is None or not prompts:
            return listed
        sure = self._prompts.probabilities(prompts)
        return [
            by_word or probability >= self._threshold
            for by_word, probability in zip(listed, sure, strict=True)
        ]


@dataclass(frozen=True)
class WantedSafety:
    """A recipe's ``[safety]``, with its list read and its classifiers resolved.

    Args:
        words: to look for in prompts; None where the recipe names no list.
        classifiers: "images", "prompts" → what they stand for.
    """

    settings: SafetySettings
    words: WordList | None
    classifiers: Mapping[str, LockEntry]


def resolve_safety(snapshot: Snapshot) -> WantedSafety | None:
    """What the ``[safety]`` of a recipe asks for; None where it has none.

    Raises:
        SafetyError: the list of words cannot be read.
        CheckpointError: a classifier is not there, or cannot be reached.
    """
    settings = snapshot.recipe.safety
    if settings is None:
        return None
    words = None
    if settings.words is not None:
        words = read_words(snapshot.workspace, settings.words)
    named = {
        "images": (settings.images, settings.images_revision),
        "prompts": (settings.prompts, settings.prompts_revision),
    }
    classifiers = {
        of: checkpoints.resolve(snapshot.lock, source, revision)
        for of, (source, revision) in named.items()
        if source is not None
    }
    return WantedSafety(settings, words, classifiers)


def open_safety(wanted: WantedSafety, workspace: Workspace, device: str) -> Checker:
    """Open what checks by ``wanted``.

    Args:
        workspace: whose recipe that is: paths are relative to it.
        device: for the classifiers, as torch names it.

    Raises:
        SafetyError: a classifier cannot be opened, or has not the classes asked for.
        CheckpointError: a classifier is not there, or cannot be reached.
    """
    settings = wanted.settings
    found = _classes(wanted, workspace)
    if not found:
        return Checker(wanted.words, None, None, settings.threshold)
    from synpic.safety.classifiers import ImageClassifier, PromptClassifier

    places = choose(list(found.values()), settings.labels)
    opened: dict[str, Any] = {}
    for (of, classes), chosen in zip(found.items(), places, strict=True):
        kind = ImageClassifier if of == "images" else PromptClassifier
        place = checkpoints.load_from(workspace.folder, wanted.classifiers[of])
        opened[of] = kind(classes, chosen, *place, device)
    return Checker(wanted.words, opened.get("prompts"), opened.get("images"), settings.threshold)


def check_safety(wanted: WantedSafety, workspace: Workspace) -> None:
    """Check ``wanted`` as far as that needs no weights.

    Raises:
        As :func:`open_safety`, but for what weights alone can tell.
    """
    choose(list(_classes(wanted, workspace).values()), wanted.settings.labels)


def describe_safety(wanted: WantedSafety | None) -> dict[str, Any]:
    """What checks, for the metadata of a part: contents, and no paths.

    Returns:
        One entry, ``safety``; none where nothing is checked.
    """
    if wanted is None:
        return {}
    entries = wanted.classifiers
    found: dict[str, Any] = {of: checkpoints.identity(one) for of, one in entries.items()}
    if entries:
        found |= {"labels": wanted.settings.labels, "threshold": wanted.settings.threshold}
    if wanted.words is not None:
        found["words"] = wanted.words.sha256
    return {"safety": found}


def _classes(wanted: WantedSafety, workspace: Workspace) -> dict[str, Classes]:
    return {
        of: read_classes(entry.source, *checkpoints.load_from(workspace.folder, entry), _HEADS[of])
        for of, entry in wanted.classifiers.items()
    }

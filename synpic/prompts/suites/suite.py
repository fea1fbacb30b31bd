"""What a suite is: items with what each asks of its images, and a protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from synpic.hub.published_files import PublishedFile
from synpic.recipe.settings import ModelSettings

__all__ = [
    "Aggregated",
    "HubColumn",
    "HubFile",
    "Place",
    "Protocol",
    "Suite",
    "SuiteContent",
    "SuiteData",
    "SuiteItem",
    "SuiteOrigin",
]

Aggregated = Literal["images", "tags", "prompts"]
"""What a suite's number is: the mean over images, the mean of the tags' means over images, or the
mean over prompts of the means over their images."""


@dataclass(frozen=True)
class SuiteItem:
    """A prompt and what it asks for.

    Args:
        item: the suite's own name for it.
        prompt: what is drawn.
        tag: its group; "" without groups.
        spec: what the suite knows beside the prompt, as JSON has it: ``objects``, ``questions``,
            ``phrases``, ``text``, ``cluster``; empty where the prompt says it all. Two items of one
            ``cluster`` are asked the same in other words: a statistic counts them as one unit.
    """

    item: str
    prompt: str
    tag: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """How the images of a suite are drawn; None is what its makers leave open.

    Args:
        images: for each prompt.
        width, height: in pixels.
        steps, guidance: of the sampler.
        scheduler: a class of diffusers.
        seeds: how seeds are chosen, in words; synpic derives its own.
        source: where this is written.
    """

    images: int = 1
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    seeds: str | None = None
    source: str | None = None

    @property
    def text(self) -> str:
        """What it fixes, in one line."""
        size = None if self.width is None else f"{self.width}x{self.height}"
        guidance = None if self.guidance is None else f"guidance {self.guidance:g}"
        said = [_images(self.images), size, _steps(self.steps), guidance, self.scheduler]
        return ", ".join(filter(None, said))

    def differences(self, settings: ModelSettings) -> list[str]:
        """What of a model's settings differs from what is fixed; no line: this is the protocol.

        Args:
            settings: complete; what they leave out is the pipeline's own.
        """
        found = []
        if settings.samples != self.images:
            found.append(f"{_images(settings.samples)} (protocol: {self.images})")
        wanted = None if self.width is None else f"{self.width}x{self.height}"
        if wanted is not None and settings.sizes != [wanted]:
            sizes = ", ".join(settings.sizes or []) or "the pipeline's own size"
            found.append(f"{sizes} (protocol: {wanted})")
        for name, fixed, own in (
            ("steps", self.steps, settings.steps),
            ("guidance", self.guidance, settings.guidance),
            ("scheduler", self.scheduler, settings.scheduler),
        ):
            if fixed is not None and own != fixed:
                said = "the pipeline's own" if own is None else f"{own}"
                found.append(f"{name} {said} (protocol: {fixed})")
        return found


def _images(number: int) -> str:
    return "1 image a prompt" if number == 1 else f"{number} images a prompt"


def _steps(number: int | None) -> str | None:
    return None if number is None else f"{number} steps"


@dataclass(frozen=True)
class HubFile:
    """A file of a dataset on the Hub; its commit and SHA-256 are written at the first fetch.

    Args:
        dataset: the repository.
        path: in it.
    """

    dataset: str
    path: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.path} of the dataset {self.dataset}"


@dataclass(frozen=True)
class HubColumn:
    """A column of texts of a dataset on the Hub; its commit is written at the first fetch.

    Args:
        dataset: the repository.
        split, column: where the texts are.
    """

    dataset: str
    split: str
    column: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.column} of {self.split} of the dataset {self.dataset}"


Place = PublishedFile | HubFile | HubColumn
"""Where something of a suite lies."""


@dataclass(frozen=True)
class SuiteData:
    """What was fetched of a suite, by the names that :attr:`Suite.places` gives.

    Args:
        files: what files hold.
        texts: what columns hold.
        quirks: read as the makers' program does, with its faults.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    quirks: bool = False


@dataclass(frozen=True)
class SuiteContent:
    """All items of a suite.

    Args:
        items: in the suite's order.
        remarks: what was found in the lists and mended, or left out: a line each.
    """

    items: Sequence[SuiteItem]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class SuiteOrigin:
    """What the makers of a suite say of its lists.

    Args:
        licence: as they state it; None where they state none.
        paper: its address.
        items: how many there are.
        tags: what groups them; none without groups.
    """

    licence: str | None = None
    paper: str | None = None
    items: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """A list of prompts with what each asks of its images, and how they are drawn and judged.

    Args:
        name: what it is called in results.
        summary: a line.
        read: what was fetched → all items.
        places: name → where it lies; none where ``read`` makes the items.
        origin: what is known of the lists without reading them.
        judges: registered judges with the options that they take for it, the first by default;
            none: rewards decide (win rates).
        aggregated: what the suite's number is.
        protocol: how images are drawn.
        quirks: each fault of the makers' program that ``quirks = "official"`` brings, in a line.
        unofficial: what still differs from the makers' program, a line each.
        at_checkpoints: a registered suite that asks other things in the same way: training looks
            at it on the way, in place of this one.
        edition: raised whenever equal files give other items.
    """

    name: str
    summary: str
    read: Callable[[SuiteData], SuiteContent]
    places: Mapping[str, Place] = field(default_factory=dict)
    origin: SuiteOrigin = SuiteOrigin()
    judges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aggregated: Aggregated = "images"
    protocol: Protocol = Protocol()
    quirks: tuple[str, ...] = ()
    unofficial: tuple[str, ...] = ()
    at_checkpoints: str | None = None
    edition: int = 1

    @property
    def pinned(self) -> bool:
        """Whether the code says what every byte of it is; else the first fetch writes it down."""
        return all(isinstance(one, PublishedFile) and one.pinned for one in self.places.values())

"""Samples of a WebDataset: members of a tar that lie beside each other and share a name.

The name is what stands before the first dot; what follows says what a member is: ``jpg``,
``0.png``, ``txt``, ``json``. That is the layout of ``webdataset``. Members are read as bytes, as
text or as JSON, and never by its decoders, some of which unpickle.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from synpic.errors import IngestError
from synpic.ingest.captions import FOLDER, PROMPTS, caption_problem
from synpic.ingest.folder import ENDINGS
from synpic.ingest.meta import kept_values
from synpic.readers.display import size
from synpic.readers.json_models import parse_text
from synpic.readers.tars import Member, members
from synpic.readers.text import decode, shown
from synpic.recipe import IngestSettings

__all__ = ["NO_LABELS_OF_TARS", "TarImage", "images_of"]

_TEXTS = ("txt", "text")
_OBJECTS = ("json", "jsn")
_NUMBERED = re.compile(r"(?:jpg|jpeg|png|webp)_(\d+)")
"""Images of a pair, as the training scripts of diffusers name them: ``jpg_0``, ``jpg_1``."""

_CAPTIONS = (*PROMPTS, "original_prompt")
_SIDES = frozenset({"chosen", "rejected", "image", "img"})
"""Names of an image in a sample that name no model."""

_LABELS = ("label_0", "label_1")
"""Texts of a pair that are numbers, as the training scripts of diffusers name them."""

_NOT_META = frozenset(
    {"prompt_id", "split", "model", "models", "margin", "strategy", "label_source"}
)
NO_LABELS_OF_TARS = (*_CAPTIONS, *_NOT_META)
"""Keys of JSON that are no labels."""

_OF_A_SIDE = re.compile(r"(chosen|rejected)_(id|model|seed|rank|preference)")
"""What an export of synpic says of a pair, and not of its prompt."""

_MOST_IMAGE = 1 << 28
_MOST_TEXT = 1 << 20
"""Bytes of a member that is read."""

_META_MEMBER = re.compile(r"__[^/]*__($|/)")
"""What ``webdataset`` keeps for itself."""


@dataclass(frozen=True)
class TarImage:
    """An image in a tar, with what its sample says.

    Args:
        member: its name in the tar, for people.
        at, size: where its bytes lie.
        key: the SHA-256 of them; its place where they are not read.
        prompt, label, problem: as in ``FOUND``.
        meta: as :func:`synpic.ingest.meta.kept_values` gives it.
        sample: the number of its sample in the tar.
        name: which of the sample's images it is: "0", "chosen", "".
        values: what the sample says, beside a prompt: labels may be among it.
    """

    member: str
    at: int
    size: int
    key: str
    prompt: str | None
    label: str | None
    problem: str | None
    meta: str | None
    sample: int
    name: str
    values: Mapping[str, Any]


@dataclass
class _Sample:
    key: str
    images: list[tuple[str, Member]] = field(default_factory=list)
    texts: dict[str, Member] = field(default_factory=dict)
    objects: dict[str, Member] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)


def images_of(
    stream: BinaryIO,
    where: str,
    settings: IngestSettings,
    known: Callable[[int], str | None],
    note: Callable[[str], None],
) -> Iterator[TarImage]:
    """Every image of the tar in ``stream``, sample by sample.

    An image's prompt is the text of its own (``0.txt`` beside ``0.jpg``), else that of the sample
    (``txt``, or a key of ``json``).

    Args:
        where: the tar, for messages.
        known: the place of an image in the tar → its SHA-256, where it need not be read again.
        note: receives a sentence on members that were not read.

    Raises:
        IngestError: the tar is damaged; or two members have one name.
        OSError: as ``stream`` does.
    """
    for number, sample in enumerate(_samples(stream, where, note)):
        yield from _unfold(stream, where, number, sample, settings, known)


def _samples(stream: BinaryIO, where: str, note: Callable[[str], None]) -> Iterator[_Sample]:
    current: _Sample | None = None
    seen: set[str] = set()
    passed: list[Member] = []
    for member in members(stream, where, error=IngestError):
        folder, slash, file = member.name.rpartition("/")
        stem, dot, what = file.partition(".")
        if not (stem and dot) or _META_MEMBER.match(member.name):
            continue
        if member.other is not None:
            passed.append(member)
            continue
        key, what = f"{folder}{slash}{stem}", what.lower()
        if current is None or current.key != key:
            if key in seen:
                raise IngestError(
                    f"{where}: {shown(member.name)}: other files of sample {shown(key)!r:.80} lie "
                    "elsewhere in the tar",
                    hint="the files of a sample lie beside each other: write the tar again with "
                    "`tar --sort=name`, each file once",
                )
            if current is not None:
                yield current
            seen.add(key)
            current = _Sample(key)
        if what in current.fields:
            raise IngestError(
                f"{where}: two members are named {shown(member.name)!r:.120}",
                hint="write the tar again, each file once",
            )
        current.fields.add(what)
        _put(current, what, member)
    if current is not None:
        yield current
    if passed:
        first = passed[0]
        note(
            f"{where}: {len(passed):,} of its members are no regular files and were not read; the "
            f"first, {shown(first.name)}, is {first.other}"
        )


def _put(sample: _Sample, what: str, member: Member) -> None:
    name, _, ending = what.rpartition(".")
    numbered = _NUMBERED.fullmatch(ending)
    if f".{ending}" in ENDINGS:
        sample.images.append((name, member))
    elif numbered:
        sample.images.append((numbered[1], member))
    elif ending in _TEXTS:
        sample.texts.setdefault(name, member)
    elif ending in _OBJECTS:
        sample.objects.setdefault(name, member)


def _unfold(
    stream: BinaryIO,
    where: str,
    number: int,
    sample: _Sample,
    settings: IngestSettings,
    known: Callable[[int], str | None],
) -> Iterator[TarImage]:
    if not sample.images:
        return
    images = _in_order(sample.images)
    said = _Said(stream, where, sample, settings, [name for name, _ in images])
    values = said.values()
    for place, (name, member) in enumerate(images):
        prompt, problem = said.prompt(place, name)
        problem = problem or caption_problem(prompt)
        key = known(member.at)
        if member.size > _MOST_IMAGE:
            key = f"{where}#{shown(member.name)}"
            problem = f"it has {size(member.size)}, where at most {size(_MOST_IMAGE)} are read"
        yield TarImage(
            member=shown(member.name),
            at=member.at,
            size=member.size,
            key=key or _hash(stream, member),
            prompt=prompt if problem is None else None,
            label=said.label(place, name),
            problem=problem,
            meta=said.meta(name),
            sample=number,
            name=name,
            values=values,
        )


def _in_order(images: Sequence[tuple[str, Member]]) -> list[tuple[str, Member]]:
    """As they lie, but numbered ones by their numbers: ``10`` comes after ``2``."""
    if all(name.isdecimal() and len(name) < 10 for name, _ in images):
        return sorted(images, key=lambda one: int(one[0]))
    return list(images)


class _Said:
    """The texts of a sample, read when they are asked for."""

    def __init__(
        self,
        stream: BinaryIO,
        where: str,
        sample: _Sample,
        settings: IngestSettings,
        images: Sequence[str],
    ) -> None:
        self._stream, self._where, self._sample = stream, where, sample
        self._settings, self._images = settings, images
        self._read: dict[int, tuple[Any, str | None]] = {}

    def prompt(self, place: int, image: str) -> tuple[Any, str | None]:
        """The prompt of an image, and why what is written there is refused."""
        asked = self._settings.prompt[0] if self._settings.prompt else None
        for name in dict.fromkeys((image, "")):
            texts = [f"{name}.{one}" if name else one for one in ([asked] if asked else _CAPTIONS)]
            for one in texts if asked else [name, *texts]:
                if one in self._sample.texts:
                    return self._exact(name, *self._text(self._sample.texts[one]))
            found, problem = self._object(name)
            if problem is not None:
                return None, problem
            for one in [asked] if asked else _CAPTIONS:
                if one in found:
                    return self._one_of(found[one], place), None
        return None, None

    def _exact(self, name: str, text: Any, problem: str | None) -> tuple[Any, str | None]:
        """A text, with the line ends around it that JSON has where both say the same."""
        written = self._object(name)[0].get("prompt")
        same = isinstance(written, str) and written.strip("\r\n") == text
        return (written if same else text), problem

    def label(self, place: int, image: str) -> str | None:
        """The name of its model."""
        folder = shown(PurePosixPath(self._sample.key).parent.as_posix()).removeprefix(".")
        row = {FOLDER: folder, **self._object("")[0], **self._object(image)[0]}
        asked = self._settings.model
        if asked is not None:
            names = [asked[place]] if len(asked) == len(self._images) else asked[:1]
        else:
            names = [f"{image}_model", f"model_{image}", "models", "model"]
        for name in names:
            value = self._one_of(row.get(name), place)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return shown(str(value))
        named = asked is None and image and not image.isdecimal() and image not in _SIDES
        return shown(image) if named else None

    def meta(self, image: str) -> str | None:
        """What else is said, as far as it is kept."""
        row = {**self._object("")[0], **self._object(image)[0]}
        row = {name: one for name, one in row.items() if not _OF_A_SIDE.fullmatch(name)}
        used = {*_CAPTIONS, *_NOT_META, *(self._settings.prompt or ())}
        return kept_values(row, self._settings.keep, used)

    def values(self) -> Mapping[str, Any]:
        """What the sample says, but for what an export of synpic says of one side of a pair."""
        numbers = {
            name: _number(self._text(member)[0])
            for name, member in self._sample.texts.items()
            if name in _LABELS
        }
        row = {**numbers, **self._object("")[0]}
        return {name: one for name, one in row.items() if not _OF_A_SIDE.fullmatch(name)}

    def _one_of(self, value: Any, place: int) -> Any:
        """Of a list with something for each image, what is for this one."""
        if isinstance(value, list):
            return value[place] if len(value) == len(self._images) else None
        return value

    def _text(self, member: Member) -> tuple[Any, str | None]:
        if member.at not in self._read:
            self._read[member.at] = self._decoded(member)
        text, problem = self._read[member.at]
        return (text.strip("\r\n") if problem is None else None), problem

    def _object(self, image: str) -> tuple[Mapping[str, Any], str | None]:
        member = self._sample.objects.get(image)
        if member is None:
            return {}, None
        if member.at not in self._read:
            text, problem = self._decoded(member)
            found: Any = {}
            if problem is None:
                found, problem = _parsed(text, shown(member.name))
            self._read[member.at] = found, problem
        return self._read[member.at]

    def _decoded(self, member: Member) -> tuple[str, str | None]:
        name = shown(member.name)
        if member.size > _MOST_TEXT:
            most = size(_MOST_TEXT)
            return "", f"{name} has {size(member.size)}, where at most {most} are read"
        self._stream.seek(member.at)
        try:
            return decode(self._stream.read(member.size), name, error=IngestError), None
        except IngestError as error:
            return "", f"its caption is refused: {error.message}"


def _number(text: Any) -> Any:
    """What a text says, as a number if it is one."""
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return text


def _parsed(text: str, name: str) -> tuple[Mapping[str, Any], str | None]:
    try:
        found = parse_text(text)
    except ValueError as error:
        return {}, f"its caption is refused: {name}: not JSON: {error}"
    if not isinstance(found, dict):
        return {}, f"its caption is refused: {name} holds no JSON object"
    return found, None


def _hash(stream: BinaryIO, member: Member) -> str:
    found = hashlib.sha256()
    stream.seek(member.at)
    left = member.size
    while left and (data := stream.read(min(left, 1 << 20))):
        found.update(data)
        left -= len(data)
    return found.hexdigest()

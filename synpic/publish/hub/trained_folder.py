"""The folder that training wrote: which of its files are the model, and whether they still are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import PublishError
from synpic.publish.manifest import describe_file
from synpic.publish.previous import decode_card
from synpic.readers.safetensors_header import read_header
from synpic.release.cards.training import FACTS, read_training
from synpic.release.manifest import CARD, File
from synpic.release.run_folder import SAMPLE_SHEET

__all__ = ["WEIGHTS", "TrainedFolder", "card_text", "read_trained"]

_SENT = {".jinja", ".json", ".md", ".model", ".safetensors", ".txt"}
"""Kinds of files of which a model that diffusers saved consists. No pickles: they run code."""

WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class TrainedFolder:
    """A trained model's folder.

    Args:
        files: to send, by their paths in it.
        described: their sizes and hashes.
        left_out: files that are no part of a model.
        about: what its ``training.json`` says.
    """

    files: Mapping[str, Path]
    described: Mapping[str, File]
    left_out: Sequence[str]
    about: Mapping[str, Any]


def read_trained(folder: Path) -> TrainedFolder:
    """The model in ``folder``, held to what its training recorded.

    Raises:
        PublishError: there is no trained model, or one of its files is not what was trained.
    """
    facts = folder / FACTS
    if not facts.is_file():
        inner = (folder / "model" / FACTS).is_file()
        raise PublishError(
            f"{folder} holds no model that synpic trained: it has no {FACTS}",
            hint=f"the model is in {folder / 'model'}"
            if inner
            else "name the folder `model` of a run; `hf upload` sends any folder",
        )
    hint = "it is damaged, or another version of synpic wrote it; run `synpic train` again"
    try:
        data = facts.read_bytes()
    except OSError as error:
        raise PublishError(f"{facts} cannot be read: {error.strerror or error}", hint=hint) from (
            error
        )
    about = read_training(data, str(facts), error=PublishError, hint=hint)
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    sent = {
        name.as_posix(): path
        for name, path in sorted(found.items())
        if (path.suffix in _SENT or name.as_posix() == SAMPLE_SHEET)
        and not any(part.startswith(".") for part in name.parts)
    }
    for name, path in sent.items():
        if name.endswith(WEIGHTS):
            read_header(path, error=PublishError, hint="run `synpic train` again: it goes on")
    if not any(name.endswith(WEIGHTS) for name in sent):
        raise PublishError(
            f"{folder} holds no weights ({WEIGHTS})", hint="run `synpic train` again: it goes on"
        )
    if CARD not in sent:
        raise PublishError(f"{folder} has no {CARD}", hint="run `synpic train` again, or write one")
    card_text(sent[CARD])  # before anything is asked of the Hub
    left_out = sorted(name.as_posix() for name in found if name.as_posix() not in sent)
    described = {name: describe_file(path) for name, path in sent.items()}
    _require_recorded(folder, described, about["files"])
    return TrainedFolder(sent, described, left_out, about)


def _require_recorded(
    folder: Path, described: Mapping[str, File], recorded: Mapping[str, Mapping[str, Any]]
) -> None:
    """Hold the files of a model to the hashes that its training recorded.

    Raises:
        PublishError: one is gone or another, or there are weights that training did not write.
    """
    hint = (
        f"delete {folder} and run `synpic train` again: it makes the model from its last "
        "checkpoint; `hf upload` sends any folder"
    )
    for name, file in recorded.items():
        if name not in described:
            raise PublishError(f"{folder / name} is missing, which {FACTS} records", hint=hint)
        if described[name].sha256 != file["sha256"]:
            raise PublishError(
                f"{folder / name} is not what was trained: it does not have the SHA-256 that "
                f"{FACTS} records, key files.{name}",
                hint=hint,
            )
    for name in described:
        if name.endswith(WEIGHTS) and name not in recorded:
            raise PublishError(
                f"{folder / name}: training did not write it, and {FACTS} records no such file",
                hint=f"move it out of {folder}",
            )


def card_text(file: Path) -> str:
    """The folder's card.

    Raises:
        PublishError: it cannot be read, or is not UTF-8.
    """
    try:
        return decode_card(file.read_bytes(), str(file))
    except OSError as error:
        raise PublishError(
            f"{file} cannot be read: {error.strerror or error}",
            hint="make it readable, or run `synpic train` again",
        ) from error

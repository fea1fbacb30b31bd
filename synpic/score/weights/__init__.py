"""Weights: found on the Hub or in a folder, read without running code, and all of them accounted
for.

A tensor that a file lacks would leave random numbers in a judge; one that belongs to nothing means
that the file is of another model. Both are refused by name.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from synpic.engine.attempt import out_of_memory
from synpic.errors import CheckpointError, HubUnreachable, RewardError, SynpicError
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.progress import bars_shown, show_bars
from synpic.readers.pretrained import refuse_lacking
from synpic.score.weights.tensor_names import read_index

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "account_for",
    "as_dtype",
    "fill",
    "fill_parts",
    "find_file",
    "find_shards",
    "open_pretrained",
    "read_tensors",
    "reading",
    "stilled",
]

Leftovers = Mapping[str, str]
"""Patterns of keys that a file holds and the model has no use for → why that is right."""


def as_dtype(name: str) -> torch.dtype:
    """A dtype for a trunk: "float32", "bfloat16" or "float16".

    Raises:
        RewardError: another one.
    """
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        raise RewardError(
            f"dtype {name!r} is not one that rewards run in", hint=f"one of: {', '.join(known)}"
        )
    return known[name]


def find_file(checkpoint: str, revision: str | None, *names: str) -> Path:
    """The first of ``names`` that ``checkpoint`` holds, downloaded if need be.

    Args:
        checkpoint: a folder, or a repository on the Hub.
        revision: the commit of the latter.

    Raises:
        CheckpointError: it holds none of them, or cannot be reached.
    """
    folder = Path(checkpoint)
    if folder.is_dir():
        for name in names:
            if (folder / name).is_file():
                return folder / name
    else:
        subject = Subject(checkpoint, revision)
        unreachable: HubUnreachable | None = None
        for name in names:
            try:
                # Once the network has failed, only the cache is asked for the other names.
                found = download(subject, name, cached_only=bool(unreachable))
                if found is not None:
                    return found
            except HubUnreachable as error:
                unreachable = unreachable or error
        if unreachable:
            raise unreachable
    raise CheckpointError(
        f"{checkpoint} holds no {' or '.join(names)}",
        hint="name the folder or repository that holds the weights",
    )


def find_shards(checkpoint: str, revision: str | None, *names: str) -> list[Path]:
    """The files that hold weights: the first of ``names`` that is there, or those that it lists.

    Args:
        names: files of weights, and of indices, which end in ``.index.json``.

    Raises:
        RewardError: the index is damaged.
        CheckpointError: it holds none of them, or not all of what is listed, or cannot be reached.
    """
    first = find_file(checkpoint, revision, *names)
    if not first.name.endswith(".index.json"):
        return [first]
    shards = sorted(set(read_index(first).values()))
    return [find_file(checkpoint, revision, shard) for shard in shards]


def read_tensors(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """Every tensor of a ``.safetensors`` or ``.pt`` file, by name, in memory on the CPU.

    Args:
        inside: the key of the file's outer dictionary under which its tensors lie, if it has one.

    Raises:
        RewardError: the file is damaged, is no such file, or would run code when it is read.
    """
    import torch

    _refuse_text(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        else:
            with torch.serialization.safe_globals(_numbers()):
                found = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        met = re.search(r"Unsupported (?:global|operand|class): (?:GLOBAL )?(\S+)", str(error))
        what = f" ({met[1]})" if met else ""
        raise RewardError(
            f"{path} holds more than tensors{what}, and reading it would run code: it is refused",
            hint="look for a .safetensors of it; or, if you trust the file, load it once with the "
            "code it came with and save its state_dict() by safetensors.torch.save_file",
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        # A damaged file of weights fails in as many ways as it has readers.
        raise RewardError(
            f"{path} cannot be read: {type(error).__name__}: {error}",
            hint="delete it, so that it is downloaded again, or put a whole copy in its place",
        ) from error
    if inside is not None and isinstance(found, dict) and inside in found:
        found = found[inside]
    if not isinstance(found, dict) or not all(
        isinstance(value, torch.Tensor) for value in found.values()
    ):
        raise RewardError(
            f"{path} is not a dictionary of tensors" + (f" under {inside!r}" if inside else ""),
            hint="name the file that the authors of this reward published",
        )
    return found


def fill(
    module: torch.nn.Module,
    tensors: Mapping[str, Tensor],
    source: object,
    dtype: torch.dtype | None = None,
    leftovers: Leftovers | None = None,
) -> None:
    """Put ``tensors`` into ``module``, every one and no other.

    ``module`` may be on the meta device: it takes the tensors as they are.

    Args:
        source: where they are from, for messages.
        dtype: of what is a floating-point number; float32 if None.
        leftovers: known keys without use, with reasons.

    Raises:
        RewardError: a key too many, a key too few, or another shape, by name.
    """
    import torch

    wanted = module.state_dict()
    account_for(
        wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys(), source, leftovers or {}
    )
    for key, place in wanted.items():
        if tensors[key].shape != place.shape:
            _refuse_shape(source, key, tensors[key].shape, place.shape)
    cast = dtype or torch.float32
    module.load_state_dict(
        {
            key: tensors[key].to(cast) if tensors[key].is_floating_point() else tensors[key]
            for key in wanted
        },
        assign=True,
    )


def fill_parts(
    parts: torch.nn.ModuleDict,
    tensors: Mapping[str, Tensor],
    source: object,
    dtype: torch.dtype,
    in_the_file: Callable[[str, str], str],
    leftovers: Leftovers | None = None,
) -> None:
    """:func:`fill` for parts that lie in one file; what is refused is named as the file names it.

    Two keys may have one name there: their tensor stays one in memory.

    Args:
        dtype: of all parts but ``head``, which is in float32.
        in_the_file: a part and its key → the file's name for it.

    Raises:
        RewardError: as :func:`fill`.
    """
    names = {
        part: {key: in_the_file(part, key) for key in module.state_dict()}
        for part, module in parts.items()
    }
    wanted = {name for keys in names.values() for name in keys.values()}
    account_for(wanted - tensors.keys(), tensors.keys() - wanted, source, leftovers or {})
    for part, module in parts.items():
        ours = {key: tensors[name] for key, name in names[part].items()}
        fill(module, ours, source, None if part == "head" else dtype)


def open_pretrained(
    kind: Any,
    checkpoint: str,
    revision: str | None,
    dtype: torch.dtype,
    leftovers: Leftovers | None = None,
    **more: Any,
) -> Any:
    """``kind.from_pretrained``, with every weight accounted for, in evaluation mode.

    Args:
        kind: a class of transformers.
        leftovers: known keys without use, with reasons.
        more: further arguments of ``from_pretrained``.

    Raises:
        RewardError: weights are missing or belong to nothing, by name.
        CheckpointError: it is not there, or cannot be reached.
    """
    with reading(checkpoint, revision):
        model, loading = kind.from_pretrained(
            checkpoint,
            revision=revision,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            **more,
        )
    for key, found, wanted in sorted(loading["mismatched_keys"]):
        _refuse_shape(checkpoint, key, found, wanted)
    # Old checkpoints carry the numbers of their positions, which are no weights.
    known = {"*position_ids": "numbers of positions", **(leftovers or {})}
    account_for(loading["missing_keys"], loading["unexpected_keys"], checkpoint, known)
    return model.eval()


@contextmanager
def reading(checkpoint: str, revision: str | None) -> Iterator[None]:
    """Around any ``from_pretrained`` of transformers: its errors in our words, its chatter stilled.

    Raises:
        CheckpointError: ``checkpoint`` is not there, is gated, lacks a file or holds a damaged one,
            or cannot be reached.
    """
    with stilled():
        try:
            local = Path(checkpoint).is_dir()
            with nullcontext() if local else naming_hub_errors(checkpoint, revision):
                yield
        except (SynpicError, ImportError):
            raise
        except Exception as error:
            # Several libraries read files here, and their errors have no ancestor but this one.
            if out_of_memory(error):
                raise
            first = (str(error).splitlines() or [""])[0]
            raise CheckpointError(
                f"{checkpoint} cannot be read: {type(error).__name__}: {first}",
                hint="a file of it is not there, or is damaged, or is of another kind of model: "
                "put a whole copy there, or delete it from the cache, and it is downloaded again",
            ) from error


@contextmanager
def stilled() -> Iterator[None]:
    """transformers without its bars and reports, as it was before afterwards.

    Its bot is stilled too: of a repository without .safetensors it would ask the Hub to make some,
    in a request for everyone to see. Bars of downloads stay.
    """
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    downloads = bars_shown()
    bot = os.environ.get(NO_BOT)
    os.environ[NO_BOT] = "1"
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    show_bars(downloads)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        show_bars(downloads)
        if bot is None:
            del os.environ[NO_BOT]
        else:
            os.environ[NO_BOT] = bot


NO_BOT = "DISABLE_SAFETENSORS_CONVERSION"


def account_for(
    missing: Iterable[str], unexpected: Iterable[str], source: object, leftovers: Leftovers
) -> None:
    """Refuse weights that do not fit.

    Raises:
        RewardError: naming the first of them.
    """
    refuse_lacking(missing, source, RewardError)
    foreign = sorted(
        key for key in unexpected if not any(fnmatchcase(key, pattern) for pattern in leftovers)
    )
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise RewardError(
            f"{source} has foreign weights: {', '.join(foreign[:3])}{more}",
            hint="a judge with wrong weights scores noise; check the checkpoint",
        )


def _refuse_shape(
    source: object, key: str, found: Sequence[int], wanted: Sequence[int]
) -> NoReturn:
    raise RewardError(
        f"{source}: {key} is {tuple(found)}, {tuple(wanted)} expected",
        hint="these are weights of another model, or of another size of it",
    )


def _refuse_text(path: Path) -> None:
    """Refuse what a clone without LFS, or a download gone wrong, leaves in the place of weights."""
    with path.open("rb") as file:
        begins = file.read(64)
    for mark, what in (
        (b"version https://git-lfs", "a pointer of Git LFS, not the file it points to"),
        (b"<", "a page of text"),
    ):
        if begins.lstrip().startswith(mark):
            raise RewardError(
                f"{path} is {what}", hint="download the weights themselves, and put them there"
            )


def _numbers() -> list[Any]:
    """numpy's plain numbers: training loops leave one or another beside the weights."""
    import numpy as np

    kinds = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")]
    return [np._core.multiarray.scalar, np.dtype, *kinds]  # type: ignore[attr-defined]


def _is_zip(path: Path) -> bool:
    """Whether it is of the format, current since torch 1.6, that can be mapped into memory."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"

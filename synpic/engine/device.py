"""Which device to work on, and what to record of it."""

from __future__ import annotations

import gc
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synpic.errors import DeviceLost, SynpicError, causes

__all__ = [
    "describe_device",
    "environment",
    "free_memory",
    "free_recent_memory",
    "lost",
    "older_objects_left_alone",
    "pick_device",
    "raise_if_lost",
]

_LIBRARIES = ("synpic", "torch", "diffusers", "transformers", "open_clip_torch", "pillow")
_PROCESSORS = Path("/proc/cpuinfo")

_FATAL = (
    "an illegal memory access",
    "an illegal instruction",
    "device-side assert",
    "ECC error",
    "hardware stack error",
    "invalid address space",
    "invalid program counter",
    "misaligned address",
    "the launch timed out",
    "unknown error",
    "unspecified launch failure",
)
"""What CUDA says, here or in its libraries, when nothing of this process will run any more."""


def lost(error: BaseException) -> bool:
    """Whether ``error`` leaves a device on which nothing runs any more until the process ends."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    if "CUDA" in str(error) and any(words in str(error) for words in _FATAL):
        return True
    if not torch.cuda.is_initialized():
        return False
    # What one kernel broke may be told by any later call, in other words. Asked again, a device
    # that is well has nothing to tell.
    try:
        torch.cuda.synchronize()
    except RuntimeError as again:
        return not isinstance(again, torch.OutOfMemoryError)
    return False


def raise_if_lost(error: BaseException) -> None:
    """Look at ``error`` and its causes.

    Raises:
        DeviceLost: it is not the work that is broken, and the next would break likewise.
    """
    for cause in filter(lost, causes(error)):
        first = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise DeviceLost(
            f"the device is lost to this process: {first}",
            hint="everything made before is kept, and the same command goes on from there; if it "
            "ends at the same images again, --workers 2 finds out which, and goes on without them",
        ) from None


def pick_device(asked: str | None = None, *, use: bool = True) -> str:
    """``asked``, else the first accelerator there is, else "cpu".

    Args:
        use: try it. Else a CUDA device is only counted: trying takes memory on it until the
            process ends, which one that never works there should leave to those that do.

    Raises:
        SynpicError: torch knows no such device here.
    """
    if asked == "cpu":
        return asked
    import torch

    if asked is None:
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if use or torch.device(asked).type != "cuda":
            torch.empty(1, device=asked)
        elif (torch.device(asked).index or 0) >= (seen := torch.cuda.device_count()):
            raise RuntimeError(f"torch sees {seen} CUDA devices, numbered from 0")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SynpicError(
            f"--device {asked!r}: {str(error).splitlines()[0]}",
            hint="`synpic env` lists the devices that torch sees",
        ) from error
    return asked


@cache
def describe_device(device: str) -> str:
    """A device's name as its maker gives it."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    with suppress(OSError):
        found = re.search(r"^model name\s*: *(.+)$", _PROCESSORS.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def free_memory() -> None:
    """Give back what is no longer used: cycles first, then the accelerator's cache."""
    _take_back_older_objects()
    free_recent_memory()


def free_recent_memory() -> None:
    """The same, of what was made within :func:`older_objects_left_alone`; outside, of all."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        # On a device that is lost, even this fails; whoever calls has more important news.
        with suppress(RuntimeError):
            torch.cuda.empty_cache()


@contextmanager
def older_objects_left_alone() -> Iterator[None]:
    """Within, :func:`free_recent_memory` looks through objects that are made within alone.

    Imported libraries have half a million objects, which are never freed: looking through them
    takes a third of a second. Where the program itself has frozen objects, nothing is frozen or
    unfrozen here: Python cannot unfreeze some objects alone.
    """
    global _frozen
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    _frozen = True
    try:
        yield
    finally:
        _take_back_older_objects()


_frozen = False
"""Whether it was :func:`older_objects_left_alone` that froze what is frozen."""


def _take_back_older_objects() -> None:
    global _frozen
    if _frozen:
        gc.unfreeze()
    _frozen = False


def environment(device: str, dtype: str | None = None) -> dict[str, Any]:
    """What besides a fingerprint may move the low bits of a result; recorded with every part."""
    versions = {name: there for name in _LIBRARIES if (there := _installed(name))}
    found = {"python": platform.python_version(), "device": describe_device(device), **versions}
    return found if dtype is None else {**found, "dtype": dtype}


@cache
def _installed(library: str) -> str | None:
    """Its version. Python parses a library's whole description for it, once for each part here."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None

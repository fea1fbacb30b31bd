"""Which device to work on, and what to record of it."""

from __future__ import annotations

import gc
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from synpic.errors import SynpicError

__all__ = ["describe_device", "environment", "free_memory", "pick_device"]

_LIBRARIES = ("synpic", "torch", "diffusers", "transformers", "open_clip_torch", "pillow")


def pick_device(asked: str | None = None) -> str:
    """``asked``, else the first accelerator there is, else "cpu".

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
        torch.empty(1, device=asked)
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
    return platform.processor() or platform.machine()


def free_memory() -> None:
    """Give back what is no longer used: cycles first, then the accelerator's cache."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def environment(device: str, dtype: str | None = None) -> dict[str, Any]:
    """What besides a fingerprint may move the low bits of a result; recorded with every part."""
    versions: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    found = {"python": platform.python_version(), "device": describe_device(device), **versions}
    return found if dtype is None else {**found, "dtype": dtype}

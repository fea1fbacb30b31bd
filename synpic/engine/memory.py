"""How much memory work has taken: of an accelerator, or of the host where there is none."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["forget_peak", "peak"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""What proc(5) has written to clear_refs to begin the process's high-water mark anew."""


def forget_peak(device: str) -> None:
    """Have :func:`peak` count from here, where the system lets it."""
    if device.startswith("cuda"):
        torch = sys.modules.get("torch")
        # Asked before torch has been there, it knows no peak, and does not like to be told.
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats(device)
    elif device == "cpu":
        with suppress(OSError):
            _CLEAR.write_text(_RESET_PEAK)


def peak(device: str) -> int | None:
    """Bytes held at most at once since :func:`forget_peak`; None where it is not known.

    Of a CUDA device, what torch's allocator took of it, which other programs then could not have;
    it holds all of this process's work on that device. Of MPS, what is held now. Of the CPU, the
    resident size of this process.
    """
    if not device.startswith(("cuda", "mps")):
        return _resident_peak() if device == "cpu" else None
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if device.startswith("mps"):
        return int(torch.mps.driver_allocated_memory())
    # Only counters of the allocator are read: the device is not waited for.
    return int(torch.cuda.max_memory_reserved(device)) if torch.cuda.is_initialized() else None


def _resident_peak() -> int | None:
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    with suppress(ImportError):  # no Unix
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return None

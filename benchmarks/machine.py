"""What a device is doing while something is measured on it: its memory, and whether it computes."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import torch

from synpic.engine.device import describe_device

__all__ = ["Watch", "describe", "forget_peak", "held", "peak", "settle"]


def settle(device: str) -> None:
    """Wait until the device has done all that it was told to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def held(device: str) -> float:
    """MiB in use on the device now; 0 on a CPU, where :func:`peak` is of the whole process."""
    return torch.cuda.memory_allocated(device) / 2**20 if device.startswith("cuda") else 0.0


def forget_peak(device: str) -> None:
    """Begin to measure :func:`peak` anew."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> float:
    """MiB at most: of the device; of this process on a CPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM"))


def describe(device: str) -> str:
    """A line that names the machine, as a table of figures has to."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    name = describe_device(device)
    if device.startswith("cuda"):
        return f"{name}, {versions}"
    threads = torch.get_num_threads()
    return f"{name}, {os.cpu_count()} cores of which torch has {threads}, {versions}"


class Watch:
    """Asks a GPU four times a second whether it computes, from beginning to end.

    ``nvidia-smi`` answers with the share of the time since it was last asked in which any kernel
    ran. Where there is none, or where it does not say (a MIG slice), :attr:`share` is None.
    """

    EVERY = 250

    def __init__(self, device: str) -> None:
        self._command: list[str] | None = None
        if device.startswith("cuda") and shutil.which("nvidia-smi"):
            # By its own name: the tool does not look at CUDA_VISIBLE_DEVICES.
            name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            self._command = ["nvidia-smi", "-i", name, "--query-gpu=utilization.gpu"]
            self._command += ["--format=csv,noheader,nounits", f"--loop-ms={self.EVERY}"]
        self._answers: list[tuple[float, float]] = []
        self._began = self._ended = 0.0

    def __enter__(self) -> Watch:
        self._process: Any = None
        if self._command is not None:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.perf_counter()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()

    def between(self, began: float, ended: float) -> float | None:
        """The share of the time between two moments of ``time.perf_counter``, in 0 … 1."""
        answers = [share for moment, share in self._answers if began <= moment <= ended]
        return statistics.fmean(answers) / 100 if answers else None

    @property
    def share(self) -> float | None:
        """Of the whole time."""
        return self.between(self._began, self._ended)

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                self._answers.append((time.perf_counter(), float(line)))
            except ValueError:  # "[N/A]"
                return

"""What ``synpic env`` tells: what one needs to know of a machine before asking for help."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from synpic.engine.threads import cores
from synpic.hub.client import settings
from synpic.readers.display import size

__all__ = ["describe"]

_PACKAGES = (
    "synpic",
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "datasets",
    "huggingface_hub",
    "open_clip_torch",
    "polars",
    "pyarrow",
    "ray",
)


def describe() -> dict[str, Any]:
    """Versions, devices, disk and Hub settings of this machine. A token is never read out."""
    import torch

    devices = [
        f"cuda:{i} {torch.cuda.get_device_name(i)} "
        f"({size(torch.cuda.get_device_properties(i).total_memory)})"
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        devices.append("mps")
    disk = shutil.disk_usage(".")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "devices": [*devices, f"cpu ({cores()} cores, {torch.get_num_threads()} threads)"],
        "disk": f"{size(disk.free)} free of {size(disk.total)} here",
        **settings(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

"""Images and seconds become device-hours, wall time and dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Cost", "cost_of"]


@dataclass(frozen=True)
class Cost:
    """What work costs.

    Args:
        device_seconds: of all devices together.
        wall_seconds: from the first to the last.
        dollars: None where no rate was given.
    """

    device_seconds: float
    wall_seconds: float
    dollars: float | None = None

    @property
    def device_hours(self) -> float:
        """Of all devices together."""
        return self.device_seconds / 3600

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "device_hours": self.device_hours}

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        known = self.dollars is not None and other.dollars is not None
        return Cost(
            self.device_seconds + other.device_seconds,
            self.wall_seconds + other.wall_seconds,
            (self.dollars or 0.0) + (other.dollars or 0.0) if known else None,
        )


def cost_of(
    images: int,
    seconds_per_image: float,
    devices: int = 1,
    rate: float | None = None,
    opening: float = 0.0,
    batches: int | None = None,
) -> Cost:
    """What it costs to draw (or score) ``images`` on ``devices`` equal ones, shared out evenly.

        at_work        = devices, or batches where there are fewer
        device_seconds = images · seconds_per_image + at_work · opening
        wall_seconds   = device_seconds / at_work
        dollars        = rate · device_seconds / 3600

    Args:
        seconds_per_image: of one device.
        rate: dollars for an hour of one device.
        opening: seconds until a model is ready. Each device opens it once; nothing is opened for
            no images.
        batches: into which they are cut: a device more than these has nothing to do.

    Raises:
        ValueError: there is no device, or a number is negative.
    """
    if devices < 1:
        raise ValueError(f"{devices} devices: at least one is needed")
    if min(images, seconds_per_image, opening, rate or 0.0) < 0:
        raise ValueError("a negative number of images, seconds or dollars")
    at_work = devices if batches is None else max(1, min(devices, batches))
    device_seconds = images * seconds_per_image + (at_work * opening if images else 0.0)
    dollars = None if rate is None else rate * device_seconds / 3600
    return Cost(device_seconds, device_seconds / at_work, dollars)

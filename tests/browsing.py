"""What tests do with a page in a browser."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["wait_until"]

_SECONDS, _PAUSE = 30.0, 0.02


def wait_until(page: Any, condition: str, arg: Any = None) -> None:
    """Wait until ``condition``, an expression or a function in JavaScript, holds.

    Playwright's own ``wait_for_function`` asks again within the page, whose policy forbids eval.
    """
    end = time.monotonic() + _SECONDS
    while not page.evaluate(condition, arg):
        assert time.monotonic() < end, f"{condition} did not come to hold in {_SECONDS:g} s"
        page.wait_for_timeout(_PAUSE * 1000)

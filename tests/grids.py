"""Grids of kinds, sizes and dtypes: some of each in every run, all of them in the slow one."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest

__all__ = ["slow_but"]


def slow_but(fast: Container[Any], cases: Iterable[Any]) -> list[Any]:
    """``cases`` for ``parametrize``, marked slow but for those in ``fast``."""
    return [case if case in fast else _slow(case) for case in cases]


def _slow(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)

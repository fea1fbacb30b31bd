from __future__ import annotations

from tests.generate.conftest import saved

__all__ = ["saved"]

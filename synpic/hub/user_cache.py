"""Where synpic keeps what can be made or fetched again, for all workspaces of a user."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache(kind: str) -> Path:
    """The folder of one kind: ``synpic/<kind>`` below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "synpic" / kind

"""Pages on the Hub of what a release was made from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synpic import ids
from synpic.release.manifest import LockRow

__all__ = ["pages"]


def pages(lock: Sequence[LockRow]) -> dict[str, str]:
    """A checkpoint or dataset on the Hub, as the manifest names it → the address of its page."""
    kinds = {"model": "", "dataset": "datasets/"}
    return {
        f"{row.source}@{ids.short(row.identity)}": "https://huggingface.co/"
        f"{kinds[row.kind]}{row.source}/tree/{row.identity}"
        for row in lock
        if row.kind in kinds
        and re.fullmatch(r"[\w.-]+/[\w.-]+", row.source, re.ASCII)
        and re.fullmatch(r"[0-9a-f]+", row.identity)
    }

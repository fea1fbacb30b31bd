"""A static cut of the work, for batch schedulers: machine 3 of 16 does every 16th batch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synpic.errors import SynpicError

__all__ = ["WHOLE", "Shard"]


@dataclass(frozen=True)
class Shard:
    """The ``index``-th of ``count`` equal shares, counted from 1.

    What is numbered is the want, never what is missing: the same on every machine, whatever is
    done. All shards together are everything, and no two overlap.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``"3/16"``.

        Raises:
            SynpicError: it is not of that form, or out of range.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        shard = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= shard.index <= shard.count:
            raise SynpicError(
                f"--shard {text!r} is not a share",
                hint='write "3/16" for the third of sixteen; shares are counted from 1',
            )
        return shard

    def holds(self, number: int) -> bool:
        """Whether piece ``number`` (a batch's number, a candidate's id) belongs to this share."""
        return number % self.count == self.index - 1


WHOLE = Shard()
"""All of the work."""

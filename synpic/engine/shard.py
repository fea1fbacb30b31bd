"""A static cut of the work, for batch schedulers: machine 3 of 16 does every 16th batch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synpic.errors import SynpicError

__all__ = ["WHOLE", "Shard"]


@dataclass(frozen=True)
class Shard:
    """The ``index``-th of ``count`` equal shares, counted from 1.

    The cut is of batch numbers of the want, which are the same on every machine and do not depend
    on what is done: all shards together are everything, and no two overlap.
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

    def holds(self, batch: int) -> bool:
        """Whether batch number ``batch`` belongs to this share."""
        return batch % self.count == self.index - 1


WHOLE = Shard()
"""All of the work."""

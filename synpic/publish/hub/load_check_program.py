"""Load what was published in a process with nothing of synpic and empty caches.

A program of its own, run by its path: ``load_check`` starts it in an environment with empty caches
and hands it JSON. It counts the rows of every shard, opens every split by the commit's id,
streaming, and reads a row of it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

__all__ = ["NO_ANSWER", "load", "main"]

NO_ANSWER = 75
"""The exit status when the Hub did not answer, or says that it may later (EX_TEMPFAIL)."""

_PASSING = {408, 429}
"""Statuses of an answer after which the same request may succeed, beside those of 500 and above."""


def load(asked: dict[str, Any]) -> str | None:
    """What is wrong with the release; None if nothing is.

    Args:
        asked: ``repository``, ``commit``, ``endpoint``; ``records``: config → split → rows;
            ``shards``: config → split → paths.
    """
    import pyarrow.parquet as pq
    from datasets import load_dataset
    from huggingface_hub import HfFileSystem

    files = HfFileSystem(endpoint=asked["endpoint"])
    where = f"datasets/{asked['repository']}@{asked['commit']}/"
    for config, splits in asked["records"].items():
        for split, rows in splits.items():
            shards = asked["shards"][config][split]
            found = 0
            for path in shards:
                with files.open(where + path) as stream:
                    found += pq.ParquetFile(stream).metadata.num_rows
            if found != rows:
                return f"{config}/{split} has {found} rows, {rows} expected"
            loaded = load_dataset(
                asked["repository"], config, split=split, revision=asked["commit"], streaming=True
            )
            said = loaded.info.splits[split].num_examples
            if said != rows:
                return f"the card says that {config}/{split} has {said} rows, and it has {rows}"
            if loaded.num_shards != len(shards):
                return f"{config}/{split} is read from {loaded.num_shards} files, not {len(shards)}"
            next(iter(loaded))
    return None


def main() -> int:
    """Read what is asked from stdin; say what is wrong on stderr; the exit status."""
    from huggingface_hub import errors

    # The client's own name for the errors of its HTTP library, which was another one in 0.x.
    http: type[Exception] = getattr(errors, "HTTPError", ConnectionError)
    try:
        wrong = load(json.load(sys.stdin))
    except Exception as error:
        # This program ends here; the process that started it reads the words.
        one: BaseException | None = error
        while one is not None:
            if isinstance(one, http | ConnectionError | TimeoutError):
                print(" ".join(f"{type(one).__name__}: {one}".split()), file=sys.stderr)
                status = getattr(getattr(one, "response", None), "status_code", None)
                passes = status is None or status in _PASSING or status >= 500
                return NO_ANSWER if passes else 1
            one = one.__cause__ or one.__context__
        traceback.print_exc()
        return 1
    if wrong is not None:
        print(wrong, file=sys.stderr)
    return int(wrong is not None)


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # A row was read of each split and the rest left: what reads ahead has threads of its own, and
    # now and then one of them aborts the program that is torn down around it.
    os._exit(status)

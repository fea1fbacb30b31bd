"""A program that makes what a recipe wants, and publishes it: WORKSPACE OUT [backwards]."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

CONFIGS = ("ranked", "scores", "images", "pairwise", "pickapic")


def main() -> None:
    workspace, out, *order = sys.argv[1:]
    if order:
        _list_backwards()
    import synpic

    made = synpic.Workspace.open(workspace)
    synpic.generate_candidates(made).raise_if_unfinished()
    synpic.score_candidates(made).raise_if_unfinished()
    synpic.publish_to(made, Path(out), configs=CONFIGS)


def _list_backwards() -> None:
    """As on a disk that lists its files in another order."""
    listdir, scandir = os.listdir, os.scandir

    class Scan:
        def __init__(self, *of: Any) -> None:
            with scandir(*of) as found:
                self._found = iter(sorted(found, key=lambda one: one.name, reverse=True))

        def __iter__(self) -> Any:
            return self._found

        def __next__(self) -> Any:
            return next(self._found)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def close(self) -> None:
            pass

    os.listdir = lambda *of: sorted(listdir(*of), reverse=True)  # type: ignore[assignment]
    os.scandir = Scan  # type: ignore[assignment]


if __name__ == "__main__":
    main()

"""The last line of commands that made something to look at."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

__all__ = ["from_the_user", "look_line", "remember_folder", "say_look"]

_began: list[Path] = []


def remember_folder() -> None:
    """Note where the user stands, before ``-C`` leads elsewhere."""
    with suppress(OSError):  # the folder is gone
        _began[:] = [Path.cwd()]


def look_line(what: str | Path | None = None) -> str:
    """``Look at it:  synpic view …``, as it works where the user stands.

    Args:
        what: a folder, seen from the folder that the command works in; the name of a release on the
            Hub; the workspace here if None.
    """
    words = ["synpic", "view"]
    if isinstance(what, str):
        words.append(what)
    elif what is not None or _has_moved():
        words.append(_from_the_user(Path.cwd() / (what or ".")))
    return f"Look at it:  {shlex.join(words)}"


def say_look(what: str | Path | None = None) -> None:
    """Say :func:`look_line`."""
    from synpic_cli.output import say

    say(look_line(what))


def from_the_user(folder: Path) -> Path:
    """``folder``, seen from the folder that the command works in, from where the user stands."""
    return Path(_from_the_user(Path.cwd() / folder)) if _has_moved() else folder


def _has_moved() -> bool:
    """Whether the command works in another folder than the user stands in."""
    return bool(_began) and not Path.cwd().samefile(_began[0])


def _from_the_user(folder: Path) -> str:
    """``folder`` from where the user stands; whole where that is shorter."""
    whole = folder.resolve()
    relative = os.path.relpath(whole, _began[0] if _began else None)
    return min(relative, str(whole), key=len)

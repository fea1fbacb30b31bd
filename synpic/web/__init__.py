"""What pages over HTTP share, whatever they show.

security     who may ask, and what a page may load
listening    a server on a port, until Ctrl-C
answers      JSON, problems and files of a page as responses
pages        templates and assets: a page's own, and those of all pages
kept         what was asked for last, in memory up to a limit
"""

from __future__ import annotations

from importlib.util import find_spec

from synpic.errors import MissingExtra

__all__ = ["require_extra"]


def require_extra(command: str) -> None:
    """Insist on what serving a page needs.

    Args:
        command: the word after ``synpic``, which is the name of the extra too.

    Raises:
        MissingExtra: it is not installed.
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"synpic {command} needs {' and '.join(missing)}",
            hint=f'pip install "synpic[{command}]"',
        )

"""Groups of commands whose help has the whole summary of each."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["WholeSummaries"]

_WHOLE = 1000
"""Characters: more than any first sentence has."""


class WholeSummaries(TyperGroup):
    """A group whose help wraps the first sentence of a command where click cuts it off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands. Both are click's, of the package or as Typer brings it."""
        there = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, one.get_short_help_str(_WHOLE)) for name, one in there if one is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

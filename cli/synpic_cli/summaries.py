"""Groups of commands whose help has the whole summary of each, under what the command is for."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

__all__ = ["HEADINGS", "WholeSummaries"]

_WHOLE = 1000
"""Characters: more than any first sentence has."""


HEADINGS = ("Make", "Look", "Label", "Release", "Train", "Evaluate", "Care")
"""What commands are for, in the order in which help lists them."""


class WholeSummaries(TyperGroup):
    """A group whose help wraps the first sentence of a command where click cuts it off.

    Commands of one ``rich_help_panel``, of :data:`HEADINGS`, share a heading, without rich.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands. Both are click's, of the package or as Typer brings it."""
        there = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        listed = [(name, one) for name, one in there if one is not None]
        width = max((len(name) for name, _ in listed), default=0)
        for heading in (*HEADINGS, None):
            rows = [
                (name.ljust(width), one.get_short_help_str(_WHOLE))
                for name, one in listed
                if _heading(one) == heading
            ]
            if rows:
                with formatter.section(heading or "Commands"):
                    formatter.write_dl(rows)


def _heading(command: Any) -> str | None:
    panel = getattr(command, "rich_help_panel", None)
    return panel if panel in HEADINGS else None

"""What was published, read again: from a folder, or from the Hub at one commit."""

from __future__ import annotations

from synpic.release.source import Published, open_release, parse_name

__all__ = ["Published", "open_release", "parse_name"]

"""What a published release says of itself."""

from __future__ import annotations

from synpic.publish import Release
from synpic_cli.output import human_bytes, print_table, say

__all__ = ["show_release"]


def show_release(release: Release) -> None:
    """Rows per config and split, and where they are."""
    print_table(
        ["config", "split", "rows"],
        [
            [config, split, rows]
            for config, splits in release.rows.items()
            for split, rows in splits.items()
        ],
    )
    say(f"Published {human_bytes(release.bytes)} in {release.directory}")

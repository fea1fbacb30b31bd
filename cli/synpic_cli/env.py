"""``synpic env``."""

from __future__ import annotations

from synpic_cli.options import AsJson


def env(as_json: AsJson = False) -> None:
    """Show versions, devices, disk, and whether there is a Hub token."""
    from synpic.pipeline.environment import describe
    from synpic_cli.output import print_json, say

    found = describe()
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        say(f"{key}: {value}")

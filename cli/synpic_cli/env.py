"""``synpic env``."""

from __future__ import annotations

from synpic_cli.options import AsJson


def env(as_json: AsJson = False) -> None:
    """Versions, devices, disk, and whether a Hub token is there (never the token)."""
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

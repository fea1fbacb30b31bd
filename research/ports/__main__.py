"""The command; see the package."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from synpic.errors import SynpicError


def main() -> int:
    """Run ports and print what was found; 1 where one could not be run."""
    parser = argparse.ArgumentParser(prog="python -m research.ports", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--into", type=Path, default=Path("ports"), metavar="DIR")
    parser.add_argument("--to", type=Path, metavar="FILE", help="JSON into which rows are put")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    asked = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", EVALSCOPE_T2V_LOCAL_FILES_ONLY="1")
    from research.ports.listed import PORTS
    from research.ports.page import line, put
    from research.ports.run import run

    unknown = sorted(set(asked.only) - set(PORTS))
    if unknown:
        print(f"no port {unknown[0]!r}; one of: {', '.join(PORTS)}", file=sys.stderr)
        return 2
    found: list[dict[str, Any]] = []
    for name in asked.only or PORTS:
        begun = time.monotonic()
        try:
            row = run(PORTS[name], asked.into)
        except (SynpicError, ValueError) as error:
            row = {"port": name, "error": str(error)}
        print(f"{line(row)}  ({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
        found.append(row)
        if asked.to:
            put(asked.to, "ports", [row])
    if asked.json:
        print(json.dumps(found, indent=1))
    return int(any("error" in row for row in found))


if __name__ == "__main__":
    sys.exit(main())

"""How long `synpic --help` takes against the least a typer program can take.

    python benchmarks/startup.py [--runs 9] [--json]

Exits with 1 when the ratio of medians is above 3.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 3.0


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one run of ``command``."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=9, help="runs of each, taken in turns")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    help_command = [str(Path(sys.executable).with_name("synpic")), "--help"]
    bare_command = [sys.executable, "-c", "import typer"]
    for command in (help_command, bare_command):
        seconds(command)  # fills the disk cache and writes bytecode
    pairs = [(seconds(help_command), seconds(bare_command)) for _ in range(arguments.runs)]
    help_median, bare_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = help_median / bare_median

    found = {
        "synpic_help_seconds": round(help_median, 4),
        "import_typer_seconds": round(bare_median, 4),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
        "runs": arguments.runs,
    }
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"synpic --help   {help_median:.3f} s (median of {arguments.runs})")
        print(f"import typer    {bare_median:.3f} s")
        print(f"ratio           {ratio:.2f} (limit {LIMIT:g})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

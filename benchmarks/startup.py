"""What commands cost before they do anything: `--help`, `validate` and `status`.

    python benchmarks/startup.py [--runs 5] [--json]

`--help` is timed against the least that a typer program takes, in wall-clock seconds; the others in
seconds of CPU, child processes included, against `import polars`. Exits with 1 when the ratio of
`--help` is above 3.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 3.0
SYNPIC = str(Path(sys.executable).with_name("synpic"))


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one run of ``command``."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def cpu_seconds(command: list[str]) -> float:
    """Seconds of CPU, user and system, of one run of ``command`` and its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def workspaces(root: Path) -> tuple[Path, Path]:
    """Two of the preset `shapes`: as it is, and with a number of steps for each model."""
    plain, stepped = root / "plain", root / "stepped"
    for place in (plain, stepped):
        subprocess.run([SYNPIC, "init", str(place)], check=True, stdout=subprocess.DEVNULL)
    recipe = stepped / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("samples = 1\n", "samples = 1\nsteps = 7\n"))
    return plain, stepped


def cpu_figures(runs: int) -> dict[str, float]:
    """Name → median seconds of CPU, taken in turns."""
    with tempfile.TemporaryDirectory() as root:
        plain, stepped = workspaces(Path(root))
        commands = {
            "import polars": [sys.executable, "-c", "import polars"],
            "status": [SYNPIC, "-C", str(plain), "status"],
            "validate": [SYNPIC, "-C", str(plain), "validate"],
            "validate, steps set": [SYNPIC, "-C", str(stepped), "validate"],
        }
        found: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(runs + 1):
            (stepped / "recipe.lock").unlink(missing_ok=True)
            for name, command in commands.items():
                taken = cpu_seconds(command)
                if number:  # the first fills the disk cache and writes bytecode
                    found[name].append(taken)
    return {name: statistics.median(times) for name, times in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5, help="runs of each, taken in turns")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    help_command, bare_command = [SYNPIC, "--help"], [sys.executable, "-c", "import typer"]
    for command in (help_command, bare_command):
        seconds(command)  # fills the disk cache and writes bytecode
    pairs = [(seconds(help_command), seconds(bare_command)) for _ in range(arguments.runs)]
    help_median, bare_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = help_median / bare_median
    cpu = cpu_figures(arguments.runs)
    baseline = cpu["import polars"]

    found = {
        "synpic_help_seconds": round(help_median, 4),
        "import_typer_seconds": round(bare_median, 4),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
        "runs": arguments.runs,
        "cpu_seconds": {name: round(taken, 3) for name, taken in cpu.items()},
        "cpu_ratios": {name: round(taken / baseline, 2) for name, taken in cpu.items()},
    }
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"synpic --help   {help_median:.3f} s (median of {arguments.runs})")
        print(f"import typer    {bare_median:.3f} s")
        print(f"ratio           {ratio:.2f} (limit {LIMIT:g})")
        for name, taken in cpu.items():
            print(f"{name:20} {taken:6.2f} s of CPU, {taken / baseline:5.1f} × import polars")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())

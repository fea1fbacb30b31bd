"""``python -m tests.fuzz``: many cases, or one again."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).parent.parent.parent / "cli"))


def main() -> int:
    """Run the cases that are asked for; exit with 1 if one is a fault."""
    from tests.fuzz.judge import FAULTS
    from tests.fuzz.runner import Fuzz
    from tests.fuzz.targets import TARGETS

    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--target", action="append", choices=TARGETS, help="all if not given")
    asked.add_argument("--seed", type=int, default=0, help="of the first case")
    asked.add_argument("--cases", type=int, default=1, help="of each target")
    asked.add_argument("--json", action="store_true", help="a case a line")
    options = asked.parse_args()
    counts: dict[str, collections.Counter[str]] = {}
    with tempfile.TemporaryDirectory() as root, Fuzz(Path(root).resolve()) as fuzz:
        for name in options.target or TARGETS:
            count = counts[name] = collections.Counter()
            began = time.process_time()
            for seed in range(options.seed, options.seed + options.cases):
                faulthandler.dump_traceback_later(400, exit=True)
                case = fuzz.run(name, seed)
                faulthandler.cancel_dump_traceback_later()
                count["cases"] += 1
                if case.fault:
                    count[case.fault] += 1
                if options.json:
                    print(json.dumps(vars(case)), flush=True)
                elif case.fault or options.cases == 1:
                    print(case, flush=True)
            rate = count["cases"] / max(1e-9, time.process_time() - began)
            print(f"{name}: {dict(count)}, {rate:.0f} cases per CPU second", file=sys.stderr)
    columns = ["cases", *FAULTS]
    rows = [("target", *columns), *((n, *(c[k] for k in columns)) for n, c in counts.items())]
    totals = [sum(count[column] for count in counts.values()) for column in columns]
    for row in [*rows, ("all", *totals)]:
        print(f"{row[0]:<18}" + "".join(f"{cell:>11}" for cell in row[1:]), file=sys.stderr)
    return int(any(totals[1:]))


if __name__ == "__main__":
    sys.exit(main())

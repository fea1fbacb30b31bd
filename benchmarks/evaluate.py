"""How fast models are compared, and what it takes in memory.

    python benchmarks/evaluate.py                  # 553 prompts × 4 images × 3 models, six tags
    python benchmarks/evaluate.py --prompts 3200 --json

One row is `compare_models`: means, paired differences and win rates of all models, with intervals
from 10,000 drawn sets, and a sign-flip test of each difference. The other is the same intervals by
`scipy.stats.bootstrap`, a call for each, without the tests. Beside the seconds stand those of the
processor, which a busy machine stretches less.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from synpic.evaluate.bootstrap import RESAMPLES
from synpic.evaluate.compare_models import Items, compare_models

IMAGES, TAGS = 4, 6


def made_items(prompts: int, models: int) -> Items:
    """Answers that are right or wrong; models differ by a hundredth."""
    rng = np.random.default_rng(0)
    units = [f"p{at:05}" for at in range(prompts) for _ in range(IMAGES)]
    tags = [f"t{at % TAGS}" for at in range(prompts) for _ in range(IMAGES)]
    values = {
        f"m{at}": (rng.random(len(units)) < 0.5 + at / 100).astype(float) for at in range(models)
    }
    return Items(values, units, tags)


def by_scipy(items: Items) -> None:
    """The same intervals: of each model's mean, each difference and each win rate, by tag."""
    base, *others = (found.reshape(-1, IMAGES) for found in items.values.values())
    differences = [other - base for other in others]
    columns = [base, *others, *differences, *((np.sign(one) + 1) / 2 for one in differences)]
    tags = np.asarray(items.tags)[::IMAGES]
    for column in columns:
        means = column.mean(axis=1)
        for tag in np.unique(tags):
            bootstrap(
                (means[tags == tag],), np.mean, method="percentile", n_resamples=RESAMPLES, rng=0
            )


def timed(name: str, work: Callable[[], object]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "by": name,
        "seconds": round(time.perf_counter() - wall, 2),
        "processor seconds": round(time.process_time() - cpu, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=553)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    few, items = made_items(12, 2), made_items(args.prompts, args.models)
    compare_models(few, "m0", fingerprint="f", resamples=10)  # imports are not counted
    rows = [
        timed("compare_models", lambda: compare_models(items, "m0", fingerprint="f")),
        timed("scipy.stats.bootstrap", lambda: by_scipy(items)),
    ]
    for row in rows:
        row["of SciPy's"] = round(row["processor seconds"] / rows[-1]["processor seconds"], 2)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if args.json:
        print(
            json.dumps({"prompts": args.prompts, "models": args.models, "MiB": peak, "rows": rows})
        )
        return
    print(f"{args.prompts} prompts × {IMAGES} images × {args.models} models; peak {peak} MiB")
    for row in rows:
        print("   ".join(f"{name}: {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()

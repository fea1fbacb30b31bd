"""The packaged models of the embedded world by all suites, and whether their orders agree.

    python -m research.suites FOLDER [--items 300] [--fid] [--json]

All four models draw the items of ``shapes`` in FOLDER, which goes on when called again. The
world's own judge, GenEval's rule, the rules of DPG-Bench, DSG, Soft-TIFA and T2I-CompBench, rewards
and, with ``--fid``, the distance from rendered scenes look at the same images. Answers are exact:
they are read from pixels. Each metric is held to the strict judge: the order of the models, and the
differences of two models that are seen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import kendalltau

from synpic.evaluate.compare_models import OVERALL
from synpic.evaluate.evaluation import Evaluation, evaluate_models
from synpic.evaluate.fid.distances import frechet_distances
from synpic.evaluate.intervals import Estimate
from synpic.pipeline.steps import generate_candidates, init_workspace, score_candidates
from synpic.workspace import Workspace

__all__ = ["MODELS", "MetricOfModels", "agreement", "make", "metrics_of", "table"]

MODELS = ("shapes_mmdit", "shapes_unet", "shapes_mmdit_small", "shapes_pixart")

STRICT = "shapes"

_WINS = "win rate, "

_SUITES = {
    "shapes": """
[judges.shapes]

[judges.geneval]
judge = "research.suites.judges:SceneGenEval"

[rewards.shapes_clip]

[rewards.shapes_alignment]

[rewards.shapes_quality]
""",
    "research.suites.world:ASKED": "".join(
        f"""
[judges.{name}]
judge = "research.suites.judges:SceneQuestions"
options = {{ rule = "{rule}" }}
"""
        for name, rule in (
            ("dpg", "dpg"),
            ("dsg", "dsg"),
            ("soft_tifa_am", "soft-tifa-am"),
            ("soft_tifa_gm", "soft-tifa-gm"),
        )
    )
    + """
[judges.compbench]
judge = "research.suites.judges:ScenePhrases"
""",
}
"""What looks at images, by the suite whose number it has: GenEval's is the mean of tags."""


@dataclass(frozen=True)
class MetricOfModels:
    """What one metric says of the models.

    Args:
        name: of the metric.
        means: of each model.
        seen: pairs of models whose difference is seen → the better one.
        lower: whether a lower number is better.
    """

    name: str
    means: Mapping[str, Estimate]
    seen: Mapping[tuple[str, str], str]
    lower: bool = False

    @property
    def values(self) -> list[float]:
        """Of each model in order, the higher the better."""
        sign = -1 if self.lower else 1
        return [sign * (one.value or 0.0) for one in self.means.values()]


def make(folder: Path, items: int) -> list[Workspace]:
    """A workspace for each suite, with the same images; what is there already is kept."""
    made: list[Workspace] = []
    for suite, judges in _SUITES.items():
        place = folder / suite.partition(":")[0].rpartition(".")[2]
        if not (place / "recipe.toml").exists():
            models = "".join(f"\n[models.{name}]\n" for name in MODELS)
            init_workspace(place, f'[suite]\nname = "{suite}"\nlimit = {items}\n{models}{judges}')
            if made:  # the same models, prompts and seeds
                shutil.copytree(made[0].folder / "candidates", place / "candidates")
        workspace = Workspace.open(place)
        generate_candidates(workspace).raise_if_unfinished()
        score_candidates(workspace).raise_if_unfinished()
        made.append(workspace)
    return made


def metrics_of(workspace: Workspace) -> list[MetricOfModels]:
    """Every metric of a workspace; win rates of rewards too, against the first model."""
    by_base = {base: evaluate_models(workspace, base=base) for base in MODELS[:-1]}
    first = by_base[MODELS[0]]
    found = [
        MetricOfModels(one.name, {r.model: r.mean for r in one.results if r.tag == OVERALL}, {})
        for one in first.measures
    ]
    seen: dict[str, dict[tuple[str, str], str]] = {}
    for a, b in itertools.combinations(MODELS, 2):
        for name, better in _better(by_base[a], a, b).items():
            seen.setdefault(name, {})[a, b] = better
    rows = [MetricOfModels(one.name, one.means, seen.get(one.name, {})) for one in found]
    for measure in first.measures:
        if measure.metric.kind == "reward":
            even = Estimate(0.5, None, None, 0, 0)
            wins = {
                one.model: one.difference.win_rate if one.difference else even
                for one in measure.results
                if one.tag == OVERALL
            }
            name = f"{_WINS}{measure.name}"
            rows.append(MetricOfModels(name, wins, seen.get(name, {})))
    return rows


def _better(found: Evaluation, base: str, model: str) -> dict[str, str]:
    """Metric → the better of two models, of those by which a difference is seen; of win rates,
    those whose interval leaves out ½."""
    better = {}
    for measure in found.measures:
        for one in measure.results:
            difference = one.difference
            if (one.model, one.tag) != (model, OVERALL) or difference is None:
                continue
            if difference.seen:
                better[measure.name] = model if (difference.mean.value or 0) > 0 else base
            wins = difference.win_rate
            if wins.low is not None and wins.high is not None and not wins.low <= 0.5 <= wins.high:
                better[f"{_WINS}{measure.name}"] = model if wins.low > 0.5 else base
    return better


def distances(workspace: Workspace) -> MetricOfModels:
    """FID from rendered scenes of the same prompts, in features of ``shapes_clip``."""
    found = frechet_distances(workspace, "world:shapes", features="shapes_clip", models=MODELS)
    means = {one.model: Estimate(one.value, None, None, one.n, one.n) for one in found}
    return MetricOfModels("FID, shapes_clip", means, {}, lower=True)


def agreement(metrics: Sequence[MetricOfModels]) -> list[tuple[MetricOfModels, float, int, int]]:
    """Of each metric Kendall's τ-b with the strict judge over models; and of the pairs whose
    difference both see, on how many they agree, and how many there are."""
    strict = next(one for one in metrics if one.name == STRICT)
    rows = []
    for one in metrics:
        tau = float(kendalltau(strict.values, one.values).statistic)
        both = [pair for pair in one.seen if pair in strict.seen]
        agreed = sum(one.seen[pair] == strict.seen[pair] for pair in both)
        rows.append((one, tau, agreed, len(both)))
    return rows


def table(metrics: Sequence[MetricOfModels]) -> str:
    """As Markdown."""
    head = ["metric", *(f"`{name}`" for name in MODELS), "τ", "pairs seen"]
    lines = [head, ["---"] * len(head)]
    for one, tau, agreed, both in agreement(metrics):
        seen = f"{agreed} of {both}" if one.seen else "–"
        lines.append([one.name, *map(_cell, one.means.values()), f"{tau:.2f}", seen])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} … {estimate.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--fid", action="store_true", help="also the distance from scenes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    workspaces = make(options.folder, options.items)
    metrics = [one for workspace in workspaces for one in metrics_of(workspace)]
    if options.fid:
        metrics.append(distances(workspaces[0]))
    if options.json:
        rows = [
            {
                "metric": one.name,
                "models": {name: asdict(mean) for name, mean in one.means.items()},
                "tau": tau,
                "pairs agreed": agreed,
                "pairs seen by both": both,
            }
            for one, tau, agreed, both in agreement(metrics)
        ]
        print(json.dumps(rows, indent=1))
        return
    print(table(metrics))


if __name__ == "__main__":
    main()

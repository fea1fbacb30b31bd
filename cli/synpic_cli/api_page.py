"""``docs/api.md``: the public names of synpic with their summaries; ``make docs`` writes it.

The site adds to each name its whole docstring (``.ci/site_pages.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import synpic

__all__ = ["GROUPS", "api_page"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Workspaces and recipes": (
        "Workspace",
        "Recipe",
        "init_workspace",
        "ingest_workspace",
        "merge_workspaces",
        "parse_recipe",
        "validate",
        "status",
        "plan",
        "cost_of",
    ),
    "Draw, score, rank": (
        "generate_candidates",
        "ingest_candidates",
        "score_candidates",
        "image_scores",
        "rank_candidates",
        "reward",
        "group_preference",
        "Engine",
        "Shard",
    ),
    "Release": (
        "PublishOptions",
        "publish_to",
        "publish_to_hub",
        "publish_model",
        "export",
        "open_release",
        "load_rankings",
        "pairs",
        "versions",
        "verify",
        "diff_releases",
        "rerank",
        "plan_remake",
        "remake",
    ),
    "Train and evaluate": ("parse_train_recipe", "train_model", "evaluate_models"),
    "Everything else": ("run_demo", "SynpicError"),
}
"""The page's sections, and the names in each."""


def api_page() -> str:
    """The page, in Markdown."""
    lines = [
        "# Python",
        "",
        "Everything that a command does, `import synpic` does. Names are imported when they are",
        "first used. Any other module may change between versions.",
        "",
        "Made from docstrings by `make docs`; a test holds the two together.",
    ]
    for title, names in GROUPS.items():
        lines += ["", f"## {title}", "", "| name | |", "|---|---|"]
        for name in names:
            summary = (inspect.getdoc(getattr(synpic, name)) or "").split("\n\n")[0]
            lines.append(f"| `synpic.{name}` | {' '.join(summary.split()).replace('``', '`')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(api_page(), end="")

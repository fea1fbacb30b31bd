"""synpic makes preference datasets for text-to-image models.

    import synpic

    workspace = synpic.init_workspace("my-set")          # a recipe on the embedded world
    synpic.generate_candidates(workspace)                # every call goes on where it was left
    synpic.score_candidates(workspace)
    ranked = synpic.rank_candidates(workspace)           # ranked.ranking.table: a polars frame
    synpic.publish_to(workspace, "out")                  # load_dataset("out") opens it

A published ranking is learnt from, and a reward asked, without a workspace:

    synpic.train_model(synpic.parse_train_recipe(open("train.toml").read()), "run")

    synpic.reward("clip_score").score("a cat on a mat", ["one.png", "two.png"])

Names are imported when they are first used: ``import synpic`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synpic.engine.interrupts import keep_interrupts

__version__ = "0.1.0"

keep_interrupts()

__all__ = [
    "Engine",
    "Recipe",
    "Shard",
    "SynpicError",
    "Workspace",
    "__version__",
    "cost_of",
    "diff_releases",
    "export",
    "generate_candidates",
    "image_scores",
    "ingest_candidates",
    "ingest_workspace",
    "init_workspace",
    "load_rankings",
    "open_release",
    "pairs",
    "parse_recipe",
    "parse_train_recipe",
    "plan",
    "publish_model",
    "publish_to",
    "publish_to_hub",
    "rank_candidates",
    "rerank",
    "reward",
    "run_demo",
    "score_candidates",
    "status",
    "train_model",
    "validate",
    "verify",
    "versions",
]

if TYPE_CHECKING:
    from synpic.demo import run_demo
    from synpic.engine.engines import Engine
    from synpic.engine.shard import Shard
    from synpic.errors import SynpicError
    from synpic.pipeline.costs import cost_of
    from synpic.pipeline.costs import plan_costs as plan
    from synpic.pipeline.ranking import rank_candidates
    from synpic.pipeline.status import status
    from synpic.pipeline.steps import (
        generate_candidates,
        image_scores,
        ingest_candidates,
        ingest_workspace,
        init_workspace,
        score_candidates,
    )
    from synpic.pipeline.validation import validate
    from synpic.publish import publish_to, publish_to_hub
    from synpic.publish.export import export
    from synpic.publish.hub.model import publish_model
    from synpic.publish.load import load_rankings
    from synpic.recipe import Recipe, parse_recipe
    from synpic.release.diff import diff_releases
    from synpic.release.pairs import pairs
    from synpic.release.rerank import rerank
    from synpic.release.source import open_release
    from synpic.release.verify import verify
    from synpic.release.versions import versions
    from synpic.score.direct import reward
    from synpic.train.loop import train as train_model
    from synpic.train.settings import parse_train_recipe
    from synpic.workspace import Workspace

_WHERE = {
    "Engine": "synpic.engine.engines",
    "Recipe": "synpic.recipe",
    "Shard": "synpic.engine.shard",
    "SynpicError": "synpic.errors",
    "Workspace": "synpic.workspace",
    "cost_of": "synpic.pipeline.costs",
    "diff_releases": "synpic.release.diff",
    "export": "synpic.publish.export",
    "ingest_candidates": "synpic.pipeline.steps",
    "generate_candidates": "synpic.pipeline.steps",
    "ingest_workspace": "synpic.pipeline.steps",
    "image_scores": "synpic.pipeline.steps",
    "init_workspace": "synpic.pipeline.steps",
    "load_rankings": "synpic.publish.load",
    "open_release": "synpic.release.source",
    "pairs": "synpic.release.pairs",
    "parse_recipe": "synpic.recipe",
    "parse_train_recipe": "synpic.train.settings",
    "plan": "synpic.pipeline.costs:plan_costs",
    "publish_model": "synpic.publish.hub.model",
    "publish_to": "synpic.publish",
    "publish_to_hub": "synpic.publish",
    "rank_candidates": "synpic.pipeline.ranking",
    "rerank": "synpic.release.rerank",
    "reward": "synpic.score.direct",
    "run_demo": "synpic.demo",
    "score_candidates": "synpic.pipeline.steps",
    "status": "synpic.pipeline.status",
    "train_model": "synpic.train.loop:train",
    "validate": "synpic.pipeline.validation",
    "verify": "synpic.release.verify",
    "versions": "synpic.release.versions",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'synpic' has no attribute {name!r}")
    module, _, its_name = _WHERE[name].partition(":")
    return getattr(import_module(module), its_name or name)


def __dir__() -> list[str]:
    return __all__

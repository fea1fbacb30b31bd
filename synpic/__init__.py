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
from typing import Any

from synpic.engine.interrupts import keep_interrupts

__version__ = "0.1.0"

keep_interrupts()

_PUBLIC = {
    "Engine": "synpic.engine.workers.engines:Engine",
    "PublishOptions": "synpic.publish.options:PublishOptions",
    "Recipe": "synpic.recipe:Recipe",
    "Shard": "synpic.engine.shard:Shard",
    "SynpicError": "synpic.errors:SynpicError",
    "Workspace": "synpic.workspace:Workspace",
    "cost_of": "synpic.pipeline.costs:cost_of",
    "diff_releases": "synpic.release.diff:diff_releases",
    "evaluate_models": "synpic.evaluate.evaluation:evaluate_models",
    "export": "synpic.publish.export:export",
    "generate_candidates": "synpic.pipeline.steps:generate_candidates",
    "group_preference": "synpic.serve.group:group_preference",
    "image_scores": "synpic.pipeline.steps:image_scores",
    "ingest_candidates": "synpic.pipeline.steps:ingest_candidates",
    "ingest_workspace": "synpic.pipeline.ingesting:ingest_workspace",
    "init_workspace": "synpic.pipeline.steps:init_workspace",
    "load_rankings": "synpic.publish.load:load_rankings",
    "merge_workspaces": "synpic.pipeline.merge:merge_workspaces",
    "open_release": "synpic.release.source:open_release",
    "pairs": "synpic.release.pairs:pairs",
    "parse_recipe": "synpic.recipe:parse_recipe",
    "parse_train_recipe": "synpic.train.settings:parse_train_recipe",
    "plan": "synpic.pipeline.costs:plan_costs",
    "plan_remake": "synpic.pipeline.remake:plan_remake",
    "publish_model": "synpic.publish.hub.model_release:publish_model",
    "publish_to": "synpic.publish:publish_to",
    "publish_to_hub": "synpic.publish:publish_to_hub",
    "rank_candidates": "synpic.pipeline.ranking:rank_candidates",
    "remake": "synpic.pipeline.remake:remake",
    "rerank": "synpic.release.rerank:rerank",
    "reward": "synpic.score.api:reward",
    "run_demo": "synpic.demo:run_demo",
    "score_candidates": "synpic.pipeline.steps:score_candidates",
    "status": "synpic.pipeline.status:status",
    "train_model": "synpic.train.training_loop:train",
    "validate": "synpic.pipeline.validation:validate",
    "verify": "synpic.release.verify:verify",
    "versions": "synpic.release.versions:versions",
}
"""Name → ``module:object``; ``__init__.pyi`` says the same to type checkers."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'synpic' has no attribute {name!r}")
    module, _, its_name = _PUBLIC[name].partition(":")
    return getattr(import_module(module), its_name)


def __dir__() -> list[str]:
    return sorted(__all__)

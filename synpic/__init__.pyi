"""The public names of synpic, for type checkers; ``__init__.py`` imports each when it is used."""

from synpic.demo import run_demo
from synpic.engine.shard import Shard
from synpic.engine.workers.engines import Engine
from synpic.errors import SynpicError
from synpic.evaluate.evaluation import evaluate_models
from synpic.pipeline.costs import cost_of
from synpic.pipeline.costs import plan_costs as plan
from synpic.pipeline.ingesting import ingest_workspace
from synpic.pipeline.merge import merge_workspaces
from synpic.pipeline.ranking import rank_candidates
from synpic.pipeline.remake import plan_remake, remake
from synpic.pipeline.status import status
from synpic.pipeline.steps import (
    generate_candidates,
    image_scores,
    ingest_candidates,
    init_workspace,
    score_candidates,
)
from synpic.pipeline.validation import validate
from synpic.publish import publish_to, publish_to_hub
from synpic.publish.export import export
from synpic.publish.hub.model_release import publish_model
from synpic.publish.load import load_rankings
from synpic.publish.options import PublishOptions
from synpic.recipe import Recipe, parse_recipe
from synpic.release.diff import diff_releases
from synpic.release.pairs import pairs
from synpic.release.rerank import rerank
from synpic.release.source import open_release
from synpic.release.verify import verify
from synpic.release.versions import versions
from synpic.score.api import reward
from synpic.serve.group import group_preference
from synpic.train.settings import parse_train_recipe
from synpic.train.training_loop import train as train_model
from synpic.workspace import Workspace

__all__ = [
    "Engine",
    "PublishOptions",
    "Recipe",
    "Shard",
    "SynpicError",
    "Workspace",
    "__version__",
    "cost_of",
    "diff_releases",
    "evaluate_models",
    "export",
    "generate_candidates",
    "group_preference",
    "image_scores",
    "ingest_candidates",
    "ingest_workspace",
    "init_workspace",
    "load_rankings",
    "merge_workspaces",
    "open_release",
    "pairs",
    "parse_recipe",
    "parse_train_recipe",
    "plan",
    "plan_remake",
    "publish_model",
    "publish_to",
    "publish_to_hub",
    "rank_candidates",
    "remake",
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

__version__: str

"""Cuts: candidates that are taken out before ranking, and prompts that are after it.

drop       what [ranking] drop names: a file of ids, or the marks beside the recipe
rankable   the candidates that are left before ranking
condition  [records] where: SQL over the columns of prompts
choose     the prompts of a ranking that pass every rule
settings   the rules of a recipe, and others in their place for one command
"""

from __future__ import annotations

from synpic.pipeline.cuts.choose import Chosen, choose
from synpic.pipeline.cuts.condition import require_condition
from synpic.pipeline.cuts.drop import Dropped, drop_candidates, read_drop
from synpic.pipeline.cuts.rankable import Rankable, rankable
from synpic.pipeline.cuts.settings import AS_THE_RECIPE_SAYS, Cuts, with_cuts

__all__ = [
    "AS_THE_RECIPE_SAYS",
    "Chosen",
    "Cuts",
    "Dropped",
    "Rankable",
    "choose",
    "drop_candidates",
    "rankable",
    "read_drop",
    "require_condition",
    "with_cuts",
]

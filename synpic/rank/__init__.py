"""From scores to preferences: pure functions of a table of scored candidates.

The table ("scored candidates") has one row per candidate: ``prompt_id``, ``candidate_id``, where
known ``model`` and ``sample``, and one float column ``score_<reward>`` per reward, null where the
score is missing. Beside it may lie comparisons: what people prefer of every two candidates, or of
some. Nothing here reads an image or a disk, so everything derived can be made again in
seconds.
"""

from __future__ import annotations

from synpic.rank.aggregations import AGGREGATIONS, Aggregation, Preference
from synpic.rank.agreement import agreement, leave_one_out
from synpic.rank.by_model import head_to_head, win_rate_by_model
from synpic.rank.by_prompt import agreement_by_prompt, first, margin_by_prompt
from synpic.rank.comparisons import NO_COMPARISONS, Comparisons, Coverage, combine_labels
from synpic.rank.guards import refuse_untrustworthy
from synpic.rank.own_pairs import OWN, OwnPairs
from synpic.rank.pairs import STRATEGIES, pairs
from synpic.rank.position_bias import PositionBias
from synpic.rank.ranking import TIES, Counts, Ranking, rank, rank_each, require_comparing

__all__ = [
    "AGGREGATIONS",
    "NO_COMPARISONS",
    "OWN",
    "STRATEGIES",
    "TIES",
    "Aggregation",
    "Comparisons",
    "Counts",
    "Coverage",
    "OwnPairs",
    "PositionBias",
    "Preference",
    "Ranking",
    "agreement",
    "agreement_by_prompt",
    "combine_labels",
    "first",
    "head_to_head",
    "leave_one_out",
    "margin_by_prompt",
    "pairs",
    "rank",
    "rank_each",
    "refuse_untrustworthy",
    "require_comparing",
    "win_rate_by_model",
]

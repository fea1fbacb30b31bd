"""What the rest of a workspace will cost: counted, and timed on the machine at hand.

arithmetic   images and seconds become device-hours, wall time and dollars
trial        one model or reward, opened and timed on a few batches
plan         all of a recipe's: what is wanted, what is left, and what either costs
"""

from __future__ import annotations

from synpic.costs.arithmetic import Cost, cost_of
from synpic.costs.estimate import plan_costs
from synpic.costs.plan import CostPlan, Item
from synpic.costs.trial import Timing

__all__ = ["Cost", "CostPlan", "Item", "Timing", "cost_of", "plan_costs"]

"""What a workspace will cost: counted, and timed on the machine at hand.

arithmetic   images and seconds become device-hours, wall time and dollars
calibration  one model, reward, comparer or judge, opened and timed on a few batches
samples      the images that rewards are timed on
plan         what is wanted of each of them, what is left, and what either costs
estimate     a workspace's plan: counts, calibrates, and keeps nothing
"""

from __future__ import annotations

from synpic.pipeline.costs.arithmetic import Cost, cost_of
from synpic.pipeline.costs.calibration import Timing
from synpic.pipeline.costs.estimate import plan_costs
from synpic.pipeline.costs.plan import CostItem, CostPlan

__all__ = ["Cost", "CostItem", "CostPlan", "Timing", "cost_of", "plan_costs"]

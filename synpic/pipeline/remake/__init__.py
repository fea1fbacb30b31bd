"""A part of a release, drawn and scored again, and held to what was published.

code         what of a published recipe would run code of its author's
recipe       the recipe and lock of the workspace in which the part is made again
resolving    which models and rewards can be made again here, what has changed, what is not here
images, scores, rankings    each compared with what was published
surroundings  versions, device and dtype there and here, as requirements too
result       what was found
remaking     all of it
"""

from synpic.pipeline.remake.remaking import plan_remake, remake
from synpic.pipeline.remake.result import Remade, RemakePlan

__all__ = ["Remade", "RemakePlan", "plan_remake", "remake"]

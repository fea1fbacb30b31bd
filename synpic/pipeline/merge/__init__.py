"""Several workspaces as one new workspace, with nothing made again.

places       files and folders that a recipe names, and their paths from elsewhere
recipe_text  the text of a recipe, changed so that comments stay
source       one of the workspaces
recipes      recipes and locks, joined and compared
prompts      prompts, joined and compared
labels       labels, compared; and studies, which are not merged
contents     parts and marks, listed and compared
staging      the new folder, which appears whole
result       what was made, or stands against it
merging      all of it
"""

from __future__ import annotations

from synpic.pipeline.merge.merging import merge_workspaces
from synpic.pipeline.merge.result import Merged
from synpic.pipeline.merge.source import Clash

__all__ = ["Clash", "Merged", "merge_workspaces"]

"""Images that exist already: found in a folder or a dataset, and gathered into a workspace.

    open_source      which source the recipe names
    ensure_index     given.parquet: every image that the source has, with its prompt and its id
    current_index    the same, or given.parquet as it is where the source cannot be read
    given_prompts    prompts.parquet, as an index has its prompts
    GivenImages      the index as a want, as a model has one
    gathering_task   what is missing of it, and how a batch is read
    given_recipe     the text of a recipe that begins with images

Nothing is drawn, and nothing is encoded again: the files' own bytes become candidates.
"""

from __future__ import annotations

from synpic.given.index import INDEX, Index, current_index, ensure_index, given_prompts, read_index
from synpic.given.loop import gathering_task
from synpic.given.model import GivenImages
from synpic.given.opening import open_source
from synpic.given.writing import given_recipe

__all__ = [
    "INDEX",
    "GivenImages",
    "Index",
    "current_index",
    "ensure_index",
    "gathering_task",
    "given_prompts",
    "given_recipe",
    "open_source",
    "read_index",
]

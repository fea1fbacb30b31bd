"""Images that exist already: found in a folder or a dataset, and ingested into a workspace.

    open_source       which source the recipe names
    ensure_index      ingest.parquet: every image that the source has, with its prompt and its id
    current_index     the same, or ingest.parquet as it is where the source cannot be read
    ingested_prompts  prompts.parquet, as an index has its prompts
    IngestedImages    the index as a want, as a model has one
    ingest_task       what is missing of it, and how a batch is read
    ingest_recipe     the text of a recipe that begins with images

Nothing is drawn, and nothing is encoded again: the files' own bytes become candidates.
"""

from __future__ import annotations

from synpic.ingest.index import (
    INDEX,
    Index,
    current_index,
    ensure_index,
    ingested_prompts,
    read_index,
)
from synpic.ingest.ingested_images import IngestedImages
from synpic.ingest.ingesting_task import ingest_task
from synpic.ingest.opening import open_source
from synpic.ingest.writing import ingest_recipe

__all__ = [
    "INDEX",
    "Index",
    "IngestedImages",
    "current_index",
    "ensure_index",
    "ingest_recipe",
    "ingest_task",
    "ingested_prompts",
    "open_source",
    "read_index",
]

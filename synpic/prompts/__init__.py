"""Where prompts come from: a text, CSV, JSONL or Parquet file, a Hub dataset, a registered world.

    open_source   which source the recipe names, and how to tell whether it is still the same
    read_prompts  source → PromptTable, whatever the kind
    ensure_prompts  prompts.parquet, read anew only when the source or its settings have changed
    current_prompts  the same, or prompts.parquet as it is where the source cannot be read

Text is stored as given, in NFC. Prompts that are equal then are one prompt, the first of them;
those that are empty or blank are left out. Both are counted. The order is the source's.
"""

from __future__ import annotations

from synpic.prompts.cache import current_prompts, ensure_prompts, stored_prompts
from synpic.prompts.fold import PromptTable
from synpic.prompts.read import open_source, read_prompts
from synpic.prompts.source import PromptSource

__all__ = [
    "PromptSource",
    "PromptTable",
    "current_prompts",
    "ensure_prompts",
    "open_source",
    "read_prompts",
    "stored_prompts",
]

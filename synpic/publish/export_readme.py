"""The README of an export: what it is, and how it is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from synpic.publish.table.pair_source import PairSource
from synpic.readers.display import count

__all__ = ["DATA", "export_readme"]

DATA = "data"
"""The folder of shards: ``load_dataset`` finds splits there by name, with a card or without."""

_TITLES = {
    "pickapic": "Pairs in the columns of Pick-a-Pic",
    "pairwise": "Pairs in the columns `chosen` and `rejected`",
    "folders": "Pairs in two folders",
    "webdataset": "Pairs in the layout of WebDataset",
    "flow-factory": "Pairs for Flow-Factory",
    "verl-omni": "Pairs for verl-omni",
}

_LOAD = 'Load it with `datasets.load_dataset("path/to/this/folder")`.'

_LAYOUTS = {
    "pickapic": _LOAD,
    "pairwise": _LOAD,
    "folders": "A file of `chosen/` and the file of the same name in `rejected/` are a pair; the "
    "`.txt` beside each is its prompt.",
    "webdataset": "A sample is a pair: `chosen` and `rejected`, the prompt as `txt`, and `json` "
    "with models, seeds, ranks and preferences. All images have one ending; look at the bytes.",
    "flow-factory": "`train.jsonl` has a pair a line, as records of version 2, for "
    "`trainer_type: offline-dpo`; `test.jsonl`, where there is one, has prompts to evaluate with.",
    "verl-omni": "A row of a Parquet file is a pair, encoded for offline DPO of Stable "
    "Diffusion 3; `img_win` and `img_lose` are files of `images/`.",
}

_SHARDS = {"pickapic": "parquet", "pairwise": "parquet", "webdataset": "tar"}


def export_readme(
    kind: str, rows: Mapping[str, int], source: PairSource, notes: Sequence[str]
) -> str:
    """The README of an export of ``kind``.

    Args:
        rows: split → pairs.
        notes: what else a reader should know; a sentence each.
    """
    origin = source.origin
    came = f" of {origin['repository']} at commit {origin['revision']}" if origin else ""
    about = (
        f"{count(sum(rows.values()), 'pair')}{came}, {_picked(kind, source)}. Exported by synpic; "
        "image files are as they were generated."
    )
    text = f"# {_TITLES[kind]}\n\n{about}\n\n{_LAYOUTS[kind]}\n"
    return "\n".join([_head(kind, rows) + text, *(f"{note}\n" for note in notes)])


def _head(kind: str, rows: Mapping[str, int]) -> str:
    """What ``datasets`` reads of a README: which files are which split."""
    if kind not in _SHARDS:
        return ""
    head = "---\nconfigs:\n- config_name: default\n  data_files:\n"
    for split in rows:
        path = json.dumps(f"{DATA}/{split}-*.{_SHARDS[kind]}", ensure_ascii=False)
        head += f"  - split: {json.dumps(split, ensure_ascii=False)}\n    path: {path}\n"
    return f"{head}---\n\n"


def _picked(kind: str, source: PairSource) -> str:
    own = source.own
    if own is None:
        return f"picked from rankings by `{source.strategy}`; none is tied"
    ties = kind == "pickapic" and own.keep_ties
    return (
        f"which came with labels by the question `{own.question}`, in their order; "
        f"{'ties are labelled 0.5' if ties else 'none is tied'}"
    )

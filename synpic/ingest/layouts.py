"""Lists of preferences that lie beside images as JSON, and are not read: known by their keys."""

from __future__ import annotations

import json

__all__ = ["HEAD_BYTES", "UNREAD_LAYOUT", "layout_of"]

HEAD_BYTES = 1 << 20
"""How much of a file is looked at, which is more than its first row takes."""

UNREAD_LAYOUT = (
    "that layout is not read yet: write a metadata.jsonl with a line for each image "
    '({"file_name": "…", "text": "…"}), and name the folder with --images'
)

_KEYS = {
    ("prompt", "file_path", "human_preference"): "HPDv2",
    ("prompt", "image_path", "rank"): "HPDv2",
    ("prompt", "path1", "path2"): "HPDv3",
}


def layout_of(head: bytes) -> str | None:
    """The layout of the first row of a JSON list: ``HPDv3 (prompt, path1, path2)``; None of others.

    Args:
        head: the first ``HEAD_BYTES`` of the file.

    Sources: the dataset cards of ymhao/HPDv2 and MizzenAI/HPDv3.
    """
    text = head.decode(errors="replace").lstrip("\ufeff \t\r\n[")
    try:
        row, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    for keys, name in _KEYS.items():
        if isinstance(row, dict) and set(keys) <= row.keys():
            return f"{name} ({', '.join(keys)})"
    return None

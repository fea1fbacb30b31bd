"""Labels follow their images: of images with the same bytes, one counts, and has all labels."""

from __future__ import annotations

from synpic.ingest.ingested_images import IngestedImages
from synpic.ingest.labels.candidates import merge_equal
from synpic.workspace import Workspace
from synpic.workspace.labels import INGESTED, changing_labels, find_labels, write_labels

__all__ = ["settle_labels"]


def settle_labels(workspace: Workspace, images: IngestedImages) -> None:
    """Write the labels of ``images`` again, if some are of an image that is another's equal.

    Only bytes show that, so that it is known once images are ingested. Killed at any moment, or
    called twice at once, it leaves labels that the next call settles.

    Raises:
        CorruptPart, NewerSchema, StorageError: as reading and writing parts do.
    """
    inputs = images.index.labelled_by
    if inputs is None or images.counted.is_empty():
        return
    with changing_labels(workspace, INGESTED):
        there = find_labels(workspace, INGESTED)
        if there is None:
            return
        settled, counts = merge_equal(there.rows, there.left_out, images.counted)
        if not settled.equals(there.rows):
            write_labels(workspace, INGESTED, inputs, settled, counts)

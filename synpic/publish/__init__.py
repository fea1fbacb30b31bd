"""From a ranked workspace to a dataset that ``datasets.load_dataset`` opens."""

from __future__ import annotations

from synpic.publish.folder import Release, publish_to
from synpic.publish.shards import Limits

__all__ = ["Limits", "Release", "publish_to"]

"""From a ranked workspace to a dataset that ``datasets.load_dataset`` opens."""

from __future__ import annotations

from synpic.publish.folder import Release, publish_to
from synpic.publish.picture import Example, choose, contact_sheet
from synpic.publish.shards import Limits

__all__ = ["Example", "Limits", "Release", "choose", "contact_sheet", "publish_to"]

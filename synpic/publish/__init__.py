"""From a ranked workspace to a dataset that ``datasets.load_dataset`` opens."""

from __future__ import annotations

from synpic.hub.retry import Patience
from synpic.publish.folder import Release, publish_to
from synpic.publish.hub.forecast import Forecast, forecast
from synpic.publish.hub.release import HubRelease, publish_to_hub
from synpic.publish.options import PublishOptions
from synpic.publish.table.shards import Limits

__all__ = [
    "Forecast",
    "HubRelease",
    "Limits",
    "Patience",
    "PublishOptions",
    "Release",
    "forecast",
    "publish_to",
    "publish_to_hub",
]

"""What a publish to the Hub may be asked for; a ``--dry-run`` takes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synpic.hub.retry import Patience
from synpic.publish.table.shards import Limits
from synpic.recipe import Flagged

__all__ = ["DEFAULTS", "PublishOptions"]


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """How a release is published to the Hub.

    Args:
        version: "1.2.0"; what changed since the release before suggests one if not given.
        allow_older: whether ``version`` may be lower than the last one.
        configs: which tables; the recipe's where not given.
        flagged: "keep" or "leave-out" images that are flagged; as the recipe says, if None.
        branch: made from ``main`` if it is not there; of a release that is tagged already, made
            at its commit.
        private: for a repository that is made now; one that is there stays as it is.
        as_pickapic: publish the config ``pickapic`` alone, to ``<repository>-pickapic``, where it
            is the default that the stock DPO scripts read.
        token: where not given, ``HF_TOKEN`` or that of ``hf auth login``.
        limits: of shards and row groups.
        patience: with a Hub that says "not now".
    """

    version: str | None = None
    allow_older: bool = False
    configs: Sequence[str] | None = None
    flagged: Flagged | None = None
    branch: str = "main"
    private: bool | None = None
    as_pickapic: bool = False
    token: str | None = None
    limits: Limits | None = None
    patience: Patience | None = None


DEFAULTS = PublishOptions()

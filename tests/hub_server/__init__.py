"""A loopback server of the Hub's protocol, for the unmodified clients (see README.md)."""

from __future__ import annotations

from tests.hub_server.faults import (
    Call,
    CutAnswer,
    Delay,
    Drop,
    Fault,
    LostAnswer,
    Planned,
    RateLimited,
    Status,
)
from tests.hub_server.messages import Exchange
from tests.hub_server.repository import Commit, File, Repository
from tests.hub_server.server import HubServer

__all__ = [
    "Call",
    "Commit",
    "CutAnswer",
    "Delay",
    "Drop",
    "Exchange",
    "Fault",
    "File",
    "HubServer",
    "LostAnswer",
    "Planned",
    "RateLimited",
    "Repository",
    "Status",
]

"""Where all of a model's weights are: its prior's, its adapters' and its components', resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from synpic.errors import CheckpointError
from synpic.hub import checkpoints
from synpic.hub.lock import Lock, LockEntry
from synpic.recipe.settings import ModelSettings
from synpic.workspace import Workspace

__all__ = ["Sources", "recorded_sources", "resolve_sources"]


@dataclass(frozen=True)
class Sources:
    """What a recipe takes from elsewhere than a model's own checkpoint.

    Args:
        prior: the first stage of a Stable Cascade.
        adapters: in the recipe's order.
        components: by the pipeline's name for them.
    """

    prior: LockEntry | None = None
    adapters: tuple[LockEntry, ...] = ()
    components: Mapping[str, LockEntry] = field(default_factory=dict)

    def fingerprint_inputs(self, settings: ModelSettings) -> dict[str, Any]:
        """What of it decides pixels: content, place in it and scale. None where nothing is set."""
        adapters = [
            {**checkpoints.identity(entry), "file": asked.file, "scale": float(asked.scale)}
            for asked, entry in zip(settings.adapters, self.adapters, strict=True)
        ]
        components = {
            name: {
                **checkpoints.identity(entry),
                "subfolder": settings.components[name].subfolder,
                "variant": settings.components[name].variant,
            }
            for name, entry in self.components.items()
        }
        return {
            "prior": checkpoints.identity(self.prior) if self.prior else None,
            "adapters": adapters or None,
            "components": components or None,
            "without": sorted(set(settings.without)) or None,
        }

    def located(self, workspace: Workspace, settings: ModelSettings) -> ModelSettings:
        """``settings`` with every name in place of which weights can be loaded from here.

        Checkpoints are folders, files or repositories, and revisions are commits.

        Raises:
            CheckpointError: a folder or file is gone.
        """
        if self.prior is None and not self.adapters and not self.components:
            return settings
        prior, prior_commit = None, None
        if self.prior is not None:
            with _naming("prior"):
                prior, prior_commit = checkpoints.load_from(workspace.folder, self.prior)
        adapters = []
        for number, (adapter, entry) in enumerate(
            zip(settings.adapters, self.adapters, strict=True)
        ):
            with _naming(f"adapters[{number}]"):
                place, commit = checkpoints.load_from(workspace.folder, entry)
            adapters.append(adapter.model_copy(update={"checkpoint": place, "revision": commit}))
        components = {}
        for name, entry in self.components.items():
            with _naming(f"components.{name}"):
                place, commit = checkpoints.load_from(workspace.folder, entry)
            found = {"checkpoint": place, "revision": commit}
            components[name] = settings.components[name].model_copy(update=found)
        return settings.model_copy(
            update={
                "prior": prior,
                "prior_revision": prior_commit,
                "adapters": adapters,
                "components": components,
            }
        )


def resolve_sources(lock: Lock, settings: ModelSettings, where: str) -> Sources:
    """Resolve what ``settings`` takes from elsewhere, into ``lock``.

    Args:
        where: "models.NAME", for messages.

    Raises:
        CheckpointError: something is nowhere, cannot be reached, or has changed.
    """
    prior = None
    if settings.prior is not None:
        with _naming(f"{where}.prior"):
            prior = checkpoints.resolve(lock, settings.prior, settings.prior_revision)
    adapters = []
    for number, adapter in enumerate(settings.adapters):
        with _naming(f"{where}.adapters[{number}]"):
            adapters.append(
                checkpoints.resolve(lock, adapter.checkpoint, adapter.revision, file=True)
            )
    components = {}
    for name, component in settings.components.items():
        with _naming(f"{where}.components.{name}"):
            components[name] = checkpoints.resolve(lock, component.checkpoint, component.revision)
    return Sources(prior, tuple(adapters), components)


def recorded_sources(lock: Lock, settings: ModelSettings) -> dict[str, Any]:
    """What of ``settings`` from elsewhere decides pixels, as far as ``lock`` knows it."""
    prior = checkpoints.locked(lock, settings.prior or "", settings.prior_revision)
    adapters = [
        entry
        for one in settings.adapters
        if (entry := checkpoints.locked(lock, one.checkpoint, one.revision, file=True))
    ]
    components = {
        name: entry
        for name, one in settings.components.items()
        if (entry := checkpoints.locked(lock, one.checkpoint, one.revision))
    }
    known = Sources(prior, tuple(adapters), components)
    if (
        (prior is None) != (settings.prior is None)
        or len(adapters) < len(settings.adapters)
        or len(components) < len(settings.components)
    ):
        return {
            "without": Sources().fingerprint_inputs(ModelSettings(without=settings.without))[
                "without"
            ]
        }
    return known.fingerprint_inputs(settings)


@contextmanager
def _naming(key: str) -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise type(error)(f"{key}: {error.message}", hint=error.hint) from error

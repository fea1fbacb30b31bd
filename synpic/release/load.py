"""A release as ``datasets`` loads it: the very tables of ``load_dataset``, at one commit."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from synpic.errors import HubUnreachable, ReleaseError, did_you_mean
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.local_datasets import loadable
from synpic.readers.text import decode
from synpic.release.checks import card_configs
from synpic.release.manifest import CARD
from synpic.release.source import Published

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["load_release"]


def load_release(
    release: Published, *, split: str | None = None, config: str = "ranked"
) -> Dataset | DatasetDict:
    """``datasets.load_dataset`` of one config of ``release``.

    It takes the commit that ``release`` was opened at, also when its branch has moved since.

    Args:
        release: from ``open_release``.
        split: one of them, which gives a ``Dataset``; all of them, as a ``DatasetDict``, if None.

    Raises:
        ReleaseError: there is no such config or split, or ``datasets`` cannot read it.
    """
    from datasets import load_dataset

    splits = release.shards(config)
    if split is not None and split not in splits:
        raise ReleaseError(
            f"{release.name}: config {config!r} has no split {split!r}."
            f"{did_you_mean(split, splits)}",
            hint=f"it has: {', '.join(splits)}",
        )
    commit = release.revision
    try:
        with naming_hub_errors(release.location, commit, "dataset") if commit else nullcontext():
            return load_dataset(
                loadable(release.location),
                config,
                split=split,
                revision=commit,
                token=release.token,
            )
    except HubUnreachable:
        raise
    except Exception as error:
        # Its errors, its readers' and its network clients' share no class but this one.
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, AttributeError | KeyError | TypeError | IndexError):
            reason = "a value there has another type than it expects"
        _require_config(release, config)
        raise ReleaseError(
            f"{release.name}: datasets cannot load it as {CARD} describes it, under key "
            f"`configs` or `dataset_info` of its head: {reason:.400}",
            hint=f"`synpic verify {release.name}` says what is damaged; after a broken connection "
            "run it again",
        ) from error


def _require_config(release: Published, config: str) -> None:
    """Where loading failed: blame the card, if its head is the reason. It says where configs lie.

    Raises:
        ReleaseError: the card is missing or damaged, or does not list ``config``.
    """
    where = f"{release.name}: {CARD}"
    hint = f"restore the file; `synpic verify {release.name}` says what else is damaged"
    if CARD not in release.present():
        raise ReleaseError(f"{where}: is missing; its head says where the tables lie", hint=hint)
    with release.open(CARD) as stream:
        text = decode(stream.read(), where, error=ReleaseError)
    if config not in card_configs(text, where):
        raise ReleaseError(f"{where}: configs: {config!r} is not among them", hint=hint)

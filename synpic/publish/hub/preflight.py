"""What a repository holds that would keep a release from loading: found by names, before a byte.

``datasets`` reads more than a card names. From 4.0 on it refuses a repository that has a loading
script, a file called like the repository with ``.py``; it merges ``dataset_infos.json`` into what
the card says of columns and splits, and takes the keys of ``.huggingface.yaml`` in place of the
card's. Every file that a pattern of ``data_files`` matches is read as data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from synpic.errors import PublishError
from synpic.hub.commits.repository import Head, Remote
from synpic.hub.commits.uploads import require_not_ignored
from synpic.publish.card.card import CARD
from synpic.publish.card.yaml_head import config_entry
from synpic.publish.table.shards import ShardFile
from synpic.release.checks import led_to
from synpic.release.manifest import MANIFEST, Manifest

__all__ = ["Preflight"]

_INFOS = "dataset_infos.json"
_YAML = ".huggingface.yaml"
_REPLACES = ("configs", "dataset_info")
"""Keys of a card's head that ``_YAML`` must not take the place of."""


class Preflight:
    """Checks whether a release would load beside what else a repository holds.

    Args:
        remote: the branch that is to hold it.
        shards: of the release.
        names: paths of its other files.
    """

    def __init__(self, remote: Remote, shards: Sequence[ShardFile], names: Iterable[str]) -> None:
        self._remote = remote
        self._sizes = {shard.path: shard.bytes for shard in shards} | dict.fromkeys(names, 0)
        configs = list(dict.fromkeys(shard.records.config for shard in shards))
        self._head = _head([config_entry(name, shards, name == configs[0]) for name in configs])

    def require(self, head: Head | None, manifest: Manifest | None) -> None:
        """Refuse ``head`` (None: there is no repository yet) where the release would not load.

        Args:
            manifest: of the release that it holds; its files are synpic's own.

        Raises:
            PublishError: naming every file that is in the way, and what to do with it.
            HubUnreachable: the Hub did not answer.
        """
        name = self._remote.repository.rpartition("/")[2]
        if name.endswith(".py"):
            raise PublishError(
                f"{self._remote.repository}: `load_dataset` takes a name that ends in .py for a "
                "script, and opens no dataset of that name",
                hint="publish under another name",
            )
        if head is None:
            return
        of_the_release = {CARD, *((MANIFEST, *manifest.files) if manifest else ())}
        foreign = [path for path in head.files if path not in of_the_release]
        found = [f"{path} {why}" for path, why in self._in_the_way(head, foreign, name)]
        if found:
            raise PublishError(
                f"{self._remote.repository} holds what is no part of a release and would not go "
                f"with it: {'; '.join(found)}",
                hint="delete it, or move it to another name or folder, at "
                f"{self._remote.page}/tree/{self._remote.branch}; or publish to another dataset",
            )
        if any(path.rpartition("/")[2] == ".gitignore" for path in head.files):
            require_not_ignored(self._remote, self._sizes)

    def _in_the_way(
        self, head: Head, foreign: Sequence[str], name: str
    ) -> Iterator[tuple[str, str]]:
        """Path and reason of every file that cannot stay."""
        folders = {path[:end] for path in self._sizes for end in _slashes(path)}
        read = led_to(self._head, foreign)
        for path in sorted(foreign):
            above = {path[:end] for end in _slashes(path)}
            if path in self._sizes:
                yield path, "(the release has a file of that name)"
            elif path in folders or above & self._sizes.keys():
                yield path, "(the release has a folder or file of that name)"
            elif path in read:
                yield path, f"(`load_dataset` would read it as data of `{read[path]}`)"
            elif path == f"{name}.py":
                yield path, "(`load_dataset` takes it for a script, and refuses the dataset)"
            elif path == _INFOS:
                yield path, "(`load_dataset` reads columns and splits from it)"
            elif path == _YAML and (why := self._replaced(head)):
                yield path, why

    def _replaced(self, head: Head) -> str | None:
        """What ``_YAML`` does to the card's head, if it does anything to it that matters."""
        import yaml  # type: ignore[import-untyped]

        try:
            values = yaml.safe_load(self._remote.read(_YAML, head.commit).decode())
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
            # ValueError: no UTF-8, or a date that no calendar has.
            return "(it is no YAML, and `load_dataset` reads it)"
        if values is None:
            return None
        if not isinstance(values, dict):
            return "(it has no keys, and `load_dataset` reads them)"
        keys = [key for key in _REPLACES if key in values]
        return f"(its `{'`, `'.join(keys)}` takes the place of the card's)" if keys else None


def _head(configs: Sequence[Mapping[str, Any]]) -> str:
    """As much of a card's head as says which files are read."""
    import yaml

    return f"---\n{yaml.safe_dump({'configs': list(configs)})}---\n"


def _slashes(path: str) -> list[int]:
    return [place for place, sign in enumerate(path) if sign == "/"]

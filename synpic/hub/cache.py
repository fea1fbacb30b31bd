"""What the client's cache holds of repositories, without a request.

A repository lies under ``models--owner--name``: its files by content in ``blobs``, and a folder of
links to them for each commit in ``snapshots``.
"""

from __future__ import annotations

from pathlib import Path

from synpic.hub.names import is_inner_path

__all__ = ["cached_file", "repository_folder"]


def cached_file(repository: str, path: str, commit: str | None) -> Path | None:
    """A file of a model's repository; None where the cache does not hold it."""
    from huggingface_hub import try_to_load_from_cache

    if not is_inner_path(path):
        return None
    found = try_to_load_from_cache(repository, path, revision=commit)
    return Path(found) if isinstance(found, str) else None


def repository_folder(repository: str) -> Path:
    """Where the cache keeps a repository of models, by HF_HUB_CACHE and HF_HOME.

    Raises:
        ValueError: it is no name of a repository.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")

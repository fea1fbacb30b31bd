"""A dataset's folder as ``datasets`` can load it, whatever its path is."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from synpic import ids

__all__ = ["loadable"]

_HEAD = ".huggingface.yaml"
"""A hidden file that ``datasets`` still reads."""


def loadable(location: str) -> str:
    """``location``, or a folder of links to its files where its path has one of ``*?[``.

    ``load_dataset`` takes these in the path of a folder for a pattern, and finds nothing (5.2: it
    joins the resolved path and the patterns of the card). The links lie in its cache, under a name
    that is the same as long as the files are.

    Args:
        location: a folder, or the name of a repository, which has no such character.

    Raises:
        OSError: the links cannot be made.
    """
    folder = Path(location)
    if not (glob.has_magic(os.path.realpath(folder)) and folder.is_dir()):
        return location
    import datasets.config

    folder = folder.resolve()
    stamp = ids.fingerprint(
        {"folder": os.fsencode(folder).hex(), "files": ids.folder_stamp(folder)}
    )
    links = Path(datasets.config.HF_DATASETS_CACHE).resolve() / "synpic-links" / ids.short(stamp)
    if not links.is_dir():
        links.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=links.parent))
        for path in [*folder.rglob("*"), folder / _HEAD]:
            name = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in name.parts) and str(name) != _HEAD
            if path.is_file() and not hidden:
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    (made / name).symlink_to(path)
        try:
            made.rename(links)
        except OSError:  # another process was faster
            shutil.rmtree(made)
    return str(links)

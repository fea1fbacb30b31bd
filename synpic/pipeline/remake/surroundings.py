"""Under which versions, device and dtype something was made, there and here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from synpic.errors import ReleaseError
from synpic.pipeline.remake.result import Reason
from synpic.readers.display import count
from synpic.release.source import Published
from synpic.workspace import Workspace

__all__ = ["noted_in", "reasons_of_surroundings", "requirements_of"]

_FIRST = ("device", "dtype", "torch", "diffusers", "transformers", "synpic")
_NO_PACKAGE = ("device", "dtype", "python")
_INDEX = "https://download.pytorch.org/whl/"


def noted_in(workspace: Workspace, folders: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The environments that the parts in ``folders`` note, by key."""
    found: dict[str, dict[str, Any]] = {}
    for folder in dict.fromkeys(folders):
        for part in workspace.parts(folder):
            found |= workspace.part_metadata(part).environments
    return found


def reasons_of_surroundings(
    there: Sequence[Mapping[str, Any]], here: Sequence[Mapping[str, Any]]
) -> list[Reason]:
    """What differs between pairs of environments, and in how many of them.

    Args:
        there, here: of each image, in one order; empty where nothing is noted.
    """
    counted: Counter[tuple[str, str, str]] = Counter()
    for one, other in zip(there, here, strict=True):
        for key in one.keys() | other.keys() if one and other else ():
            was, now = (str(side.get(key, "none")) for side in (one, other))
            if was != now:
                counted[key, was, now] += 1
    order = {key: number for number, key in enumerate(_FIRST)}
    listed = sorted(counted.items(), key=lambda item: (order.get(item[0][0], 99), item[0]))
    return [Reason(f"{key} {was} there, {now} here", number) for (key, was, now), number in listed]


def requirements_of(release: Published, scores: pl.DataFrame) -> str:
    """A requirements file with the versions under which most images of a release were drawn.

    Args:
        scores: with a column ``environment``.

    Raises:
        ReleaseError: the manifest has none.
    """
    known = release.manifest.environments
    used = Counter(key for key in scores["environment"].to_list() if key in known)
    if not used:
        raise ReleaseError(
            f"{release.name}: its manifest does not say under which versions images were drawn",
            hint="leave --requirements out",
        )
    ((key, number),) = used.most_common(1)
    noted = {name: str(value) for name, value in known[key].items()}
    lines = [f"# {release.name}: {number:,} of {count(scores.height, 'image')} drawn with these,"]
    lines += [f"# on {noted.get('device', 'a device')}, Python {noted.get('python', 'unknown')}"]
    for name in sorted(noted.keys() - {*_NO_PACKAGE}):
        local = noted[name].partition("+")[2]
        if name == "torch" and re.fullmatch(r"cpu|cu\d+|rocm[\d.]+|xpu", local):
            lines.append(f"--extra-index-url {_INDEX}{local}")
        if re.fullmatch(r"[A-Za-z0-9._+!-]+", noted[name]) and noted[name] != "unknown":
            lines.append(f"{name}=={noted[name]}")
    return "\n".join([*lines, ""])

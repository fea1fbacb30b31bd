"""What numbers of a judge are called: the model that judges is part of the metric.

DPG-Bench by one model is another metric than DPG-Bench by another: two of them agree on 86 % of the
questions of the same images, and their scores of these lie 6 points apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from synpic.readers.display import visible

__all__ = ["metric_name", "metric_names", "short_name"]

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def short_name(model: str) -> str:
    """``qwen3-vl-8b-instruct`` of ``Qwen/Qwen3-VL-8B-Instruct``.

    Args:
        model: a repository, a folder, or a name that a server has.
    """
    return _plain(model).rpartition("/")[2] or _plain(model)


def metric_name(suite: str, model: str) -> str:
    """``dpg[qwen3-vl-8b-instruct]``: the suite, and the model that judges."""
    return f"{suite}[{short_name(model)}]"


def metric_names(suite: str, judges: Mapping[str, str]) -> dict[str, str]:
    """A name for each judge of one suite; no two have the same.

    Args:
        judges: fingerprint → model.

    Returns:
        Fingerprint → name. Of two models whose short names are the same, each has its whole name
        where that is a repository's; a folder's path is left out, and its judge has 8 digits of its
        own. So has each of two judges with one model, as with another template.
    """
    shorts = Counter(short_name(model) for model in {_plain(one): one for one in judges.values()})
    names = {
        fingerprint: f"{suite}[{_plain(model)}]"
        if shorts[short_name(model)] > 1 and _REPOSITORY.fullmatch(_plain(model))
        else metric_name(suite, model)
        for fingerprint, model in judges.items()
    }
    shared = Counter(names.values())
    return {
        fingerprint: name if shared[name] == 1 else f"{name[:-1]}, {fingerprint[:8]}]"
        for fingerprint, name in names.items()
    }


def _plain(model: str) -> str:
    """Without what stands around a name, in small letters: brackets would end the metric's.

    A name is one line, and a folder's has its separators as everywhere.
    """
    plain = visible(model.strip().replace("\\", "/").rstrip("/").casefold())
    return plain.replace("[", "(").replace("]", ")")

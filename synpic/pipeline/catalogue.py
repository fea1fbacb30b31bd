"""What ``synpic list`` shows, as rows: models, rewards, comparers, judges, suites, aggregations."""

from __future__ import annotations

import inspect
from typing import Any

from synpic.errors import SynpicError, UnknownName
from synpic.generate.image_model import KnownModel
from synpic.prompts.suites import Suite, SuiteContent, find_suite
from synpic.recipe.aggregation import find_aggregation
from synpic.registry import AGGREGATIONS, MODELS, SUITES
from synpic.score.cached import Cached, in_cache, repositories
from synpic.score.comparer import COMPARER
from synpic.score.judges.wanted import JUDGE
from synpic.score.kinds import Kind
from synpic.score.lineage import lineage_of
from synpic.score.reward import REWARD, RewardInfo

__all__ = [
    "aggregations",
    "comparer",
    "comparers",
    "judge",
    "judges",
    "models",
    "reward",
    "rewards",
    "suite",
    "suites",
]


def models() -> list[dict[str, Any]]:
    """Registered models with the settings that a recipe starts from."""
    rows: list[dict[str, Any]] = []
    for name in MODELS.names():
        known: KnownModel = MODELS.load(name)
        settings = known.settings.model_dump(exclude_none=True)
        rows.append(
            {
                "name": name,
                "family": known.settings.family or "auto",
                "checkpoint": known.settings.checkpoint,
                "sizes": ", ".join(known.settings.sizes or []) or None,
                "steps": known.settings.steps,
                "guidance": known.settings.guidance,
                "licence": known.licence or "see its page",
                "from": MODELS.origin(name),
                "settings": settings,
                "source": known.source,
            }
        )
    return rows


def aggregations() -> list[dict[str, Any]]:
    """A row for each registered aggregation: ``name``, ``range``, ``from`` and ``summary``.

    Of one that does not import, the summary says so.
    """
    rows: list[dict[str, Any]] = []
    for name in AGGREGATIONS.names():
        known, summary = None, ""
        try:
            found = find_aggregation(name)
            known, summary = found.range, found.summary
        except SynpicError as error:
            summary = error.message
        source = AGGREGATIONS.origin(name)
        rows.append({"name": name, "range": known, "from": source, "summary": summary})
    return rows


def rewards() -> list[dict[str, Any]]:
    """A row for each registered reward, as :func:`reward` gives it.

    One that is planned, or whose module does not import, is ``installed: False``, and its summary
    says so.
    """
    return _every(REWARD)


def comparers() -> list[dict[str, Any]]:
    """A row for each registered comparer, with what :func:`reward` gives of a reward."""
    return _every(COMPARER)


def judges() -> list[dict[str, Any]]:
    """A row for each registered judge, with what :func:`reward` gives of a reward."""
    return _every(JUDGE)


def suites() -> list[dict[str, Any]]:
    """A row for each registered suite, as :func:`suite` gives it.

    Of one that does not import, the summary says so, and all else is None.
    """
    rows: list[dict[str, Any]] = []
    for name in SUITES.names():
        try:
            rows.append(suite(name))
        except SynpicError as error:
            empty = dict.fromkeys(_suite_row(name, Suite(name, "", lambda data: SuiteContent([]))))
            rows.append(empty | {"name": name, "summary": error.message})
    return rows


def suite(name: str) -> dict[str, Any]:
    """What is known of a suite without reading its lists.

    Args:
        name: registered, or ``package.module:object``.

    Returns:
        ``name``, ``from``, ``summary``, ``items``, ``tags``, ``licence``, ``paper``, ``judges``
        (name → options), ``aggregated``, ``protocol`` (its fields and ``text``), ``held`` ("code":
        made by it; "pinned": the code says what every byte is; "lock": the first fetch writes it
        down), ``places``, ``quirks`` and ``unofficial``.

    Raises:
        UnknownName, EvaluationError: nothing is called so, or it is no suite.
    """
    return _suite_row(name, find_suite(name))


def _suite_row(name: str, found: Suite) -> dict[str, Any]:
    held = "lock" if not found.pinned else "pinned" if found.places else "code"
    return {
        "name": name,
        "from": SUITES.origin(name),
        "summary": found.summary,
        **vars(found.origin),
        "tags": list(found.origin.tags),
        "judges": {judge: dict(options) for judge, options in found.judges.items()},
        "aggregated": found.aggregated,
        "protocol": {**vars(found.protocol), "text": found.protocol.text},
        "held": held,
        "places": {of: place.place for of, place in found.places.items()},
        "quirks": list(found.quirks),
        "unofficial": list(found.unofficial),
    }


def reward(name: str) -> dict[str, Any]:
    """What a reward declares, and what of its weights is in the cache of the Hub's client.

    Args:
        name: registered, or ``package.module:callable``.

    Returns:
        ``name``, ``installed``, ``from`` (a distribution or module), the fields of
        :class:`RewardInfo`, ``options`` (name → default, "required" without one), ``cached``
        ("yes", "partly", "no"; None without weights) and, under ``cache``, each repository's share
        of it: ``of``, ``repository``, ``state``, ``commit``, ``bytes``, ``files``, ``missing``.

    Raises:
        UnknownName: nothing is called so, or it does not import.
    """
    return _describe(name, REWARD)


def comparer(name: str) -> dict[str, Any]:
    """What a comparer declares, as :func:`reward` has it.

    Raises:
        UnknownName: nothing is called so, or it does not import.
    """
    return _describe(name, COMPARER)


def judge(name: str) -> dict[str, Any]:
    """What a judge declares, as :func:`reward` has it.

    Raises:
        UnknownName: nothing is called so, or it does not import.
    """
    return _describe(name, JUDGE)


def _every(kind: Kind) -> list[dict[str, Any]]:
    registry = kind.registry
    return [_row(name, kind) for name in sorted({*registry.names(), *registry.planned})]


def _row(name: str, kind: Kind) -> dict[str, Any]:
    registry = kind.registry
    try:
        return _describe(name, kind)
    except UnknownName as error:
        planned = name in registry.planned and name not in registry.names()
        summary = "planned" if planned else error.message
        empty = dict.fromkeys(_declared(RewardInfo(summary="")))
        source = "synpic" if planned else registry.origin(name)
        unknown: dict[str, Any] = {"options": None, "cached": None, "cache": [], "lineage": None}
        return _head(name, False, source) | empty | unknown | {"summary": summary}


def _describe(name: str, kind: Kind) -> dict[str, Any]:
    thing = kind.registry.load(name)
    declared: RewardInfo | None = getattr(thing, "info", None)
    info = declared or RewardInfo(summary=_first_line(thing))
    # A plain function declares nothing, so nothing is said of it.
    silent = {} if declared else {"version": None, "reads_prompt": None}
    found = {of: in_cache(*where) for of, where in repositories(info).items()}
    return {
        **_head(name, True, kind.registry.origin(name)),
        **_declared(info),
        **silent,
        "options": _options(thing, info, len(kind.takes)),
        "cached": _together(list(found.values())),
        "cache": [_cache_row(of, cached) for of, cached in found.items()],
        "lineage": of.as_dict() if (of := lineage_of(thing)) else None,
    }


def _head(name: str, installed: bool, source: str) -> dict[str, Any]:
    return {"name": name, "installed": installed, "from": source}


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "a plain function").partition("\n")[0]


def _declared(info: RewardInfo) -> dict[str, Any]:
    """Every field, as JSON has it."""
    companions = {name: {**vars(c), "files": list(c.files)} for name, c in info.companions.items()}
    by_option = {
        option: {value: list(files) for value, files in values.items()}
        for option, values in info.files_by_option.items()
    }
    return {
        **vars(info),
        "files": list(info.files),
        "files_by_option": by_option,
        "companions": companions,
    }


def _options(thing: Any, info: RewardInfo, given_first: int) -> dict[str, Any]:
    """What a recipe's ``options`` may set, besides places of companions.

    Args:
        given_first: how many arguments of a plain function are a prompt and images.
    """
    try:
        parameters = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return {}
    if not inspect.isclass(thing):
        parameters = parameters[given_first:]
    companions = {f"{name}{end}" for name in info.companions for end in ("", "_revision")}
    given = {"checkpoint", "revision", "device"} | companions
    return {
        p.name: _default(p.default, p.empty)
        for p in parameters
        if p.name not in given and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def _default(value: Any, none: Any) -> Any:
    if value is none:
        return "required"
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def _together(found: list[Cached]) -> str | None:
    states = {cached.state for cached in found}
    return None if not states else states.pop() if len(states) == 1 else "partly"


def _cache_row(of: str, cached: Cached) -> dict[str, Any]:
    return {
        "of": of,
        **vars(cached),
        "bytes": cached.bytes,
        "files": dict(cached.files),
        "missing": list(cached.missing),
    }

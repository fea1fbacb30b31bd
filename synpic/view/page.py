"""The shell of a page: names of models, rewards and columns for its menus, and the HTML of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from synpic.view.against import ACCURACY, AGAINST
from synpic.view.beside import BOTH, GAIN, GAINED, LOST, NONE, SAID
from synpic.view.frame import Frame
from synpic.view.people import AskedQuestion
from synpic.web.pages import render

__all__ = ["page_facts", "render_page", "scripts"]

MOST_VALUES = 40
"""Of a ``meta_`` column, as a menu; one with more has a field to write in."""

_SORTS = [
    ("", "prompt id", "asc"),
    ("agreement", "rewards disagree most", "asc"),
    ("agreement", "rewards agree most", "desc"),
    ("margin", "largest margin of φ", "desc"),
    ("margin", "smallest margin of φ", "asc"),
    ("spread", "widest spread of φ", "desc"),
    ("tied", "most ties", "desc"),
    ("winner_rate", "a model wins that rarely wins", "asc"),
    ("flagged", "most flagged", "desc"),
    ("failed", "most failures", "desc"),
    ("length", "longest prompt", "desc"),
    ("length", "shortest prompt", "asc"),
]

_SORTS_BY_PEOPLE = [
    (AGAINST, "desc", "most pairs"),
    (ACCURACY, "asc", "largest share of pairs"),
]


def page_facts(
    frame: Frame, marks: bool, *, marked: bool | None = None, policy: str | None = None
) -> dict[str, Any]:
    """Values for :func:`render_page`.

    Args:
        marks: whether prompts and images may be marked.
        marked: whether there are marks to filter by; as ``marks`` if None.
        policy: the content security policy of a page that is a file; None where a server sends it.
    """
    shown, prompts = frame.shown, frame.prompts
    there = [one for one in _SORTS if not one[0] or one[0] in prompts.columns]
    rest = [name for name in prompts.columns if name.startswith("rest.")]
    people = [one for one in frame.votes.asked if AGAINST + one.key in prompts.columns]
    sorts = [
        *({"column": column, "order": order, "label": label} for column, label, order in there),
        *(
            {
                "column": name,
                "order": "asc",
                "label": f"{name.removeprefix('rest.')} against the others",
            }
            for name in rest
        ),
        *(
            {"column": prefix + one.key, "order": order, "label": f"{_against(one)}: {label}"}
            for one in people
            for prefix, order, label in _SORTS_BY_PEOPLE
        ),
        *_evaluated_sorts(frame),
    ]
    return {
        "name": shown.name,
        "kind": shown.kind,
        "remark": shown.remark,
        "prompts": prompts.height,
        "images": int(shown.candidates["sha256"].count()),
        "models": sorted(shown.candidates["model"].drop_nulls().unique()),
        "rewards": list(shown.rewards),
        "weights": dict(shown.weights),
        "sorts": sorts,
        "metas": [_meta(prompts[name]) for name in prompts.columns if name.startswith("meta_")],
        "splits": sorted(prompts["split"].drop_nulls().unique()),
        "cut": "released" in prompts.columns,
        "compare": {"models": shown.evaluated.models, "rewards": shown.evaluated.rewards},
        "contests": _contests(frame),
        "people": [{"column": AGAINST + one.key, "label": _against(one)} for one in people],
        "people_remark": _people_remark(frame, bool(people)),
        "marks": marks,
        "marked": marks if marked is None else marked,
        "policy": policy,
        "scripts": scripts(served=policy is None),
    }


def _evaluated_sorts(frame: Frame) -> Iterator[dict[str, str]]:
    """By what judges say, and by how much a model scores more than its base."""
    said, columns = frame.shown.evaluated, frame.prompts.columns
    for judge in said.judges:
        if SAID + judge in columns:
            yield {"column": SAID + judge, "order": "asc", "label": f"{judge}: least right"}
            yield {"column": SAID + judge, "order": "desc", "label": f"{judge}: most right"}
    for model in said.models[1:]:
        for name in (*said.judges, *said.rewards):
            if (column := f"{GAIN}{name}.{model}") in columns:
                for order, how in (("desc", "gains"), ("asc", "loses")):
                    yield {"column": column, "order": order, "label": f"{name}: {model} {how} most"}


def _contests(frame: Frame) -> list[dict[str, Any]]:
    """A group of filters for each judge that says right or wrong, and each model but the base."""
    said, prompts = frame.shown.evaluated, frame.prompts
    if not said.models:
        return []
    base, *others = said.models
    groups = []
    for judge in said.judges:
        for model in others:
            key = f"{judge}.{model}"
            if GAINED + key not in prompts.columns:
                continue
            chips = {GAINED: f"only {model}", LOST: f"only {base}", BOTH: "both", NONE: "none"}
            which = f", {model} or {base}" if len(others) > 1 else ""
            groups.append(
                {
                    "label": f"Right by {judge}{which}",
                    "chips": [
                        {
                            "column": prefix + key,
                            "label": label,
                            "prompts": int((prompts[prefix + key] > 0).sum()),
                        }
                        for prefix, label in chips.items()
                    ],
                }
            )
    return groups


def _people_remark(frame: Frame, held: bool) -> str | None:
    shown = frame.shown
    nothing = frame.votes.asked and not held and shown.remark is None
    return shown.people.remark or ("no pair that people decided is ranked" if nothing else None)


def _against(asked: AskedQuestion) -> str:
    return f"people against φ{asked.label and ', '}{asked.label}"


def scripts(*, served: bool) -> list[str]:
    """Names of the scripts of a page in ``assets``, after ``text.js``, in their order."""
    source = ["server.js"] if served else ["search.js", "folder.js"]
    shown = [
        "charts.js",
        "votes.js",
        "verdicts.js",
        "figures.js",
        "rows.js",
        "large.js",
        "marks.js",
        "filters.js",
    ]
    return [*shown, *source, "page.js"]


def render_page(facts: dict[str, Any]) -> str:
    """The HTML of a page that says ``facts``. All text is escaped, and shown with what cannot be
    seen written out."""
    return render("synpic.view", "page.html.jinja", facts)


def _meta(values: pl.Series) -> dict[str, Any]:
    kind = values.dtype
    if kind.is_numeric():
        return {"name": values.name, "kind": "number", "values": []}
    if kind == pl.Boolean():
        return {"name": values.name, "kind": "choice", "values": ["true", "false"]}
    if kind != pl.String():
        return {"name": values.name, "kind": "none", "values": []}
    found = values.drop_nulls().value_counts(sort=True).head(MOST_VALUES + 1)[values.name]
    few = len(found) <= MOST_VALUES
    return {
        "name": values.name,
        "kind": "choice" if few else "text",
        "values": sorted(found) if few else [],
    }

"""DPG-Bench and DSG-1k: questions that depend on each other, in one form of CSV.

Hu et al., "ELLA" (arXiv 2403.05135); Cho et al., "Davidsonian Scene Graph" (arXiv 2310.18235). The
list has a row for each question: ``item_id``, ``text``, ``proposition_id``, ``dependency`` (``0``
or ``1,3``), ``category_broad``, ``category_detailed``, ``question_natural_language``.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import EvaluationError
from synpic.hub.published_files import PublishedFile
from synpic.prompts.suites.requirements import requirement
from synpic.prompts.suites.suite import (
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    SuiteOrigin,
)
from synpic.readers.display import count
from synpic.readers.tables import open_table

__all__ = ["DPG", "DSG"]

_COLUMNS = (
    *("item_id", "text", "proposition_id", "dependency"),
    *("category_broad", "category_detailed", "question_natural_language"),
)


@dataclass(frozen=True)
class _Asked:
    """A row of the list.

    Args:
        place: file and line.
        parents: as they are written; a word where a number should be.
    """

    place: str
    item: str
    prompt: str
    id: str
    parents: tuple[str, ...]
    category: str
    text: str


def _rows(data: bytes, where: str) -> list[_Asked]:
    table = open_table(io.BytesIO(data), where, error=EvaluationError)
    for name in _COLUMNS:
        if name not in table.columns:
            raise EvaluationError(
                f"{where}: {name}: there is no such column",
                hint=f"the list has {', '.join(_COLUMNS)}",
            )
    return [
        _asked(row, batch.at(number))
        for batch in table.batches(_COLUMNS)
        for number, row in enumerate(batch.rows)
    ]


def _asked(row: Mapping[str, Any], place: str) -> _Asked:
    parents = [one.strip() for one in row["dependency"].split(",")]
    kinds = (row["category_broad"].strip(), row["category_detailed"].strip())
    return _Asked(
        place,
        row["item_id"],
        row["text"],
        row["proposition_id"].strip(),
        tuple(one for one in parents if one not in ("0", "")),
        " - ".join(filter(None, kinds)),
        row["question_natural_language"],
    )


def _by_item(rows: Sequence[_Asked]) -> dict[str, list[_Asked]]:
    found: dict[str, list[_Asked]] = {}
    for row in rows:
        found.setdefault(row.item, []).append(row)
    return found


Parents = Callable[[Sequence[_Asked], Counter[str]], Mapping[str, Sequence[str]]]
"""Questions of an item → of each what it depends on, as far as that is written; what is mended is
counted."""


def _content(
    items: Mapping[str, Sequence[_Asked]], tag: Callable[[str], str], parents: Parents
) -> SuiteContent:
    """Items with the questions of each, and a remark for what was mended."""
    mended: Counter[str] = Counter()
    found = []
    for name, rows in items.items():
        depends = _sound(rows, parents(rows, mended), mended)
        questions = [
            {"id": one.id, "text": one.text, "parents": depends[one.id], **_category(one)}
            for one in rows
        ]
        spec = requirement({"questions": questions}, rows[0].place)
        found.append(SuiteItem(name, rows[0].prompt, tag(name), spec))
    return SuiteContent(
        found,
        [
            f"{count(number, 'dependency', 'dependencies')} {what} left out"
            for what, number in mended.items()
            if number
        ],
    )


def _category(one: _Asked) -> dict[str, str]:
    return {"category": one.category} if one.category else {}


def _sound(
    rows: Sequence[_Asked], parents: Mapping[str, Sequence[str]], mended: Counter[str]
) -> dict[str, list[str]]:
    """The parents of each question without those that mean nothing: itself, one that is not there,
    and one that depends on it."""
    ids = {one.id for one in rows}
    kept: dict[str, list[str]] = {one.id: [] for one in rows}
    for one in rows:
        for parent in parents[one.id]:
            if parent == one.id:
                mended["on the question itself"] += 1
            elif parent not in ids:
                mended["on a question that is not there"] += 1
            elif one.id in _above(parent, kept):
                mended["that would close a circle"] += 1
            else:
                kept[one.id].append(parent)
    return kept


def _above(question: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """What ``question`` depends on, at any distance."""
    found: set[str] = set()
    todo = [question]
    while todo:
        for parent in parents[todo.pop()]:
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


def _numbers(rows: Sequence[_Asked], mended: Counter[str]) -> dict[str, list[str]]:
    """The parents that are numbers; words among them are left out."""
    found = {}
    for one in rows:
        found[one.id] = [parent for parent in one.parents if parent.isdecimal()]
        mended["on a word, not a question,"] += len(one.parents) - len(found[one.id])
    return found


_DPG_LIST = "dpg_bench.csv"


def _read_dpg(data: SuiteData) -> SuiteContent:
    rows = _rows(data.files[_DPG_LIST], _DPG_LIST)
    items = _as_ella_reads(rows) if data.quirks else _by_item(rows)
    content = _content(items, lambda name: "", _numbers)
    lost = len(_by_item(rows)) - len(items)
    left = [f"{count(lost, 'prompt')} left out, as by the official program"] if lost else []
    return SuiteContent(content.items, [*content.remarks, *left])


def _as_ella_reads(rows: Sequence[_Asked]) -> dict[str, list[_Asked]]:
    """Without the first row; without prompts of which a question depends on one that is not there,
    and those whose name has a dot, which upstream finds no image for."""
    found = _by_item(rows[1:])
    return {
        name: of
        for name, of in found.items()
        if "." not in name and {p for one in of for p in one.parents} <= {one.id for one in of}
    }


DPG = Suite(
    "dpg",
    "long prompts, with questions that depend on each other (DPG-Bench)",
    _read_dpg,
    places={
        _DPG_LIST: PublishedFile(
            "https://raw.githubusercontent.com/TencentQQGYLab/ELLA/"
            "3c228f1dc6c4d3cad0a47493816151a419f14db3/dpg_bench/dpg_bench.csv",
            git_blob="98457fc9901943f51ff9a30367250fc292533bed",
        )
    },
    origin=SuiteOrigin("Apache-2.0", "https://arxiv.org/abs/2403.05135", 1065),
    judges={"vlm_questions": {"rule": "dpg"}, "vlm_questions_endpoint": {"rule": "dpg"}},
    aggregated="prompts",
    protocol=Protocol(
        images=4, source="TencentQQGYLab/ELLA@3c228f1 dpg_bench/dist_eval.sh (PIC_NUM)"
    ),
    quirks=(
        "the first row of the list is dropped, and so is its prompt where a question depends on it "
        "(compute_dpg_bench.py:72-74, 213-215)",
        "a prompt whose name has a dot is left out: names are cut at the first one (:119)",
    ),
    unofficial=(
        "prompts are the column `text` of the list; upstream draws the files prompts/<item_id>.txt",
        "images are judged one by one, where upstream cuts them from a grid of four",
    ),
)
"""How many there are is what its makers say."""

_DSG_LIST = "dsg-1k-anns.csv"

_DSG_TAGS = {
    "tifa": "tifa",
    "stanford": "paragraph",
    "localized": "paragraph",
    "countbench": "count",
    "vrd": "relation",
    "diffusion": "real_user",
    "midjourney": "real_user",
    "posescript": "pose",
    "whoops": "defying",
    "drawtext": "text",
}
"""How names of items begin → the groups in which upstream reports results (data_utils.py)."""


def _dsg_tag(name: str) -> str:
    return next((tag for begin, tag in _DSG_TAGS.items() if begin in name), "")


def _all_or_none(rows: Sequence[_Asked], mended: Counter[str]) -> dict[str, list[str]]:
    """What is written; where one of it is a word, nothing."""
    del mended
    plain = all(parent.isdecimal() for one in rows for parent in one.parents)
    return {one.id: list(one.parents) if plain else [] for one in rows}


def _read_dsg(data: SuiteData) -> SuiteContent:
    items = _by_item(_rows(data.files[_DSG_LIST], _DSG_LIST))
    return _content(items, _dsg_tag, _all_or_none if data.quirks else _numbers)


DSG = Suite(
    "dsg",
    "prompts of ten sources, with questions that depend on each other (DSG-1k)",
    _read_dsg,
    places={
        _DSG_LIST: PublishedFile(
            "https://raw.githubusercontent.com/j-min/DSG/"
            "7330119a39f76ff90e619a8bd3ff321e71aa986b/dsg/data/dsg-1k-anns.csv",
            "b7ce06ea8a0478ccfd8fba105ecd26d7d301eb99d5c412987546c4cc8e08917a",
        )
    },
    origin=SuiteOrigin(
        "Apache-2.0",
        "https://arxiv.org/abs/2310.18235",
        1059,
        tuple(dict.fromkeys(_DSG_TAGS.values())),
    ),
    judges={"vlm_questions": {"rule": "dsg"}, "vlm_questions_endpoint": {"rule": "dsg"}},
    aggregated="prompts",
    protocol=Protocol(images=1, source="j-min/DSG@7330119 dsg/vqa_utils.py"),
    quirks=(
        "an item with a dependency that is no number has no dependencies (data_utils.py:90-103)",
    ),
    unofficial=(
        "a question that depends on itself, on one that is not there, or on one that depends on it "
        "loses that dependency",
    ),
)
"""Of the list's 1,060 items two have one prompt and the same questions, and are one."""

"""GenEval 2: questions about each atom of a prompt (Kamath et al., arXiv 2512.16853)."""

from __future__ import annotations

import io
from collections.abc import Mapping
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

__all__ = ["GENEVAL_2"]

_LIST = "geneval2_data.jsonl"
_FIELDS = ("prompt", "atom_count", "vqa_list", "skills")


def _read(data: SuiteData) -> SuiteContent:
    """An item for each line, named by its number, from 0."""
    table = open_table(io.BytesIO(data.files[_LIST]), _LIST, error=EvaluationError)
    missing = [name for name in _FIELDS if name not in table.columns]
    if missing:
        raise EvaluationError(
            f"{_LIST}: {missing[0]}: there is no such field",
            hint=f"a line of GenEval 2's list has {', '.join(_FIELDS)}",
        )
    rows = [
        (batch.at(number), row)
        for batch in table.batches(_FIELDS)
        for number, row in enumerate(batch.rows)
    ]
    return SuiteContent([_item(row, at, f"{number}") for number, (at, row) in enumerate(rows)])


def _item(row: Mapping[str, Any], place: str, name: str) -> SuiteItem:
    prompt: Any = row.get("prompt")
    asked: Any = row.get("vqa_list")
    skills: Any = row.get("skills")
    atoms: Any = row.get("atom_count")
    fitting = (
        isinstance(prompt, str)
        and type(atoms) is int
        and isinstance(asked, list)
        and isinstance(skills, list)
        and len(asked) == len(skills)
        and all(isinstance(one, list) and len(one) == 2 for one in asked)
    )
    if not fitting:
        raise EvaluationError(
            f"{place}: expected a prompt, a number of atoms, and as many skills as pairs of "
            "question and answer",
            hint=f"a line of GenEval 2's list has {', '.join(_FIELDS)}",
        )
    questions = [
        {"text": question, "answer": f"{answer}".lower(), "category": skill}
        for (question, answer), skill in zip(asked, skills, strict=True)
    ]
    spec = requirement({"questions": questions}, place)
    return SuiteItem(name, prompt, count(atoms, "atom"), spec)


GENEVAL_2 = Suite(
    "geneval2",
    "objects, attributes, relations and counts, three to ten atoms a prompt",
    _read,
    places={
        _LIST: PublishedFile(
            "https://raw.githubusercontent.com/facebookresearch/GenEval2/"
            "a6e82d2289e8d418f27f0adee77908b07060eea3/geneval2_data.jsonl",
            "09233adbc9f877fba205f1a20efa4a8640e7e62a91dfd55893562bed8a928e43",
        )
    },
    origin=SuiteOrigin(
        "CC BY-NC 4.0",
        "https://arxiv.org/abs/2512.16853",
        800,
        tuple(count(atoms, "atom") for atoms in range(3, 11)),
    ),
    judges={
        "vlm_questions": {"rule": "soft-tifa-gm"},
        "vlm_questions_endpoint": {"rule": "soft-tifa-gm"},
    },
    aggregated="prompts",
    protocol=Protocol(images=1, source="facebookresearch/GenEval2@a6e82d2 README.md"),
)

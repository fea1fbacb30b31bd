"""A suite of one's own: what each kind of file may hold, and one error for each mistake."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import EvaluationError, SynpicError
from synpic.prompts.suites import ensure_suite
from synpic.prompts.suites.own_file import read_own
from tests.prompts.suites.conftest import MakeSuite

QUESTIONS = [
    {"id": "1", "text": "Is there a dog?", "parents": [], "category": "entity"},
    {"id": "2", "text": "Is the dog blue?", "parents": ["1"]},
    {"id": "3", "text": "How many dogs?", "parents": ["1"], "answer": "two"},
]
OBJECTS = {
    "include": [
        {"class": "dog", "count": 1},
        {"class": "bench", "count": 2, "color": "red", "position": ["left of", 0]},
    ],
    "exclude": [{"class": "dog", "count": 2}],
}
ROWS: list[dict[str, Any]] = [
    {"prompt": "a blue dog", "tag": "colour", "item": "d1", "questions": QUESTIONS},
    {"prompt": "two benches, then a dog", "tag": "position", "item": "b", "objects": OBJECTS},
    {"prompt": "a red cup and a blue bowl", "item": "p", "phrases": ["a red cup", "a blue bowl"]},
]
"""What three items are, whichever file says it."""


def written(folder: Path, suffix: str) -> str:
    path = folder / f"mine.{suffix}"
    names = ["prompt", "tag", "item", "questions", "objects", "phrases"]
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif suffix == "csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            for row in ROWS:
                cells = {k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()}
                writer.writerow(cells)
    else:
        # A table has every key in every row, and no list of a text and a number.
        named = [{k: json.dumps(v) if k == "objects" else v for k, v in r.items()} for r in ROWS]
        pq.write_table(pa.Table.from_pylist(named, pa.schema(_SCHEMA)), path)
    return path.name


_QUESTION = pa.struct(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("category", pa.string()),
    ]
)
_SCHEMA = {
    "prompt": pa.string(),
    "tag": pa.string(),
    "item": pa.string(),
    "questions": pa.list_(_QUESTION),
    "objects": pa.string(),
    "phrases": pa.list_(pa.string()),
}


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_every_kind_of_file_says_the_same(suite: MakeSuite, tmp_path: Path, suffix: str) -> None:
    found = ensure_suite(suite(f'file = "{written(tmp_path, suffix)}"').snapshot())
    rows = found.table.to_pylist()
    assert (found.name, found.whole, found.images, found.partial) == ("mine", 3, 1, False)
    assert [(row["item"], row["tag"]) for row in rows] == [
        ("d1", "colour"),
        ("b", "position"),
        ("p", ""),
    ]
    assert [json.loads(row["spec"]) for row in rows] == [
        {"questions": QUESTIONS},
        {"objects": OBJECTS},
        {"phrases": ["a red cup", "a blue bowl"]},
    ]


def test_questions_are_numbered_and_items_too(suite: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(
        '{"prompt": "a cat", "questions": ["Is there a cat?", {"text": "Is it wet?",'
        ' "parents": [1]}]}\n{"prompt": "a dog", "note": "of no meaning here"}\n'
    )
    rows = ensure_suite(suite('file = "q.jsonl"').snapshot()).table.to_pylist()
    assert [row["item"] for row in rows] == ["1", "2"]
    assert json.loads(rows[0]["spec"])["questions"] == [
        {"id": "1", "text": "Is there a cat?", "parents": []},
        {"id": "2", "text": "Is it wet?", "parents": ["1"]},
    ]
    assert rows[1]["spec"] == "{}"


def question(**fields: Any) -> dict[str, Any]:
    return {"prompt": "a dog", "questions": [{"id": "1", "text": "Is there a dog?", **fields}]}


def including(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": "a dog", "objects": {"include": list(objects)}}


DOG = {"class": "dog", "count": 1}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"tag": "colour"}, r"mine\.jsonl:2: prompt: expected a text, found None"),
    ({"prompt": " \u200b"}, r"mine\.jsonl:2: prompt: expected a text"),
    ({"prompt": 3}, r"mine\.jsonl:2: prompt: expected a text, found 3"),
    ({"prompt": "a", "tag": [1]}, r"mine\.jsonl:2: tag: expected a text"),
    ({"prompt": "a", "item": "first"}, r"mine\.jsonl:2: item: 'first' is also the item of .*:1"),
    (including({"class": "dgo", "count": 1}), r":2: objects\.include\.0\.class: .*mean 'dog'"),
    (including({**DOG, "count": 0}), r":2: objects\.include\.0\.count: .*from 1 on, found 0"),
    (including({**DOG, "colour": "red"}), r"include\.0: there is no field 'colour'.*'color'"),
    (including({**DOG, "color": "rde"}), r"include\.0\.color: 'rde' is none of .*mean 'red'"),
    (including({**DOG, "position": ["left of", 0]}), r"include\.0\.position: .*this is the first"),
    (including(DOG, {**DOG, "position": ["left", 0]}), r"include\.1\.position: 'left' is none of"),
    (including(DOG, {**DOG, "position": ["left of", 1]}), r"index from 0 to 0, found 1"),
    (including(DOG, {**DOG, "position": "left of"}), r"position: expected a relation and an index"),
    (including(), r"objects\.include: expected a list of objects"),
    ({"prompt": "a", "objects": {"exclude": []}}, r"objects\.include: expected a list"),
    ({"prompt": "a", "objects": {"includes": [DOG]}}, r"'includes' is neither include nor exclude"),
    ({"prompt": "a", "objects": []}, r"mine\.jsonl:2: objects: expected an object"),
    (question(parents=["2"]), r":2: questions: question '1' depends on '2', which is none of 1"),
    (question(parents=["1"]), r"questions: questions depend on each other in a circle: 1 → 1"),
    (question(text=""), r"mine\.jsonl:2: questions\.0\.text: expected a text, found ''"),
    (question(parent="0"), r"questions\.0: there is no field 'parent'.*'parents'"),
    (question(parents="1"), r"questions\.0\.parents: expected a list of ids"),
    ({"prompt": "a", "questions": "no JSON"}, r"mine\.jsonl:2: questions: not JSON"),
    ({"prompt": "a", "questions": []}, r"mine\.jsonl:2: questions: no question"),
    ({"prompt": "a", "questions": [1]}, r"questions\.0: expected a text or an object, found 1"),
    ({"prompt": "a", "phrases": []}, r"phrases: expected a list of texts"),
    ({"prompt": "a", "phrases": ["b", ""]}, r"phrases\.1: expected a text, found ''"),
    ({"prompt": "a", "text": ""}, r"text: expected a text, found ''"),
    ({"prompt": "a", "prompts": "b"}, r"there is no field 'prompts'.*Did you mean 'prompt'"),
    ({"prompt": "one", "tag": "other"}, r":2 and mine\.jsonl:1 ask different things of one prompt"),
]


@pytest.mark.parametrize(("row", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_a_mistake_is_named_with_its_line_and_field(
    suite: MakeSuite, tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    first = {"prompt": "one", "item": "first"}
    lines = [json.dumps(one) for one in (first, row)]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    with pytest.raises(SynpicError, match=message) as raised:
        ensure_suite(suite('file = "mine.jsonl"').snapshot())
    assert raised.value.hint
    assert not (tmp_path / "suite.parquet").exists()


def test_a_cycle_of_two_is_found(suite: MakeSuite, tmp_path: Path) -> None:
    asked = [
        {"id": "a", "text": "Is it?", "parents": ["b"]},
        {"id": "b", "text": "Was it?", "parents": ["a"]},
    ]
    (tmp_path / "m.jsonl").write_text(json.dumps({"prompt": "x", "questions": asked}))
    with pytest.raises(SynpicError, match=r"m\.jsonl:1: .*in a circle"):
        ensure_suite(suite('file = "m.jsonl"').snapshot())


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_named(suite: MakeSuite, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.jsonl").write_text(text)
    with pytest.raises(SynpicError, match=r"m\.jsonl: no item"):
        ensure_suite(suite('file = "m.jsonl"').snapshot())
    (tmp_path / "m.csv").write_text("tag,item\na,b\n")
    with pytest.raises(SynpicError, match=r"m\.csv: prompt: there is no such field"):
        ensure_suite(suite('file = "m.csv"').snapshot())


def test_equal_items_are_one(suite: MakeSuite, tmp_path: Path) -> None:
    # The second has its accent as a character of its own: the same text in NFC.
    rows = [{"prompt": "a caf\u00e9"}, {"prompt": "a cafe\u0301"}, {"prompt": "a bar"}]
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = ensure_suite(suite('file = "m.jsonl"').snapshot())
    assert found.table.column("item").to_pylist() == ["1", "3"]
    assert list(found.remarks) == ["1 repeated item left out"]


def test_a_file_that_is_no_table_is_refused(suite: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("a dog")
    with pytest.raises(SynpicError, match=r"m\.txt: cannot tell what kind of file \.txt is"):
        ensure_suite(suite('file = "m.txt"').snapshot())
    with pytest.raises(SynpicError, match=r"none\.csv: no such file"):
        ensure_suite(suite('file = "none.csv"').snapshot())


def test_a_list_in_geneval_s_format_is_a_suite() -> None:
    lines = [
        {"tag": "single_object", "include": [{"class": "dog", "count": 1}], "prompt": "a dog"},
        {
            "tag": "counting",
            "include": [{"class": "dog", "count": 2}],
            "exclude": [{"class": "dog", "count": 3}],
            "prompt": "two dogs",
        },
    ]
    file = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    items = [one.item for one in read_own(file, "train_metadata.jsonl")]
    assert [(one.prompt, one.tag) for one in items] == [
        ("a dog", "single_object"),
        ("two dogs", "counting"),
    ]
    assert [one.spec["objects"] for one in items] == [
        {key: line[key] for key in ("include", "exclude") if key in line} for line in lines
    ]
    both = {**lines[0], "objects": {"include": lines[0]["include"]}}
    with pytest.raises(EvaluationError, match="objects and include: found both"):
        read_own(io.BytesIO(json.dumps(both).encode()), "both.jsonl")

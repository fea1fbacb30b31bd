"""Readers of lists that others published, on lists of our own in the same forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from synpic.errors import SynpicError
from synpic.prompts.suites import Suite, SuiteContent, SuiteData, find_suite
from synpic.registry import SUITES
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.questions import cascaded, gated

GENEVAL = [
    {"tag": "two", "include": [{"class": "dog", "count": 2}], "prompt": "two dogs"},
    {
        "tag": "position",
        "include": [
            {"class": "tv remote", "count": 1},
            {"class": "cup", "count": 1, "color": "red", "position": ["left of", 0]},
        ],
        "exclude": [{"class": "cup", "count": 2}],
        "prompt": "a red cup left of a remote",
    },
]

GENEVAL_2 = {
    "prompt": "two red cups",
    "atom_count": 3,
    "vqa_list": [["How many cups are there?", "two"], ["Are the cups red?", "Yes"]],
    "skills": ["count", "attribute"],
}

HEADER = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    "question_natural_language\n"
)


def row(item: str, number: int, dependency: str = "0", text: str = "a dog, asleep") -> str:
    return (
        f'{item},"{text}",dog,{number},"{dependency}",entity,whole,entity - whole (dog),'
        f"Is {item} {number} there?\n"
    )


def read(name: str, files: Mapping[str, str] | None = None, **more: Any) -> SuiteContent:
    suite: Suite = find_suite(name)
    files = files or {}
    assert set(files) | set(more.get("texts", {})) == set(suite.places)
    content = {of: text.encode() for of, text in files.items()}
    return suite.read(SuiteData(content, more.get("texts", {}), more.get("quirks", False)))


def parents(content: SuiteContent, item: str) -> dict[str, list[str]]:
    (found,) = [one for one in content.items if one.item == item]
    return {one["id"]: one["parents"] for one in found.spec["questions"]}


def test_geneval() -> None:
    lines = "\n".join(json.dumps(one) for one in GENEVAL) + "\n"
    items = read("geneval", {"evaluation_metadata.jsonl": lines}).items
    assert [(one.item, one.tag, one.prompt) for one in items] == [
        ("00000", "two", "two dogs"),
        ("00001", "position", "a red cup left of a remote"),
    ]
    assert [one.spec for one in items] == [
        {"objects": {key: one[key] for key in ("include", "exclude") if key in one}}
        for one in GENEVAL
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"include": [{"class": "hound", "count": 1}]},
            "jsonl:2: objects.include.0.class: 'hound'",
        ),
        ({"tag": 3}, "jsonl:2: prompt and tag: expected texts"),
        ({"prompt": None}, "jsonl:2: prompt and tag: expected texts"),
    ],
)
def test_a_line_of_geneval_that_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    lines = "\n".join(json.dumps(one) for one in (GENEVAL[0], {**GENEVAL[0], **change}))
    with pytest.raises(SynpicError, match=message):
        read("geneval", {"evaluation_metadata.jsonl": lines})


def test_geneval_2() -> None:
    (item,) = read("geneval2", {"geneval2_data.jsonl": json.dumps(GENEVAL_2)}).items
    assert (item.item, item.tag) == ("0", "3 atoms")
    asked = questions_of(item.spec)
    assert [(one.id, one.answer, one.category, one.parents) for one in asked] == [
        ("1", "two", "count", ()),
        ("2", "yes", "attribute", ()),
    ]
    for change in ({"skills": ["count"]}, {"vqa_list": [["How many?"]] * 2}, {"atom_count": "3"}):
        with pytest.raises(SynpicError, match=r"geneval2_data\.jsonl:1: expected a prompt"):
            read("geneval2", {"geneval2_data.jsonl": json.dumps({**GENEVAL_2, **change})})
    with pytest.raises(SynpicError, match="skills: there is no such field"):
        read("geneval2", {"geneval2_data.jsonl": json.dumps({"prompt": "a", "atom_count": 1,
                                                             "vqa_list": []})})  # fmt: skip


def dpg(*rows: str, quirks: bool = False) -> SuiteContent:
    return read("dpg", {"dpg_bench.csv": HEADER + "".join(rows)}, quirks=quirks)


def test_dpg_keeps_the_order_of_its_questions() -> None:
    found = dpg(row("a", 1, "2"), row("a", 2, "3"), row("a", 3), row("b", 1, text="a cat"))
    assert [(one.item, one.prompt, one.tag) for one in found.items] == [
        ("a", "a dog, asleep", ""),
        ("b", "a cat", ""),
    ]
    asked = questions_of(found.items[0].spec)
    assert [(one.text, one.category) for one in asked] == [
        (f"Is a {number} there?", "entity - whole") for number in (1, 2, 3)
    ]
    # The cascade as a worked case of the official program has it: .3333.
    assert cascaded(asked, {"1": True, "2": True, "3": False}) == [True, False, False]
    assert list(found.remarks) == []


def test_the_first_row_of_dpg_counts_unless_official_numbers_are_wanted() -> None:
    rows = [row("a", 1), row("a", 2, "1"), row("b", 1, text="b"), row("b", 2, text="b")]
    whole, official = dpg(*rows), dpg(*rows, quirks=True)
    assert [one.item for one in whole.items] == ["a", "b"]
    # Question 2 asks for the one that is gone: upstream fails there, and leaves the prompt out.
    assert [one.item for one in official.items] == ["b"]
    assert list(official.remarks) == ["1 prompt left out, as by the official program"]
    # Where no question depends on it, one question is missing.
    rows[1] = row("a", 2)
    assert parents(dpg(*rows, quirks=True), "a") == {"2": []}
    assert parents(dpg(*rows), "a") == {"1": [], "2": []}
    dotted = [*rows, row("c.1", 1, text="c")]
    assert [one.item for one in dpg(*dotted).items] == ["a", "b", "c.1"]
    assert [one.item for one in dpg(*dotted, quirks=True).items] == ["a", "b"]


def dsg(*rows: str, quirks: bool = False) -> SuiteContent:
    return read("dsg", {"dsg-1k-anns.csv": HEADER + "".join(rows)}, quirks=quirks)


def test_dependencies_of_dsg_that_mean_nothing_are_left_out_and_counted() -> None:
    found = dsg(
        row("posescript_1", 1, "1"),
        row("posescript_1", 2, "1, right"),
        row("posescript_1", 3, "4"),
        row("posescript_1", 4, "3"),
        row("posescript_1", 5, "2,9"),
    )
    assert parents(found, "posescript_1") == {
        "1": [],
        "2": ["1"],
        "3": ["4"],
        "4": [],
        "5": ["2"],
    }
    assert sorted(found.remarks) == [
        "1 dependency on a question that is not there left out",
        "1 dependency on a word, not a question, left out",
        "1 dependency on the question itself left out",
        "1 dependency that would close a circle left out",
    ]
    assert gated(questions_of(found.items[0].spec), dict.fromkeys("12345", True)) == [True] * 5


def test_one_word_takes_all_dependencies_of_an_official_item() -> None:
    rows = [row("vrd_1", 1), row("vrd_1", 2, "1"), row("vrd_1", 3, "1, right"), row("vrd_2", 1)]
    rows.append(row("vrd_2", 2, "1"))
    official = dsg(*rows, quirks=True)
    assert parents(official, "vrd_1") == {"1": [], "2": [], "3": []}
    assert parents(official, "vrd_2") == {"1": [], "2": ["1"]}
    assert parents(dsg(*rows), "vrd_1") == {"1": [], "2": ["1"], "3": ["1"]}


def test_items_of_dsg_have_the_groups_of_its_makers() -> None:
    names = {
        "tifa160_3": "tifa",
        "stanford_paragraph_9": "paragraph",
        "localized_narratives_1": "paragraph",
        "countbench_2": "count",
        "vrd_3": "relation",
        "diffusiondb_4": "real_user",
        "midjourney_5": "real_user",
        "posescript_6": "pose",
        "whoops_7": "defying",
        "drawtext_8": "text",
        "else_1": "",
    }
    found = dsg(*(row(name, 1, text=name) for name in names))
    assert {one.item: one.tag for one in found.items} == names


def test_a_list_of_questions_without_a_column_is_named() -> None:
    with pytest.raises(SynpicError, match=r"dpg_bench\.csv: text: there is no such column"):
        read("dpg", {"dpg_bench.csv": "item_id,keywords\na,b\n"})


PARTI = 'Prompt\tCategory\tChallenge\tNote\n"H I" on a wall \tArts\tBasic\t\nfog\tArts\tBasic\tx\n'


def test_a_quote_in_partiprompts_is_a_quote() -> None:
    found = read("partiprompts", {"PartiPrompts.tsv": PARTI}).items
    assert [(one.item, one.prompt, one.tag, one.spec) for one in found] == [
        ("1", '"H I" on a wall ', "Arts", {}),
        ("2", "fog", "Arts", {}),
    ]
    with pytest.raises(SynpicError, match=r"PartiPrompts\.tsv:3: 3 cells, expected 4"):
        read("partiprompts", {"PartiPrompts.tsv": PARTI.replace("fog\t", "fog ")})
    with pytest.raises(SynpicError, match=r"PartiPrompts\.tsv:1: expected Prompt"):
        read("partiprompts", {"PartiPrompts.tsv": PARTI.replace("Note", "Notes")})


def test_a_prompt_of_two_styles_counts_once() -> None:
    styles = {"anime": '["a", "b"]', "concept-art": '["b", "c"]', "paintings": '["d", " "]'}
    found = read("hpdv2", {**styles, "photo": '["e"]'})
    assert [(one.item, one.prompt, one.tag) for one in found.items] == [
        ("anime-00000", "a", "anime"),
        ("anime-00001", "b", "anime"),
        ("concept-art-00001", "c", "concept-art"),
        ("paintings-00000", "d", "paintings"),
        ("photo-00000", "e", "photo"),
    ]
    assert list(found.remarks) == ["1 blank prompt left out", "1 repeated prompt left out"]
    with pytest.raises(SynpicError, match=r"photo\.json: 1: expected a text, found 3"):
        read("hpdv2", {**styles, "photo": '["e", 3]'})
    with pytest.raises(SynpicError, match=r"photo\.json: expected a list"):
        read("hpdv2", {**styles, "photo": "{}"})


def test_pickapic() -> None:
    found = read("pickapic", texts={"captions": ["a dog", "a cat", "a dog"]})
    assert [(one.item, one.prompt) for one in found.items] == [("0", "a dog"), ("1", "a cat")]


@pytest.mark.parametrize("half", ["color", "shape", "texture", "non_spatial"])
def test_compbench(half: str) -> None:
    found = read(f"compbench_{half}", {f"{half}_val.txt": "a red cup\r\na blue cup\r\n"})
    assert [(one.item, one.prompt, one.tag) for one in found.items] == [
        ("000000", "a red cup", half),
        ("000001", "a blue cup", half),
    ]
    # The last line may lack its end.
    again = read(f"compbench_{half}", {f"{half}_val.txt": "a red cup\na blue cup"})
    assert again.items == found.items


def test_every_suite_of_synpic_says_what_it_is() -> None:
    for name in SUITES.builtin:
        suite = find_suite(name)
        assert suite.name == name
        assert 0 < len(suite.summary) <= 90
        assert not suite.summary.endswith(".")
        paper = suite.origin.paper
        assert paper is None or paper.startswith("https://arxiv.org/abs/")
        assert suite.pinned == (name not in ("hpdv2", "pickapic"))
        for place in suite.places.values():
            url = getattr(place, "url", "")
            # At a commit: what lies there does not change.
            assert not url or "/main/" not in url
            assert not url or any(len(piece) == 40 for piece in url.split("/"))

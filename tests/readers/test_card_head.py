from __future__ import annotations

import random
import time

import pytest

from synpic.errors import PublishError, ReleaseError, SynpicError
from synpic.publish.previous import parse_previous
from synpic.readers.card_head import CardHead, read_head, with_key
from synpic.release.checks import check_card, led_to

RECORDS = {"ranked": {"train": 3, "validation": 2}, "scores": {"train": 9}}
PATHS = [
    *("ranked/train-00000-of-00001.parquet", "ranked/validation-00000-of-00001.parquet"),
    "scores/train-00000-of-00001.parquet",
]
HEAD = """\
license: mit
tags: [synpic, preference]
configs:
- config_name: ranked
  data_files:
  - split: train
    path: ranked/train-*-of-00001.parquet
  - split: validation
    path: ranked/validation-*-of-00001.parquet
  default: true
- config_name: scores
  data_files:
  - split: train
    path: scores/train-*-of-00001.parquet
dataset_info:
- config_name: ranked
  splits:
  - name: train
    num_examples: 3
  - name: validation
    num_examples: 2
- config_name: scores
  splits:
  - name: train
    num_examples: 9
"""


def card(head: str) -> str:
    return f"---\n{head}---\n\n# Title\n"


def read(text: str) -> CardHead:
    return read_head(text, "README.md", error=ReleaseError, hint="mend it")


def test_values_and_the_lines_that_set_them() -> None:
    found = read(card("license: mit\n# a note\narxiv: 2410.10\ntags:\n- a\n- b\n"))
    assert found.values == {"license": "mit", "arxiv": 2410.1, "tags": ["a", "b"]}
    assert found.written["arxiv"] == "arxiv: 2410.10"
    assert found.written["tags"] == "tags:\n- a\n- b"
    assert read("# Title\n") == read("---\n---\n") == CardHead()
    assert read("---\n{license: mit}\n---\n").in_braces


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_before_the_head(end: str) -> None:
    text = "\ufeff" + card(HEAD).replace("\n", end)
    assert read(text).values["license"] == "mit"
    assert parse_previous(text).written["license"] == "license: mit"
    assert check_card(text, RECORDS, PATHS) == []


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("a: [1\n", "line 3|expected"),
        ("- a\n", "expected `key: value` lines"),
        ("a: &x 1\nb: *x\n", r"line 3: write out what `\*x` stands for"),
        ("a: !!python/object:os.system x\n", "line 2: write it without the tag"),
        ("a: !!int ''\n", "without the tag"),
        ("a: 2026-99-99\n", "month"),
        (f"a: {'9' * 6000}\n", "line 2: a number of 6,000 digits"),
        ('a: "\\ud800"\n', "half of a character"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", "line 2: nested more than 32 deep"),
        ("a: " + "{a: " * 100_000 + "\n", "nested more than 32 deep"),
        ("".join(" " * depth + "a:\n" for depth in range(500)), "line 34: nested more than 32"),
        ("? [a, b]\n: c\n", "unhashable"),
        ("a: " + "x" * (1 << 20) + "\n", "characters, where at most"),
    ],
)
def test_what_the_hub_would_not_read(head: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(ReleaseError, match=said) as caught:
        read(card(head))
    assert caught.value.message.startswith("README.md: its head is not what the Hub would read (")
    assert time.process_time() - began < 2
    with pytest.raises(PublishError, match=said):
        parse_previous(card(head))
    (problem,) = check_card(card(head), RECORDS, PATHS)
    assert problem.path == "README.md"
    assert led_to(card(head), PATHS) == {}


def test_a_document_that_names_itself_again_and_again() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ReleaseError, match="write out what"):
        read(card("\n".join(lines) + "\n"))


VALUES = ["x", "-1", "1.5", "[]", "{}", "null", ".nan", "true", "[[[[x]]]]", "{a: {b: c}}", "'**'"]


def test_any_key_with_any_value() -> None:
    """Each value of a head, replaced: the card is checked all the same, or named."""
    rows = HEAD.splitlines()
    assert check_card(card(HEAD), RECORDS, PATHS) == []
    for number, row in enumerate(rows):
        if ":" not in row:
            continue
        start = row.index(":") + 1
        end = next(
            (
                later
                for later in range(number + 1, len(rows))
                if not rows[later].startswith((" " * (len(row) - len(row.lstrip()) + 1), "- "))
                or (row[0] != " " and rows[later][0] not in " -")
            ),
            len(rows),
        )
        for value in VALUES:
            text = card("\n".join([*rows[:number], f"{row[:start]} {value}", *rows[end:], ""]))
            for problem in check_card(text, RECORDS, PATHS):
                assert problem.path == "README.md"
                assert problem.text
            led_to(text, PATHS)


@pytest.mark.parametrize("seed", range(40))
def test_bytes_flipped_and_cut(seed: int) -> None:
    chance = random.Random(seed)
    text = card(HEAD)
    for _ in range(10):
        place = chance.randrange(len(text))
        sign = chance.choice("\x00\u2028:-[]{}*&!|>'\"%@`#?, \n\t9é")
        other = text[:place] + sign + text[place + chance.randrange(3) :]
        for problem in check_card(other, RECORDS, PATHS):
            assert problem.path == "README.md"
        led_to(other, PATHS)
        try:
            parse_previous(other)
        except SynpicError as error:
            assert error.message.startswith("README.md: ")


def test_a_wrong_key_is_named() -> None:
    (problem,) = check_card(
        card(HEAD.replace("num_examples: 3", "num_examples: x")), RECORDS, PATHS
    )
    assert "dataset_info.0.splits.0.num_examples: " in problem.text


def values(text: str) -> dict[str, object]:
    return dict(read_head(text, "README.md", error=PublishError, hint="").values)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_one_key_is_set_and_the_others_stay_as_written(ending: str) -> None:
    text = "---\nx-license: [mit]\narxiv: 2410.10\nlicense: mit\nlast: 1  # mine\n---\n\n# T\n"
    text = text.replace("\n", ending)
    changed = with_key(text, "license", "license:\n- a\n- b")
    assert values(changed) == {**values(text), "license": ["a", "b"]}
    assert changed == text.replace(
        f"{ending}license: mit", f"{ending}license:{ending}- a{ending}- b"
    )
    added = with_key(text, "new", "new: 1")
    assert added == text.replace("# mine", f"# mine{ending}new: 1")
    assert with_key(added, "new", None) == text
    assert with_key(text, "absent", None) == text


def test_a_head_is_made_and_taken_away() -> None:
    card = "# Title\n"
    headed = with_key(card, "a", "a: 1")
    assert headed == "---\na: 1\n---\n\n# Title\n"
    assert with_key(headed, "a", None) == card
    assert values(with_key("\ufeff---\n---\nx\n", "a", "a: 1")) == {"a": 1}

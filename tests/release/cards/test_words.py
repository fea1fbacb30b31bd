from __future__ import annotations

from pathlib import Path

import pytest

from synpic.errors import RecipeError
from synpic.recipe import WORDS, PublishSettings, parse_recipe
from synpic.release.cards.words import card_notes, read_words
from synpic.workspace.storage import Store

RECIPE = '[prompts]\nfile = "a.txt"\n[models.a]\ncheckpoint = "b"\n[publish]\n'


def test_a_text_is_shown_as_it_is_and_a_file_is_markdown(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "limits.md").write_bytes(b"### Known\r\n\r\n- *one*\r\n")
    settings = PublishSettings(purpose="# a\n\n<b>", limits="notes/limits.md", made="As in x.md.")
    found = read_words(settings, Store(tmp_path))
    assert found.sections == {
        "purpose": "\\# a\n\n&lt;b>",
        "made": "As in x.md.",
        "limits": "### Known\n\n- *one*",
    }
    assert list(found.files) == ["limits"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a\n\n## b", "line 3: a heading as high as"),
        (b"# b", "line 1: a heading as high as"),
        (b"a\n---", "line 2: a heading as high as"),
        (b"a\n<!-- /synpic:yours -->", "line 2: a mark of synpic's"),
        (b"```\na", "a block of code is not closed"),
        (b"a <!-- b", "<!-- without -->"),
        (b"<details>\n\na", "<details without </details>"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"a" * 110_000, "110.0 kB, where a card takes 100.0 kB"),
    ],
)
def test_a_file_that_no_section_can_hold(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "limits.md").write_bytes(text)
    with pytest.raises(RecipeError, match=r"limits\.md") as caught:
        read_words(PublishSettings(limits="limits.md"), Store(tmp_path))
    assert message in caught.value.message
    assert "publish.limits" in caught.value.message


def test_what_is_in_a_block_of_code_is_no_heading(tmp_path: Path) -> None:
    text = "```\n# a\n<!-- synpic:yours -->\n```\n\n---\n\nb\n"
    (tmp_path / "limits.md").write_text(text)
    found = read_words(PublishSettings(limits="limits.md"), Store(tmp_path))
    assert found.sections["limits"] == text.strip()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"publish\.terms: terms\.md: no such file"):
        read_words(PublishSettings(terms="terms.md"), Store(tmp_path))


def test_what_is_empty_is_named_in_a_line() -> None:
    license_, lacking = card_notes(PublishSettings(authors=["A"], limits="None."))
    assert "license is not set" in license_
    assert "[publish] year, purpose, made, personal_data, terms (" in lacking
    words = dict.fromkeys(WORDS, "x")
    assert card_notes(PublishSettings(license="mit", authors=["A"], year=2026, **words)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("limits = ''", "publish.limits: "),
        ("limits = 3", "publish.limits: "),
        ("limit = 'x'", "publish.limit: unknown key. Did you mean"),
        ("authors = ['']", "publish.authors"),
        ("year = 26", "publish.year: "),
    ],
)
def test_a_key_that_is_wrong_is_named(line: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE + line)
    assert message in caught.value.message


def test_one_author_need_be_no_list() -> None:
    assert parse_recipe(RECIPE + "authors = 'A'").publish.authors == ["A"]

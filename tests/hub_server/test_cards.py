"""Cards that the Hub takes and cards that it refuses."""

from __future__ import annotations

import pytest

from tests.hub_server.cards import check_card


@pytest.mark.parametrize(
    "head",
    [
        "license: mit\nlanguage: [en]\nsize_categories: [1K<n<10K]\ntags: [preference]",
        "configs:\n- {config_name: a, data_files: a/*, default: true}\n- {config_name: b}",
    ],
)
def test_a_good_card(head: str) -> None:
    assert check_card(f"---\n{head}\n---\n# Set\n") == ([], [])


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("license: mine", "license"),
        ("size_categories: many", "size_categories"),
        ("language: English", "language"),
        ("tags: [1]", "tags"),
        ("pretty_name: [x]", "pretty_name"),
        ("configs: {a: b}", "configs"),
        ("configs: [{data_files: x}]", "config_name"),
        ("configs: [{config_name: a}, {config_name: a}]", "twice"),
        ("configs: [{config_name: a, default: true}, {config_name: b, default: true}]", "default"),
        ("a: [", "YAML"),
        ("- a", "object"),
    ],
)
def test_a_bad_card(head: str, said: str) -> None:
    errors, _ = check_card(f"---\n{head}\n---\n# Set\n")
    assert len(errors) == 1
    assert said in errors[0]


def test_a_card_without_a_head() -> None:
    assert check_card("# Set\n") == ([], ["empty or missing yaml metadata in repo card"])

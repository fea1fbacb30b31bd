"""A key that was written into a recipe is refused, by its place and without its value."""

from __future__ import annotations

import pytest

from synpic.errors import RecipeError
from synpic.recipe import parse_recipe

RECIPE = """
[prompts]
file = "prompts.txt"
[models.mine]
checkpoint = "owner/name"
[rewards.judge]
reward = "vlm_yes_endpoint"
options = {{ {} }}
"""
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123"


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ('api_key = "anything"', "options: api_key: "),
        ('OPENAI_API_KEY = "anything"', "options: OPENAI_API_KEY: "),
        (f'endpoint = {{ key = "{KEY}" }}', "options: endpoint.key: "),
        ('endpoint = { password = "anything" }', "options: endpoint.password: "),
        (f'request = {{ extra = {{ stop = ["{KEY}"] }} }}', "options: request.extra.stop[0]: "),
        ('request = { headers = { Authorization = "x" } }', "options: request.headers.Authoriz"),
        ('note = "Bearer abcdef"', "options: note: "),
        ('endpoint = "https://me:anything@host/v1"', "options: endpoint: "),
        ('token = "hf_abcdefghijklmnopqrstuvwxyz"', "options: token: "),
    ],
)
def test_a_key_is_refused_by_its_place(options: str, place: str) -> None:
    with pytest.raises(RecipeError) as error:
        parse_recipe(RECIPE.format(options))
    message = f"{error.value} {error.value.hint}"
    assert f":8: rewards.judge.{place}" in message
    assert "environment variable" in message
    assert "anything" not in message
    assert KEY not in message
    assert "abcdef" not in message


@pytest.mark.parametrize(
    "options",
    [
        'endpoint = { key = "$OPENAI_API_KEY" }',
        'api_key = "$MY_KEY"',
        'question = "Is it a risk-averse skeleton key of 1234567890123456? {}"',
        'endpoint = "https://host:8000/v1"',
        'tokenizer = "owner/name"',
    ],
)
def test_what_is_no_key_is_taken(options: str) -> None:
    assert parse_recipe(RECIPE.format(options)).rewards["judge"].options

"""A key that was written into a recipe is refused, by its place and without its value."""

from __future__ import annotations

import pytest

from synpic.errors import RecipeError
from synpic.recipe import parse_recipe
from synpic.recipe.secrets import published_text

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
        ('request = { key = "anything" }', "options: request.key: "),
        ('request = { user = { token = "anything" } }', "options: request.user.token: "),
        ('request = { api_key = "$anything" }', "options: request.api_key: "),
        ("password = 1234", "options: password: "),
        ('endpoint = "http://host/v1?api-key=anything"', "options: endpoint: "),
        ('note = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"', "options: note: "),
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
        'model = "hf-internal-testing/tiny-random-Qwen2VL-model"',
        'model = "sk-telecom-research/multimodal-large-2025-instruct"',
        'question = "a skateboarding-championship-2024-poster of sk-international"',
        "request = { max_tokens = 5, stop_token_ids = [151643] }",
    ],
)
def test_what_is_no_key_is_taken(options: str) -> None:
    assert parse_recipe(RECIPE.format(options)).rewards["judge"].options


@pytest.mark.parametrize(
    "written",
    [
        '"http://gpu-18.internal:8000/v1"',
        "'http://gpu-18.internal:8000/v1'",
        '"http:\\u002f\\u002fgpu-18.internal:8000/v1"',
        '"""\nhttp://gpu-18.internal:8000/v1"""',
        "'''http://gpu-18.internal:8000/v1'''",
    ],
)
def test_an_address_is_not_published_however_it_is_written(written: str) -> None:
    for options in (f"endpoint = {written}", f"endpoint = {{ url = {written} }}"):
        text = published_text(RECIPE.format(options))
        assert "gpu-18" not in text
        assert text == RECIPE.format(options.replace(written, '"$OPENAI_BASE_URL"'))


def test_what_is_no_address_of_an_endpoint_is_published_as_it_is() -> None:
    more = """
[models.other]
checkpoint = "http://hub.io/model"  # see https://example.org/a/page#part of \"it\"
[rewards.second]
reward = "vlm_yes_endpoint"
options = { endpoint = "http://hub.io/model/v1", question = "# http://hub.io/mode {}" }
"""
    text = RECIPE.format('endpoint = "http://hub.io"') + more
    made = published_text(text)
    assert made == text.replace('"http://hub.io"', '"$OPENAI_BASE_URL"').replace(
        '"http://hub.io/model/v1"', '"$OPENAI_BASE_URL"'
    )


def test_comments_lose_keys_and_addresses_of_endpoints() -> None:
    text = (
        RECIPE.format('endpoint = "https://api.acme.com/v1"')
        + f"""
# was http://gpu-17:8000/v1, http://10.0.0.3/v1 and https://other.acme.com/v1; {KEY}
# see https://arxiv.org/abs/2404.01291; api.acme.com is dear
"""
    )
    made = published_text(text)
    assert made.endswith(
        """
# was $OPENAI_BASE_URL, $OPENAI_BASE_URL and $OPENAI_BASE_URL; [secret]
# see https://arxiv.org/abs/2404.01291; $OPENAI_BASE_URL is dear
"""
    )

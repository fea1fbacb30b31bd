"""``[judges.NAME]`` and ``[compare]`` in a recipe."""

from __future__ import annotations

import pytest

from synpic.errors import RecipeError
from synpic.recipe import parse_recipe
from synpic.recipe.secrets import published_text

DRAWN = """
[prompts]
world = "shapes"
count = 4

[models.base]
model = "shapes_unet"

[models.tuned]
model = "shapes_unet"
steps = 9

[rewards.shapes_quality]

[rewards.people]
labels = "ingested"
"""


def test_what_they_say() -> None:
    recipe = parse_recipe(
        DRAWN
        + """
[judges.shapes]

[judges.mine]
judge = "my_judge:is_dark"
checkpoint = "./weights"
revision = "main"
options = { least = 3 }
batch_size = 7

[compare]
base = "base"
rewards = ["shapes_quality"]
tag = "task"
"""
    )
    shapes, mine = recipe.judges["shapes"], recipe.judges["mine"]
    assert (shapes.code, shapes.batch_size, shapes.options) == (None, 32, {})
    assert (mine.code, mine.checkpoint, mine.revision) == ("my_judge:is_dark", "./weights", "main")
    assert (mine.batch_size, mine.options) == (7, {"least": 3})
    assert recipe.compare is not None
    assert recipe.compare.model_dump() == {
        "base": "base",
        "rewards": ["shapes_quality"],
        "tag": "task",
    }
    assert parse_recipe(DRAWN).judges == {}
    assert parse_recipe(DRAWN).compare is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("[judges.Big]", "judges.Big"),
        ("[judges.a]\njudge = 3", "r.toml:18: judges.a.judge: "),
        ('[judges.a]\njudge = ""', "r.toml:18: judges.a.judge: "),
        ("[judges.a]\nbatch_size = 0", "r.toml:18: judges.a.batch_size: "),
        ("[judges.a]\nweight = 2", "r.toml:18: judges.a.weight: "),
        ('[judges.a]\noptions = { api_key = "abc" }', "r.toml:18: judges.a.options: api_key: this"),
        ("[judges.people]", "r.toml:17: judges.people: there is a [rewards.people] too"),
        ("[compare]", "r.toml:17: compare.base: "),
        ('[compare]\nbase = "bsae"', "r.toml:18: compare.base: there is no [models.bsae]. Did you"),
        ('[compare]\nbase = "base"\nrewards = []', "r.toml:19: compare.rewards: "),
        (
            '[compare]\nbase = "base"\nrewards = ["people"]',
            "r.toml:19: compare.rewards: [rewards.people] gives no score.",
        ),
        (
            '[compare]\nbase = "base"\nrewards = ["shape_quality"]',
            "compare.rewards: [rewards.shape_quality] is not in the recipe. Did you mean",
        ),
    ],
)
def test_a_mistake_has_its_line(more: str, says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(DRAWN + more, "r.toml")
    assert says in caught.value.message


def test_ingested_images_name_their_own_models() -> None:
    text = '[ingest]\nimages = "folder"\n[compare]\nbase = "whatever the source says"\n'
    assert parse_recipe(text).compare is not None


def test_no_address_of_an_endpoint_is_published() -> None:
    text = DRAWN + (
        "[judges.vlm]\n"
        'judge = "my_judge:vlm"\n'
        'options = { endpoint = { url = "http://10.1.2.3:8000/v1", key = "$KEY" } }\n'
    )
    assert "10.1.2.3" not in published_text(text)
    assert "$KEY" in published_text(text)

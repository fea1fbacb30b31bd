"""The text of recipes, changed in places."""

from __future__ import annotations

import tomllib

import pytest

from synpic.pipeline.merge.recipe_text import plain_text, table_text, with_table, with_value

TEXT = """\
seed = 3  # of all

# where prompts are from
[prompts]
file = 'a b.txt'  # mine
count = 4

# the first
# model
[models.x]
checkpoint = "./w"
sizes = [
  "64x64",
]

[models.x.components.vae]  # its own
checkpoint = "./vae"

# the second
[ models . y ]
checkpoint = "./w"
adapters = [{ checkpoint = "./lora", scale = 0.5 }]
[rewards.red]
"""


def test_a_table_goes_with_its_comment_and_the_tables_in_it() -> None:
    found = table_text(TEXT, "models.x")
    assert found is not None
    assert found.startswith("# the first\n# model\n[models.x]\n")
    assert found.endswith('[models.x.components.vae]  # its own\ncheckpoint = "./vae"')
    assert tomllib.loads(found)["models"] == {"x": tomllib.loads(TEXT)["models"]["x"]}
    assert (table_text(TEXT, "models.y") or "").startswith("# the second\n[ models . y ]\n")
    assert table_text(TEXT, "rewards.red") == "[rewards.red]"
    assert table_text(TEXT, "models.z") is None


def test_a_value_and_a_table_are_replaced() -> None:
    changed = with_value(TEXT, ("prompts", "file"), "a b.txt", '../"x"\\.txt')
    assert tomllib.loads(changed)["prompts"]["file"] == '../"x"\\.txt'
    assert changed.count("#") == TEXT.count("#")
    assert with_value(TEXT, ("models", "y", "adapters", 0, "checkpoint"), "./no", "x") == TEXT
    changed = with_table(TEXT, "prompts", {"file": "b.txt"})
    expected = tomllib.loads(TEXT) | {"prompts": {"file": "b.txt"}}
    assert tomllib.loads(changed) == expected
    assert "# where prompts are from\n[prompts]\n" in changed
    assert tomllib.loads(with_table("seed = 1", "prompts", {"count": 1})) == {
        "seed": 1,
        "prompts": {"count": 1},
    }


@pytest.mark.parametrize("text", [TEXT, 'a = "\\u007f☃"\n[b]\n"c d" = [{ e = true, f = 1e-9 }]'])
def test_a_plain_text_reads_as_the_same(text: str) -> None:
    data = tomllib.loads(text)
    assert tomllib.loads(plain_text(data)) == data

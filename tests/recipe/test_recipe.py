from __future__ import annotations

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RecipeError
from synpic.recipe import Config, RankingSettings, RecordSettings, parse_recipe
from synpic.recipe.presets import preset, presets

SMALL = """
[prompts]
file = "prompts.txt"
[models.mine]
checkpoint = "owner/name"
samples = 2
[rewards.red]
reward = "module:red"
"""


def test_presets_are_recipes() -> None:
    assert presets() == ["shapes", "syn-pic"]
    for name in presets():
        parse_recipe(preset(name))


def test_syn_pic_is_the_paper_s_recipe() -> None:
    recipe = parse_recipe(preset("syn-pic"))
    assert set(recipe.models) == {"sdxl", "sd3_medium", "pixart_sigma", "stable_cascade"}
    assert set(recipe.rewards) == {"hpsv2", "mps", "pickscore", "vqascore", "imagereward"}
    assert (recipe.images.format, recipe.images.quality) == ("jpeg", 95)
    assert recipe.images.subsampling == "4:4:4"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("samples", "sample"), ":6: models.mine.sample: unknown key. Did you mean 'samples'?"),
        (("samples = 2", "samples = 0"), ":6: models.mine.samples: Input should be greater"),
        (("samples = 2", "samples = '2'"), ":6: models.mine.samples: Input should be a valid int"),
        (("[models.mine]", "[models.Mine]"), ":4: models.Mine: names are lower-case letters"),
        (('file = "prompts.txt"', ""), ":2: prompts: give exactly one of world, file and dataset"),
        (('file = "p', 'world = "s"\nfile = "p'), "found world and file"),
        (('file = "prompts.txt"', 'world = "s"'), "count: a world makes prompts without end"),
        (("[rewards.red]", "[reward.red]"), "reward: unknown key. Did you mean 'rewards'?"),
        (("samples = 2", 'sizes = ["1024"]'), ":6: models.mine.sizes[0]: a size is written"),
        (("samples = 2", "batch_size = 65"), ":6: models.mine.batch_size: Input should be less"),
        (('reward = "m', 'weight = nan\nreward = "m'), ":8: rewards.red.weight"),
        (("samples = 2", "samples = "), "not TOML"),
        (("samples = 2", 'samples = 2\n[records]\nties = "drop"'), ":8: records.ties"),
        (("samples = 2", "call = { x = 1979-05-27 }"), ":6: models.mine.call: texts, finite"),
        (("samples = 2", "scheduler_options = { x = nan }"), "texts, finite numbers"),
        (("samples = 2", "samples = 2\n[ranking]\naggregation = ''"), "aggregation: String"),
        (
            ("samples = 2", 'adapters = ["a/b"]'),
            ':6: models.mine.adapters[0]: a table is wanted: { checkpoint = "a/b" }',
        ),
        (
            ("samples = 2", 'adapters = "a/b"'),
            ":6: models.mine.adapters: wants a list: models.mine.adapters = [{ checkpoint =",
        ),
        (("samples = 2", "adapters = [3]"), "adapters[0]: is a table, so give one of its keys:"),
        (("samples = 2", "adapters = {}"), "a list of tables is wanted: [[models.mine.adapters]]"),
        (("samples = 2", "sizes = {}"), "models.mine.sizes: Input should be a valid list"),
        (
            ("samples = 2", 'adapters = [{ checkpont = "a/b" }]'),
            "adapters[0].checkpont: unknown key. Did you mean 'checkpoint'?",
        ),
        (
            ("samples = 2", 'components = { vae = "a/b" }'),
            'models.mine.components.vae: a table is wanted: { checkpoint = "a/b" }',
        ),
        (('file = "p', 'split = "all"\nfile = "p'), "load_dataset reads that as every split"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(change: tuple[str, str], says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(SMALL.replace(*change), "my.toml")
    assert says in caught.value.message
    assert caught.value.message.startswith("my.toml:")


def test_every_mistake_is_told_at_once() -> None:
    text = SMALL.replace("samples", "simples").replace("reward =", "rewadr =")
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text)
    assert len(caught.value.message.splitlines()) == 2


def test_the_old_name_of_ingest_is_one_error_that_says_the_new_one() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe('seed = 1\n[given]\nimages = "pictures"\n')
    assert caught.value.message == "recipe.toml:2: given: this key is called ingest now"


def test_ranking_names_rewards_that_are_there() -> None:
    with pytest.raises(RecipeError, match=r"there is no \[rewards.rad\]. Did you mean 'red'"):
        parse_recipe(SMALL + '[ranking]\nrewards = ["rad"]')


def test_image_settings_fit_their_format() -> None:
    with pytest.raises(RecipeError, match="PNG is lossless"):
        parse_recipe(SMALL + "[images]\nquality = 90")
    with pytest.raises(RecipeError, match="only JPEG takes it"):
        parse_recipe(SMALL + '[images]\nformat = "webp"\nsubsampling = "4:4:4"')


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_a_recipe_or_a_recipe_error(text: str | bytes) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(text)


PEOPLE = '[rewards.people]\nlabels = "ingested"\n'


def test_people_rank_beside_rewards_and_score_nothing() -> None:
    recipe = parse_recipe(f'{SMALL}\n{PEOPLE}question = "appeal"\ntie = 0.1\nweight = 2')
    assert recipe.weights == {"red": 1.0, "people": 2.0}
    assert (list(recipe.scoring), list(recipe.comparing)) == (["red"], ["people"])
    people = recipe.comparing["people"]
    assert (people.labels, people.question, people.tie) == ("ingested", "appeal", 0.1)
    assert parse_recipe(SMALL + PEOPLE).comparing["people"].question == "overall"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PEOPLE + "batch_size = 4", "rewards.people: batch_size: what ranks by labels"),
        (PEOPLE + 'reward = "pickscore"', "rewards.people: reward: what ranks by labels"),
        (PEOPLE + "options = {a = 1}", "rewards.people: options: what ranks by labels"),
        (PEOPLE + 'checkpoint = "x"', "rewards.people: checkpoint: what ranks by labels"),
        (PEOPLE + "tie = 0.5", "rewards.people.tie"),
        (PEOPLE + "tie = -0.1", "rewards.people.tie"),
        ('[rewards.people]\nlabels = "a/b"', "rewards.people.labels"),
        ("[rewards.blue]\ntie = 0.1", "rewards.blue: tie: only what ranks by labels or a comparer"),
        ('[rewards.blue]\nquestion = "a"', "rewards.blue: question: only what ranks by labels"),
    ],
)
def test_what_ranks_gives_scores_or_has_labels(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(f"{SMALL}\n{text}")
    assert message in caught.value.message


KEYS = st.sampled_from(["prompts", "models", "rewards", "images", "ranking", "seed", "file", "x"])
VALUES = st.one_of(
    st.integers(), st.booleans(), st.floats(), st.text(max_size=8), st.dates(), st.none()
).map(lambda v: '""' if v is None else str(v).lower() if isinstance(v, bool) else repr(v))


@given(st.lists(st.one_of(KEYS.map("[{}]".format), st.tuples(KEYS, VALUES).map(" = ".join))))
def test_any_toml_is_a_recipe_or_a_recipe_error(lines: list[str]) -> None:
    with pytest.raises(RecipeError):
        parse_recipe("\n".join(lines))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_valid_recipe_with_anything_after_it_never_ends_in_a_traceback(tail: str) -> None:
    with suppress(RecipeError):
        assert parse_recipe(SMALL + tail).models["mine"].samples == 2


def test_deep_nesting_is_an_error_too() -> None:
    with pytest.raises(RecipeError):
        parse_recipe("a = " + "[" * 100_000)


def test_the_recipe_s_words_are_those_of_the_rooms() -> None:
    from synpic.publish.table.records import CONFIGS
    from synpic.rank import OWN, STRATEGIES, TIES

    ranking, records = RankingSettings.model_fields, RecordSettings.model_fields
    assert get_args(ranking["ties"].annotation) == tuple(TIES)
    assert get_args(records["pairs"].annotation) == (*STRATEGIES, OWN)
    assert get_args(Config) == tuple(CONFIGS)


@pytest.mark.parametrize(
    "place",
    [
        '[prompts]\nfile = "PLACE"',
        '[prompts]\ndataset = "PLACE"',
        '[ingest]\nimages = "PLACE"',
        '[ingest]\ndataset = "PLACE"',
        '[models.a]\ncheckpoint = "PLACE"',
        '[models.a]\nadapters = [{ checkpoint = "PLACE" }]',
        '[models.a]\ncomponents = { vae = { checkpoint = "PLACE" } }',
        '[rewards.a]\ncheckpoint = "PLACE"',
        '[safety]\nwords = "PLACE"',
    ],
)
@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 3000])
def test_a_name_that_no_disk_takes_is_refused_with_its_key(place: str, name: str) -> None:
    with pytest.raises(RecipeError, match="no file or repository has a name as long as that"):
        parse_recipe(place.replace("PLACE", name))


@pytest.mark.parametrize("key", ["samples", "steps"])
def test_numbers_have_an_upper_bound(key: str) -> None:
    with pytest.raises(RecipeError, match=f"models.a.{key}: Input should be less than"):
        parse_recipe(f'[prompts]\nfile = "x.txt"\n[models.a]\ncheckpoint = "x"\n{key} = 1000000')

"""From ``[suite]`` to prompts.parquet and suite.parquet."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from synpic.errors import EvaluationError, RecipeError, UnknownName
from synpic.pipeline.steps import generate_candidates
from synpic.pipeline.validation import validate
from synpic.prompts import current_prompts, ensure_prompts
from synpic.prompts.suites import (
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    ensure_suite,
    open_suite,
    stored_suite,
)
from synpic.prompts.suites.selection import chosen
from synpic.recipe import parse_recipe
from synpic.recipe.settings import ModelSettings
from synpic.workspace import Workspace
from synpic.workspace.sealing import read_sealed, write_sealed
from tests.conftest import MakeRecipe, edit
from tests.prompts.suites.conftest import MakeSuite

ITEMS = [
    SuiteItem(f"{tag}{number}", f"{tag} number {number}", tag, {"text": f"t{number}"})
    for number in range(4)
    for tag in ("a", "b", "c")
    if tag != "c" or number < 2
]

SMALL = Suite("small", "ten items", lambda data: SuiteContent(ITEMS), protocol=Protocol(3))
HERE = "tests.prompts.suites.test_opening"


def made() -> Suite:
    """A suite that is made when it is asked for."""
    return SMALL


def broken() -> Suite:
    raise ValueError("no list here")


def _unreadable(data: SuiteData) -> SuiteContent:
    return SuiteContent([data.texts["nowhere"]])  # type: ignore[list-item]


UNREADABLE = Suite("unreadable", "", _unreadable)
EMPTY = Suite("empty", "", lambda data: SuiteContent([]))
NO_SUITE = 3


def test_a_suite_becomes_prompts_and_what_is_asked_of_them(suite: MakeSuite) -> None:
    workspace = suite(f'name = "{HERE}:SMALL"')
    prompts = ensure_prompts(workspace.snapshot()).table
    assert prompts.column("prompt").to_pylist() == [item.prompt for item in ITEMS]
    assert prompts.column("meta_tag").to_pylist() == [item.tag for item in ITEMS]
    assert set(prompts.column("split").to_pylist()) == {"test"}
    assert re.fullmatch(r"suite:small@[0-9a-f]{8}", prompts.column("source")[0].as_py())
    found = stored_suite(workspace)
    assert found is not None
    assert found.table.column("prompt_id").equals(prompts.column("prompt_id"))
    assert [json.loads(spec) for spec in found.table.column("spec").to_pylist()] == [
        dict(item.spec) for item in ITEMS
    ]
    assert (found.name, found.whole, found.images, found.partial) == ("small", 10, 3, False)
    assert workspace.verify().damaged == []


@pytest.mark.parametrize("name", [f"{HERE}:SMALL", f"{HERE}:made"])
def test_models_draw_as_many_images_as_the_protocol_says(
    suite: MakeSuite, recipe: MakeRecipe, name: str
) -> None:
    assert suite(f'name = "{name}"').snapshot().recipe.models["m"].samples == 3
    own = suite(f'name = "{name}"\nimages = 2').snapshot()
    assert own.recipe.models["m"].samples == 2
    assert own.recipe_text.count("samples") == 0


def drawn(recipe: MakeRecipe, lines: str) -> str:
    """A recipe on fakes that draws a suite."""
    text = recipe().replace("samples = 1\n", "")
    return re.sub(r"\[prompts\].*?\n\n", f"[suite]\n{lines}\n\n", text, flags=re.DOTALL)


def test_a_suite_is_drawn_and_grows_with_its_limit(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    small = edit(workspace, drawn(recipe, f'name = "{HERE}:SMALL"\nlimit = 3'))
    found = validate(small)
    assert (found.problems, found.prompts, found.images) == ([], 3, 3 * 3 * 2)
    assert [one.made for one in generate_candidates(small).outcomes] == [9, 9]
    partial = stored_suite(small)
    assert partial is not None
    assert partial.partial
    whole = edit(small, drawn(recipe, f'name = "{HERE}:SMALL"'))
    outcomes = generate_candidates(whole).outcomes
    assert [(one.wanted, one.already, one.made) for one in outcomes] == [(30, 9, 21)] * 2
    kept = stored_suite(whole)
    assert kept is not None
    assert (kept.version, kept.partial) == (partial.version, False)


def test_one_model_with_one_image_is_enough(workspace: Workspace, recipe: MakeRecipe) -> None:
    text = drawn(recipe, f'name = "{HERE}:SMALL"\nimages = 1')
    alone = re.sub(r"\[models\.b\].*?\n\n", "", text, flags=re.DOTALL)
    found = validate(edit(workspace, alone))
    assert (found.problems, found.images) == ([], 10)


def test_a_limit_takes_equal_shares_and_grows_at_its_end() -> None:
    whole = chosen(ITEMS, None, None, "small")
    for limit, tags in ((3, "abc"), (5, "aabbc"), (8, "aaabbbcc"), (10, "aaaabbbbcc")):
        found = chosen(ITEMS, None, limit, "small")
        assert Counter(item.tag for item in found) == Counter(tags)
        assert found == whole[:limit]
    assert sorted(item.item for item in whole) == sorted(item.item for item in ITEMS)
    for tag in "abc":
        of_tag = [item for item in ITEMS if item.tag == tag]
        assert chosen(ITEMS, [tag], None, "small") == of_tag  # in the suite's order
    assert {item.tag for item in chosen(ITEMS, ["c", "a"], None, "small")} == {"a", "c"}
    with pytest.raises(EvaluationError, match="no item of small has the tag 'd'") as raised:
        chosen(ITEMS, ["d"], None, "small")
    assert raised.value.hint == "its tags are: a, b, c"


def test_a_version_is_of_all_items(suite: MakeSuite, tmp_path: Path) -> None:
    def version(rows: list[dict[str, object]], more: str = "") -> str:
        (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        return ensure_suite(suite(f'file = "m.jsonl"\n{more}').snapshot()).version

    rows: list[dict[str, object]] = [{"prompt": "a", "tag": "x"}, {"prompt": "b", "tag": "y"}]
    first = version(rows)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert version(rows, "limit = 1") == version(rows, 'tags = ["y"]') == first
    others = [[{"prompt": "a", "tag": "x"}], [{**rows[0], "tag": "z"}, rows[1]]]
    others.append([{**rows[0], "phrases": ["a"]}, rows[1]])
    assert len({first, *map(version, others)}) == 4


def test_suite_parquet_is_made_again_when_it_has_to_be(suite: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}')
    workspace = suite('file = "m.jsonl"')
    path = tmp_path / "suite.parquet"
    ensure_prompts(workspace.snapshot())
    whole, written = path.read_bytes(), path.stat().st_mtime_ns
    ensure_prompts(workspace.snapshot())
    assert path.stat().st_mtime_ns == written  # up to date: nothing is written
    for damage in (whole[:-9], b"", whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]):
        path.write_bytes(damage)
        ensure_prompts(workspace.snapshot())
        assert path.read_bytes() == whole
    path.unlink()
    ensure_prompts(workspace.snapshot())
    assert path.read_bytes() == whole
    (tmp_path / "m.jsonl").write_text('{"prompt": "c"}')
    assert ensure_suite(workspace.snapshot()).whole == 1
    assert ensure_prompts(workspace.snapshot()).table.num_rows == 1


def test_a_key_that_a_later_synpic_gives_a_protocol_is_left_out(suite: MakeSuite) -> None:
    workspace = suite(f'name = "{HERE}:SMALL"')
    ensure_suite(workspace.snapshot())
    table, note = read_sealed(workspace.store, "suite.parquet")
    written = note.model_dump(by_alias=True)
    written["protocol"]["shutter"] = "slow"
    write_sealed(workspace.store, "suite.parquet", table, written)
    found = stored_suite(workspace)
    assert found is not None
    assert found.protocol == Protocol(3)


def test_a_suite_goes_with_its_prompts(suite: MakeSuite, tmp_path: Path) -> None:
    workspace = suite(f'name = "{HERE}:SMALL"')
    ensure_prompts(workspace.snapshot())
    (tmp_path / "p.txt").write_text("a number 0\n")
    edit(workspace, '[prompts]\nfile = "p.txt"\n[models.m]\ncheckpoint = "./m"\nsamples = 2')
    ensure_prompts(workspace.snapshot())
    # Its judges would be asked what the suite asks of the same prompt.
    assert not (tmp_path / "suite.parquet").exists()


def test_items_beside_the_function_count(suite: MakeSuite, tmp_path: Path) -> None:
    def read(prompt: str) -> list[object]:
        (tmp_path / "beside_items.py").write_text(
            "from synpic.prompts.suites import *\n"
            f"ITEMS = [SuiteItem('1', {prompt!r})]\n"
            "def read(data): return SuiteContent(ITEMS)\n"
            "MINE = Suite('mine', '', read)\n"
        )
        snapshot = suite('name = "beside_items:MINE"').snapshot()
        prompts = ensure_prompts(snapshot).table
        found = stored_suite(snapshot.workspace)
        assert found is not None
        assert found.table.column("prompt_id").equals(prompts.column("prompt_id"))
        return prompts.column("prompt").to_pylist()

    assert read("a dog") == ["a dog"]
    assert read("a big dog") == ["a big dog"]


def test_a_suite_that_is_away_is_read_from_the_workspace(suite: MakeSuite, tmp_path: Path) -> None:
    (tmp_path / "gone.py").write_text(
        "from synpic.prompts.suites import *\n"
        "MINE = Suite('mine', '', lambda data: SuiteContent([SuiteItem('1', 'a dog')]),\n"
        "             protocol=Protocol(5))\n"
    )
    workspace = suite('name = "gone:MINE"')
    first = ensure_prompts(workspace.snapshot())
    assert workspace.snapshot().recipe.models["m"].samples == 5
    (tmp_path / "gone.py").unlink()
    again = workspace.snapshot()
    # Its images are counted as they were wanted, though nothing says so any more.
    assert again.recipe.models["m"].samples == 5
    prompts, problem = current_prompts(again)
    assert prompts == first
    assert isinstance(problem, UnknownName)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such", "unknown suite 'no_such'"),
        (f"{HERE}:broken", "it failed: ValueError: no list here"),
        (f"{HERE}:NO_SUITE", "is of type int, not a Suite"),
        (f"{HERE}:UNREADABLE", "suite unreadable: its lists cannot be read: KeyError: 'nowhere'"),
        (f"{HERE}:EMPTY", "suite empty: no item"),
    ],
)
def test_what_is_no_suite_is_named(suite: MakeSuite, name: str, message: str) -> None:
    workspace = suite(f'name = "{name}"')
    with pytest.raises((EvaluationError, UnknownName), match=message):
        ensure_prompts(workspace.snapshot())
    assert message.split(":")[0] in " ".join(text for text, _ in validate(workspace).problems)


MODELS = '[models.m]\ncheckpoint = "./m"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[suite]\nname = "shapes"\nfile = "a.csv"\n' + MODELS, "exactly one of name and file"),
        ("[suite]\n" + MODELS, "exactly one of name and file; found neither"),
        ('[suite]\nfile = "a.csv"\nquirks = "official"\n' + MODELS, "has no official program"),
        ('[suite]\nname = "shapes"\nquirks = "mine"\n' + MODELS, "quirks"),
        ('[suite]\nname = "shapes"\nlimit = 0\n' + MODELS, "limit"),
        (
            '[suite]\nname = "shapes"\n[prompts]\nfile = "a.txt"\n' + MODELS,
            r"leave \[prompts\] or \[suite\] out",
        ),
        ('[suite]\nname = "shapes"\n', "at least one"),
        (MODELS, r"prompts: is missing; or \[suite\]"),
        ('[suite]\nname = "shapes"\n' + MODELS + "samples = 4\n", r"say so in suite\.images"),
        (
            '[suite]\nname = "shapes"\nimages = 2\n[ingest]\nimages = "f"\n',
            "suite.images: images that are ingested",
        ),
    ],
)
def test_what_a_recipe_may_not_say(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text)


def test_a_fault_that_nothing_has_is_refused(suite: MakeSuite) -> None:
    snapshot = suite(f'name = "{HERE}:SMALL"\nquirks = "official"').snapshot()
    assert snapshot.recipe.suite is not None
    with pytest.raises(EvaluationError, match="knows of no fault"):
        open_suite(snapshot.recipe.suite, snapshot)


def test_a_protocol_says_what_differs() -> None:
    fixed = Protocol(4, 512, 512, steps=50, guidance=9.0)
    same = ModelSettings(samples=4, sizes=["512x512"], steps=50, guidance=9)
    assert fixed.differences(same) == []
    other = ModelSettings(samples=1, sizes=["1024x1024"], steps=20)
    assert fixed.differences(other) == [
        "1 image a prompt (protocol: 4)",
        "1024x1024 (protocol: 512x512)",
        "steps 20 (protocol: 50)",
        "guidance the pipeline's own (protocol: 9.0)",
    ]
    assert Protocol(1).differences(ModelSettings(steps=3)) == []
    assert fixed.text == "4 images a prompt, 512x512, 50 steps, guidance 9"

"""The documentation says what is so: its commands exist, its code runs, its tables are complete."""

from __future__ import annotations

import configparser
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import BaseModel
from typer.main import get_command
from typer.testing import CliRunner

import synpic
from synpic.publish import publish_to
from synpic.recipe import (
    CompareSettings,
    IngestSettings,
    JudgeSettings,
    PromptSettings,
    PublishSettings,
    QuestionSettings,
    RankingSettings,
    Recipe,
    RecordSettings,
    RewardSettings,
    SafetySettings,
    SuiteSettings,
    parse_recipe,
)
from synpic.recipe.settings import (
    AdapterSettings,
    ComponentSettings,
    ImageSettings,
    ModelSettings,
)
from synpic.registry import REWARDS
from synpic.release.manifest import Manifest
from synpic.score.held_to_people import measured
from synpic.score.reward import open_reward, resolve_reward
from synpic.workspace import Workspace
from synpic_cli.agreement_page import with_table
from synpic_cli.main import app
from synpic_cli.reference import commands, reference
from synpic_cli.rewards_page import BEGIN, pages
from tests.conftest import MakeRecipe

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RECIPES = [
    path
    for room in ("recipe/presets", "train/presets")
    for path in (ROOT / "synpic" / room).glob("*.toml")
]
TEXTS = [*PAGES, *sorted(RECIPES)]

SECTIONS: dict[str, type[BaseModel]] = {
    "Top level": Recipe,
    "`[prompts]`": PromptSettings,
    "`[suite]`": SuiteSettings,
    "`[ingest]`": IngestSettings,
    "`[images]`": ImageSettings,
    "`[models.NAME]`": ModelSettings,
    "`[[models.NAME.adapters]]`": AdapterSettings,
    "`[models.NAME.components.PART]`": ComponentSettings,
    "`[safety]`": SafetySettings,
    "`[rewards.NAME]`": RewardSettings,
    "`[judges.NAME]`": JudgeSettings,
    "`[compare]`": CompareSettings,
    "`[ranking]`": RankingSettings,
    "`[records]`": RecordSettings,
    "`[publish]`": PublishSettings,
    "`[study.questions.NAME]`": QuestionSettings,
}

OWN = ROOT / "docs" / "rewards" / "own.md"


def _within(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("page", PAGES, ids=_within)
every_text = pytest.mark.parametrize("page", TEXTS, ids=_within)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def test_scripts_are_scripts() -> None:
    scripts = [script for page in PAGES for script in blocks(page, "sh")]
    assert scripts
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def section(page: Path, title: str) -> str:
    """What stands under the heading ``title``, up to the next of its kind."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, f"{page.name} has no section {title}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of Markdown tables that begin with code; headers are left out."""
    lines = re.findall(r"^\|\s*(`.*)\|\s*$(?!\n\|-)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return kept.strip().replace(" ", "-")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with a cache of ``datasets`` that is empty too."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


# -- links, code and commands ------------------------------------------------------------------


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    text = prose(page)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[.+?\]: (\S+)$", text, re.M)
    for target in targets:
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", prose(there), re.M)
            assert anchor in map(slug, headings), target


@every_page
def test_python_compiles(page: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        compile(block, f"{page.name}, block {number}", "exec")


@every_page
def test_recipes_are_recipes(page: Path) -> None:
    whole = {"prompts": 'file = "prompts.txt"', "models": 'checkpoint = "owner/name"'}
    for block in blocks(page, "toml"):
        found = tomllib.loads(block)
        if not found.keys() <= Recipe.model_fields.keys():
            assert "project" in found, f"neither a recipe nor a pyproject.toml:\n{block}"
            continue
        instead = {"prompts": {"suite", "ingest"}, "models": {"ingest"}}
        missing = [key for key in whole if not found.keys() & {key, *instead[key]}]
        tables = [f"[{key if key != 'models' else 'models.any'}]\n{whole[key]}" for key in missing]
        parse_recipe("\n".join([block, *tables]), page.name)


def commands_in(page: Path) -> Iterator[list[str]]:
    """The arguments of every ``synpic …`` that a page tells people to type."""
    spans = re.findall(r"`([^`\n]+)`", prose(page))
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    for text in [*lines, *spans]:
        for piece in re.split(r"&&|&$|[;|]", re.sub(r"\s#.*", "", text)):
            told = re.fullmatch(r"\s*(?:[A-Z_]+=\S* )*synpic( .*)?", piece)
            if told:
                yield shlex.split(told[1] or "")


@every_text
def test_commands_exist(page: Path) -> None:
    known = set(commands())
    for words in commands_in(page):
        told = f"synpic {' '.join(words)}"
        command: Any = get_command(app)
        path: tuple[str, ...] = ()
        places = 0
        rest = iter(words)
        for word in rest:
            options = {name: param for param in command.params for name in param.opts}
            if word.startswith("-"):
                assert word in [*options, "--help", "-h"], f"{told}: there is no {word}"
                if word in options and not options[word].is_flag:
                    assert next(rest, None), f"{told}: {word} takes a value"
            elif hasattr(command, "commands"):
                path = (*path, word)
                assert path in known, told
                command = command.commands[word]
                taken = [p.nargs for p in command.params if p.param_type_name == "argument"]
                places = len(words) if -1 in taken else len(taken)
            else:
                places -= 1
                assert places >= 0, f"{told}: {word} is one too many"


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = " ".join([*blocks(page, "bash"), *re.findall(r"`([^`\n]+)`", prose(page))])
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets


def test_the_command_reference_is_up_to_date() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == reference(), "run `make docs`"


def test_the_pages_of_rewards_are_up_to_date() -> None:
    for path, text in pages(ROOT / "docs").items():
        assert path.read_text() == text, f"{path.name}: run `make docs`"


def test_the_table_of_agreement_is_up_to_date_and_of_every_reward() -> None:
    page = (ROOT / "docs" / "agreement.md").read_text()
    runs = measured()
    assert page == with_table(page, runs), "run `make docs`"
    for name in REWARDS.names():
        if REWARDS.origin(name) == "synpic":
            assert f"\n| `{name}` |" in page
    with pytest.raises(ValueError, match="no place in the table: 'hpsv9'"):
        with_table(page, [{**runs[0], "reward": "hpsv9"}])


# -- pages held to what they describe ----------------------------------------------------------


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_of_the_recipe_is_documented(title: str) -> None:
    listed = {
        cells[0].strip("`"): cells[2]
        for cells in rows(section(ROOT / "docs" / "recipe.md", title))
        if len(cells) == 4
    }
    fields = SECTIONS[title].model_fields
    assert list(listed) == list(fields)
    for name, field in fields.items():
        if field.is_required():
            assert listed[name] == "required", name
        elif field.default is None:
            assert listed[name] == "not set", name
        elif not isinstance(field.default, BaseModel) and name != "rewards":
            (written,) = tomllib.loads(f"x = {listed[name].strip('`')}").values()
            assert written == field.default, name


def test_every_room_is_on_the_plan() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = set(re.findall(r"\w+", parser["importlinter:contract:rooms"]["layers"]))
    page = ROOT / "docs" / "architecture.md"
    (drawing,) = blocks(page, "mermaid")
    drawn = set(re.findall(r"\b[a-z_]+\b", re.sub(r'"[^"]*"', "", drawing)))
    assert drawn - {"flowchart", "cli"} == layers
    described = {cells[0].strip("`") for cells in rows(section(page, "Rooms"))}
    assert described == layers


def test_published_columns_are_documented(workspace: Workspace, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    page = ROOT / "docs" / "datasets.md"
    names = ["ranked", "scores", "images", "pairwise", "pickapic"]
    release = publish_to(workspace, tmp_path / "out", configs=names)
    for config in names:
        (shard,) = (release.directory / config).glob("*.parquet")
        found = {
            re.sub(r"^(score|wins)_\w+$", r"\1_<reward>", name)
            for name in pq.read_schema(shard).names
        }
        if config != "pickapic":
            found.add("meta_<name>")  # of these prompts there is none; see test_records
        # Of people who rank, of whom there are none here; see publish/test_people.
        if config in ("scores", "images"):
            found |= {"compared_<name>", "share_<name>"}
        if config == "ranked":
            found.add("wins_<name>")
            found = {re.sub(r"^image_\d+$", "image_…", name) for name in found}
        cells = rows(section(page, "`scores`" if config == "images" else f"`{config}`"))
        listed = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell[0])}
        if config == "ranked":
            listed = {re.sub(r"^image_\d+$", "image_…", name) for name in listed}
        if config == "images":
            listed = (listed | {"image"}) - {"position"}
        assert found == listed, config


def test_the_manifest_is_documented(workspace: Workspace, tmp_path: Path) -> None:
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    release = publish_to(workspace, tmp_path / "out")
    manifest = (release.directory / "manifest.json").read_text()
    keys = re.findall(r'^  "(\w+)":', manifest, re.M)
    page = section(ROOT / "docs" / "datasets.md", "The manifest")
    listed = re.findall(r"`([^`]+)`", " ".join(cell[0] for cell in rows(page)))
    assert sorted(keys) == sorted(listed) == sorted(Manifest.model_fields)
    for cell, holds in rows(page):
        for key in re.findall(r"`([^`]+)`", cell):
            said = re.findall(r"`([^`]+)`", holds)
            assert _keys_of(Manifest.model_fields[key].annotation) <= set(said), key


def _keys_of(annotation: Any) -> set[str]:
    """The keys of the objects in a field of a model, and of those in them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        inner = [_keys_of(one.annotation) for one in fields.values()]
        return {one.alias or name for name, one in fields.items()}.union(*inner)
    return set().union(*(_keys_of(one) for one in typing.get_args(annotation)))


# -- what is shown, run ------------------------------------------------------------------------


def test_the_main_job_of_the_readme(
    offline: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synpic.recipe.presets.preset", lambda name: recipe(prompts=6))
    monkeypatch.setattr("synpic.pipeline.steps.preset", lambda name: recipe(prompts=6))
    readme = ROOT / "README.md"
    (job,) = re.findall(r"```bash\n(.*?)```", section(readme, "The main job"), re.S)
    load, alone = re.findall(r"```python\n(.*?)```", section(readme, "The main job"), re.S)
    verbs = []
    for command in re.split(r"&&|\n", job.strip()):
        words = shlex.split(command)
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
        elif words[0] == "synpic":
            ended = CliRunner().invoke(app, words[1:])
            assert ended.exit_code == 0, (command, ended.output, ended.exception)
            verbs.append(words[1])
    assert verbs == ["init", "validate", "generate", "score", "publish"]

    monkeypatch.chdir(offline)
    shown: dict[str, Any] = {}
    exec(load, shown)
    assert shown["ranked"].num_rows == 6
    assert isinstance(shown["best"], Image.Image)
    exec(alone, shown)
    assert shown["dataset"].num_rows == 6


def test_the_example_of_ranking(capsys: pytest.CaptureFixture[str]) -> None:
    from synpic.rank import Aggregation

    page = ROOT / "docs" / "ranking.md"
    people = page.with_name("ranking-people.md")
    (code,) = blocks(page, "python")
    exec(code, shown := {})
    for block in blocks(people, "python"):
        exec(block, shown)
    assert capsys.readouterr().out == "".join([*blocks(page, "text"), *blocks(people, "text")])
    (mine,) = blocks(page.with_name("ranking-own.md"), "python")
    exec(mine, shown)
    own = Aggregation("strictest", shown["strictest"])
    table = shown["rank"](shown["scored"], {"imagereward": 1, "pickscore": 1}, aggregation=own)
    # The least of (3, 1), (1, 3), (1, 2) and (0, 0) wins of 3.
    assert table.table["preference"].to_list() == [1 / 3, 1 / 3, 1 / 3, 0]

    import polars as pl

    from synpic.rank import AGGREGATIONS, STRATEGIES, pairs, rank

    scored: pl.DataFrame = shown["scored"]
    listed = {cells[0].strip("`"): cells[2:] for cells in rows(section(page, "Other aggregations"))}
    assert list(listed) == list(AGGREGATIONS), (
        'docs/ranking.md has a row for each under "Other aggregations", in that order'
    )
    for name, values in listed.items():
        table = rank(scored, {"imagereward": 1, "pickscore": 1}, aggregation=name).table
        assert [float(value.replace("−", "-")) for value in values] == pytest.approx(
            table["preference"].to_list(), abs=5e-4
        )
    chosen = {cells[0].strip("`"): cells[1] for cells in rows(section(page, "Pairs"))}
    assert list(chosen) == list(STRATEGIES)
    for name, text in chosen.items():
        found = pairs(shown["ranking"].table, name).select("chosen_id", "rejected_id").rows()
        assert ", ".join(f"{one} > {other}" for one, other in found) == text


def test_how_to_load(workspace: Workspace, offline: Path) -> None:
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    publish_to(workspace, offline / "out")
    shown: dict[str, Any] = {}
    for block in blocks(ROOT / "docs" / "datasets.md", "python"):
        exec(block, shown)
        assert len(shown["scores"]) == 20
    assert next(iter(shown["stream"]))["prompt"] == shown["ranked"][0]["prompt"]


def test_the_quickstart(offline: Path, recipe: MakeRecipe, capsys: Any) -> None:
    quickstart = runpy.run_path(str(ROOT / "examples" / "quickstart.py"))
    assert parse_recipe(quickstart["RECIPE"].format(count=4)).prompts.count == 4
    main = quickstart["main"]
    main.__globals__["RECIPE"] = recipe(prompts=6, more='[records]\nconfigs = ["pairwise"]')
    main(offline / "made", 6)
    assert "6 prompts, 12 images, 24 scores" in capsys.readouterr().out
    main(offline / "made", 6)  # again: it goes on
    assert (offline / "made" / "dataset" / "manifest.json").exists()


def test_every_reward_has_its_page() -> None:
    names = {name for name in REWARDS.names() if REWARDS.origin(name) == "synpic"}
    folder = ROOT / "docs" / "rewards"
    made = {path.stem for path in folder.glob("*.md") if BEGIN in path.read_text()}
    assert made == {*names, "accuracy"}, "run `make docs`; delete pages of rewards that are gone"
    nav = re.findall(r"rewards/(\w+)\.md$", (ROOT / "mkdocs.yml").read_text(), re.M)
    pages = {path.stem for path in folder.glob("*.md")}
    assert sorted(nav) == sorted(pages), (
        f"in the nav of mkdocs.yml, list {sorted(pages - {*nav})} once each, "
        f"and take out {sorted({*nav} - pages)}"
    )
    assert nav[0] == "own"


def test_the_reward_in_two_steps_is_one(tmp_path: Path) -> None:
    (code,) = (b for b in blocks(OWN, "python") if "Brightness" in b)
    exec(code, shown := {})
    images = [Image.new("RGB", (40, 30), color) for color in ("black", "white")]
    assert shown["Brightness"]().score(["any", "any"], images) == [0, 1]


def test_the_example_of_a_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    # Other tests have modules of this name.
    request.addfinalizer(lambda: sys.modules.pop("my_reward", None))
    workspace = Workspace.create(tmp_path, (ROOT / "examples" / "my_reward.toml").read_text())
    snapshot = workspace.snapshot()
    rewards = snapshot.recipe.rewards
    assert list(rewards) == ["shapes_alignment", "sharpness", "restraint"]
    wanted = [resolve_reward(name, settings, snapshot.lock) for name, settings in rewards.items()]
    noisy = Image.effect_noise((32, 32), 60).convert("RGB")
    plain = Image.new("RGB", (32, 32), "navy")
    prompts = ["a blue square", "a blue square"]
    sharp, restrained = (open_reward(one, workspace, "cpu") for one in wanted[1:])
    scores = sharp.score(prompts, [noisy, plain])
    assert scores[0] > scores[1] == 0
    scores = restrained.score(prompts, [noisy, plain])
    assert scores[0] < scores[1] == 0

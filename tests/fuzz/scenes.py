"""What is damaged: small valid folders, each made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["SCENES", "prompts_in", "trained_state"]

RECIPE = """\
[prompts]
file = "{prompts}"

[models.alpha]
family = "tests.fakes:Painter"
checkpoint = "./weights/alpha"
sizes = ["8x8"]
samples = 2

[models.beta]
family = "tests.fakes:Painter"
checkpoint = "./weights/beta"
steps = 7
call = {{ sleep = 0.0 }}

[rewards.redness]
reward = "tests.publish.fixtures:redness"

[rewards.greenness]
reward = "tests.publish.fixtures:greenness"
weight = 0.5

[ranking]
aggregation = "win-rate"
"""

GIVEN = """\
[ingest]
images = "pictures"

[rewards.redness]
reward = "tests.publish.fixtures:redness"
"""

PROMPTS = ["a red circle", "two green stars", "café “naïve” 日本語"]

LINES = "".join(f"{prompt}\n" for prompt in PROMPTS)


def prompts_in(kind: str, folder: Path) -> str:
    """Write the prompts as a file of ``kind``; its name."""
    path = folder / f"prompts.{kind}"
    columns = {
        "prompt": PROMPTS,
        "split": ["train", "train", "validation"],
        "difficulty": [1, 2, 3],
    }
    if kind == "txt":
        path.write_text(LINES, encoding="utf-8")
    elif kind == "csv":
        table = zip(*columns.values(), strict=True)
        rows = ["prompt,split,difficulty", *(f"{p},{s},{d}" for p, s, d in table)]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    elif kind == "jsonl":
        rows = [
            json.dumps({"prompt": p, "split": s, "difficulty": d}, ensure_ascii=False)
            for p, s, d in zip(*columns.values(), strict=True)
        ]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    else:
        path = folder / "source.parquet"
        pq.write_table(pa.table(columns), path)
    return path.name


def workspace(root: Path) -> None:
    """A workspace that is drawn and scored, with a failure; and a release of it in ``out``."""
    from synpic.pipeline.inventory import take_inventory
    from synpic.publish import publish_to
    from synpic.workspace import Workspace, tables
    from tests.publish.fixtures import build

    root.mkdir(parents=True)
    prompts_in("txt", root)
    splits = [(prompt, "train") for prompt in PROMPTS]
    made = build(
        root, splits, text=RECIPE.format(prompts="prompts.txt"), flag=lambda row: False,
        keep=lambda row: not (row["prompt"] == PROMPTS[2] and row["model"] == "beta"),
    )  # fmt: skip
    inventory = take_inventory(made)
    lacking = inventory.wanted_candidates().filter(model="beta").row(2, named=True)
    row = {
        "stage": "generate", "candidate_id": lacking["candidate_id"], "name": "beta",
        "fingerprint": lacking["fingerprint"], "reason": "not a number", "attempts": 1,
    }  # fmt: skip
    made.write_part("failures", pa.Table.from_pylist([row], tables.FAILURES), {})
    publish_to(Workspace.open(root), root / "out")


def compared(root: Path) -> None:
    """A workspace of which a comparer compared every pair."""
    from tests.publish.fixtures import build
    from tests.publish.test_comparers import VERSUS, compare_pairs

    root.mkdir(parents=True)
    prompts_in("txt", root)
    splits = [(prompt, "train") for prompt in PROMPTS]
    text = RECIPE.format(prompts="prompts.txt") + VERSUS
    compare_pairs(build(root, splits, text=text))


def judged(root: Path) -> None:
    """A workspace whose images a judge judged, by the items of a suite."""
    import pyarrow as pa

    from synpic import score_candidates
    from synpic.pipeline.inventory import take_inventory
    from synpic.workspace import Workspace, tables
    from synpic.workspace.suite import write_suite
    from tests.conftest import edit

    workspace(root)
    shutil.rmtree(root / "out")
    text = (root / "recipe.toml").read_text("utf-8")
    made = edit(Workspace.open(root), text + JUDGE)
    row = {"suite": "mine", "version": "1", "tag": "all", "spec": '{"text": "a picture"}'}
    prompts = take_inventory(made).prompts["prompt_id"]
    rows = [{**row, "prompt_id": one, "item": str(at)} for at, one in enumerate(prompts)]
    write_suite(made, pa.Table.from_pylist(rows, tables.SUITE))
    score_candidates(made, only=["right"], device="cpu").raise_if_unfinished()


JUDGE = """
[judges.right]
judge = "tests.fake_judges:Batched"
"""


def sources(root: Path) -> None:
    """Workspaces of which nothing is made yet, one for each kind of prompts file."""
    for kind in ("txt", "csv", "jsonl", "parquet"):
        folder = root / kind
        for name in ("alpha", "beta"):
            (folder / "weights" / name).mkdir(parents=True)
            (folder / "weights" / name / "model.bin").write_text(name)
        recipe = RECIPE.format(prompts=prompts_in(kind, folder))
        (folder / "recipe.toml").write_text(recipe, encoding="utf-8")


SUITE_ROWS = (
    {"prompt": PROMPTS[0], "tag": "x", "questions": [{"id": "1", "text": "Is it there?"}]},
    {"prompt": PROMPTS[1], "tag": "y", "phrases": ["a red circle"]},
    {"prompt": PROMPTS[2], "objects": {"include": [{"class": "dog", "count": 2}]}},
)


def suites(root: Path) -> None:
    """A workspace whose prompts are a suite of its own, of which nothing is drawn yet."""
    from synpic.prompts import ensure_prompts
    from synpic.workspace import Workspace

    for name in ("alpha", "beta"):
        (root / "weights" / name).mkdir(parents=True)
        (root / "weights" / name / "model.bin").write_text(name)
    rows = [json.dumps(row, ensure_ascii=False) for row in SUITE_ROWS]
    (root / "mine.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = RECIPE.replace("samples = 2\n", "")
    text = text.replace('[prompts]\nfile = "{prompts}"', '[suite]\nfile = "mine.jsonl"')
    (root / "recipe.toml").write_text(text.format(), encoding="utf-8")
    ensure_prompts(Workspace.open(root).snapshot())


def release(root: Path) -> None:
    """Two releases in folders: ``rel``, and ``later`` of the same images by other weights."""
    from synpic.publish import publish_to
    from synpic.workspace import Workspace
    from tests.conftest import edit

    workspace(root / "set")
    made = Workspace.open(root / "set")
    configs = ["ranked", "scores", "pairwise"]
    publish_to(made, root / "rel", configs=configs)
    text = (root / "set" / "recipe.toml").read_text("utf-8").replace("weight = 0.5", "weight = 2.0")
    publish_to(edit(made, text), root / "later", configs=configs)
    shutil.rmtree(root / "set")


def pictures(root: Path) -> None:
    """Images with captions, in each of the three ways in which captions are given."""
    from tests.ingest.conftest import picture

    for way in ("txt", "csv", "jsonl"):
        folder = root / way / "pictures"
        folder.mkdir(parents=True)
        files = {"a.png": ("PNG", "RGB"), "b.jpg": ("JPEG", "RGB"), "c.png": ("PNG", "RGBA"),
                 "d.webp": ("WEBP", "RGB")}  # fmt: skip
        captions = dict(zip(files, [PROMPTS[0], PROMPTS[0], PROMPTS[1], PROMPTS[1]], strict=True))
        for number, (name, (kind, mode)) in enumerate(files.items()):
            (folder / name).write_bytes(picture(number, kind, mode))
            if way == "txt":
                (folder / name).with_suffix(".txt").write_text(captions[name], encoding="utf-8")
        if way == "csv":
            rows = ["file_name,text", *(f"{name},{text}" for name, text in captions.items())]
            (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        if way == "jsonl":
            lines = [json.dumps({"file_name": n, "text": t}) for n, t in captions.items()]
            (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / way / "recipe.toml").write_text(GIVEN, encoding="utf-8")


def tars(root: Path) -> None:
    """A tar in the layout of WebDataset."""
    from tests.ingest.conftest import picture
    from tests.ingest.test_tar_shards import write

    captions = [PROMPTS[0], PROMPTS[0], PROMPTS[2]]
    files = [
        file
        for number, caption in enumerate(captions)
        for file in (
            (f"{number}.0.png", picture(number)), (f"{number}.1.jpg", picture(9, "JPEG")),
            (f"{number}.json", json.dumps({"prompt": caption, "models": ["a", "b"]}).encode())
            if number else (f"{number}.txt", caption.encode()),
        )
    ]  # fmt: skip
    root.mkdir(parents=True)
    write(root / "set.tar", files)
    (root / "recipe.toml").write_text(GIVEN.replace('"pictures"', '"set.tar"'), encoding="utf-8")


def labelled(root: Path) -> None:
    """Images that somebody labelled: files with lists in JSON, and a dataset; and one ingested."""
    from synpic.pipeline.steps import ingest_candidates
    from synpic.workspace import Workspace
    from tests.ingest.conftest import picture
    from tests.ingest.labels.making import write

    rows = [
        {"prompt": PROMPTS[0], "image_path": ["0.png", "1.png", "2.png"], "rank": [2, 1, 3],
         "raw_annotations": [{"rank": [1, 2, 3], "user_hash": "a"}]},
        {"prompt": PROMPTS[1], "image_path": ["3.png", "0.png"], "rank": [1, 2],
         "raw_annotations": []},
    ]  # fmt: skip
    columns: dict[str, Any] = {
        "caption": [PROMPTS[0], PROMPTS[0], PROMPTS[1]],
        "jpg_0": [picture(0), picture(1), picture(3)],
        "jpg_1": [picture(1), picture(2), picture(4)],
        "label_0": [1.0, 0.5, 0.0],
        "label_1": [0.0, 0.5, 1.0],
        "has_label": [True, True, False],
        "user_id": [7, 8, 9],
    }
    for way in ("json", "parquet", "set"):
        folder = root / way / "pictures"
        if way == "json":
            folder.mkdir(parents=True)
            for seed in range(4):
                (folder / f"{seed}.png").write_bytes(picture(seed))
            (folder / "test.json").write_text(json.dumps(rows), encoding="utf-8")
        else:
            write(folder, columns)
        text = GIVEN if way == "json" else GIVEN.replace("images =", "dataset =")
        (root / way / "recipe.toml").write_text(text, encoding="utf-8")
    ingest_candidates(Workspace.open(root / "set"))


def arrows(root: Path) -> None:
    """What ``save_to_disk`` writes."""
    from tests.ingest.test_lists import saved

    root.mkdir(parents=True)
    saved(root / "data")
    given = GIVEN.replace('images = "pictures"', 'dataset = "data"')
    (root / "recipe.toml").write_text(given, encoding="utf-8")


def pair(root: Path) -> None:
    """Two workspaces of one content, and a recipe for what they are merged to."""
    workspace(root / "one")
    shutil.rmtree(root / "one" / "out")
    shutil.copytree(root / "one", root / "two")
    text = RECIPE.partition("\n\n")[2].format().replace('"./weights/', '"one/weights/')
    (root / "both.toml").write_text(text, encoding="utf-8")


def ingested(root: Path) -> None:
    """The same, ingested and scored."""
    from synpic.pipeline.steps import score_candidates
    from synpic.workspace import Workspace

    pictures(root)
    for way in ("csv", "jsonl"):
        shutil.rmtree(root / way)
    score_candidates(Workspace.open(root / "txt"), device="cpu")
    assert any((root / "txt" / "scores").iterdir())


def run(root: Path) -> None:
    """A training recipe, its release and its tiny model; a checkpoint of a run; a trained model."""
    from synpic.publish import publish_to
    from synpic.train.state import save_state
    from tests.generate import tiny
    from tests.publish.fixtures import build, picture
    from tests.publish.test_model_release import trained
    from tests.train.runs import RECIPE as TRAINING

    root.mkdir(parents=True)
    tiny.save("sd", root / "sd")
    rows = [(f"a red circle {n}", "train") for n in range(3)]
    made = build(root / "set", rows, draw=lambda row: picture(row, tiny.SIDE))
    publish_to(made, root / "rel", configs=["ranked"])
    shutil.rmtree(root / "set")
    (root / "tune.toml").write_text(TRAINING.format(checkpoint="./sd", dataset="./rel"))
    trained(root)
    weights, optimizer = trained_state()
    save_state(root / "checkpoints", 7, weights, optimizer, None, DECIDES, keep=2)


DECIDES = {"seed": 0, "objective": {"name": "rankdpo", "beta": 100.0}}


def trained_state() -> tuple[dict[str, Any], Any]:
    """Weights and an optimizer that has made a step."""
    import torch

    weights = {"a.weight": torch.full((2, 3), 1.0, requires_grad=True)}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.1)
    weights["a.weight"].sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return weights, optimizer


def adapters(root: Path) -> None:
    """A recipe whose model is a tiny one with a LoRA, nothing drawn yet."""
    from tests.generate import tiny
    from tests.generate.loras import save_lora

    root.mkdir(parents=True)
    tiny.save("sd", root / "sd")
    save_lora(root / "sd", root / "lora", seed=1)
    text = (
        f'[prompts]\nfile = "{prompts_in("txt", root)}"\n\n[models.m]\nfamily = "sd"\n'
        'checkpoint = "./sd"\nsteps = 1\nsizes = ["16x16"]\nsamples = 2\n'
        'adapters = [{ checkpoint = "./lora", scale = 0.5 }]\n'
    )
    (root / "recipe.toml").write_text(text, encoding="utf-8")


def online(root: Path) -> None:
    """Two releases to be put on a Hub, and a recipe whose model lies there."""
    release(root)
    prompts_in("txt", root)
    text = RECIPE.format(prompts="prompts.txt").replace("./weights/alpha", "maker/model")
    (root / "recipe.toml").write_text(text.replace("./weights/beta", "maker/model"))


def study(root: Path) -> None:
    """A workspace with a study, its votes, and answers to it from Argilla and Rapidata."""
    from synpic.study.definition import folder_of, write_study
    from synpic.study.new import StudyOptions, plan_study
    from synpic.workspace import Workspace
    from synpic.workspace.votes import Vote, Votes
    from tests.study import simulated

    workspace(root)
    made = Workspace.open(root)
    options = StudyOptions(pairs=2, questions=["alignment"])
    found = plan_study(made, options).study
    write_study(made, found)
    rows = simulated.votes(found, {"1" * 32: simulated.Ways(), "2" * 32: simulated.Ways()})
    with Votes(folder_of(made, "study") / "votes.db", create=True) as votes:
        for row in rows.drop("number").iter_rows(named=True):
            votes.append(Vote(**row))
    answer = {"value": "left", "user_id": "1"}
    records = [{"id": one, "responses": {"alignment": [answer]}} for one in found.by_id]
    (root / "records.json").write_text(json.dumps(records))
    results = [
        {"aggregatedResults": {f"{one}-1.webp": 2, f"{one}-2.webp": 1}} for one in found.by_id
    ]
    (root / "results.json").write_text(json.dumps({"results": results}))


SCENES: Mapping[str, Callable[[Path], None]] = {
    "workspace": workspace,
    "compared": compared,
    "judged": judged,
    "sources": sources,
    "suites": suites,
    "release": release,
    "pictures": pictures,
    "tars": tars,
    "arrows": arrows,
    "pair": pair,
    "ingested": ingested,
    "labelled": labelled,
    "run": run,
    "adapters": adapters,
    "online": online,
    "study": study,
}

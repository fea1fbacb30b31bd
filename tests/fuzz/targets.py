"""Which files are damaged, and which commands read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.fuzz import scenes

__all__ = ["FUNCTIONS", "TARGETS", "Target", "kind_of"]

Exact = Literal["always", "raw", "never"]


@dataclass(frozen=True)
class Target:
    """A kind of file and the commands that read it.

    Args:
        scene: the folder that is made for it, of ``scenes.SCENES``.
        files: patterns of the files that are damaged.
        commands: words each; the seed chooses one.
        inside: the folder of the scene to stand in.
        exact: whether a command that succeeds has to give what it gives of the undamaged file:
            whatever was done to it, only where bytes were damaged, or not.
        inexact: commands (their first word) that are not held to it.
        writes: patterns of what commands may make, replace or delete.
        names: what a message may name instead of the file.
        result: pattern of files that are part of a command's result.
        kind: of the files, where their ending does not say it.
        damaged: the files; or the answers of the Hub, or the words of the command, instead.
        hub: there is a Hub.
        fast: cases in the fast lane.
        own: the file is what the command is about, so that a key of it is place enough.
    """

    scene: str
    files: Sequence[str]
    commands: Sequence[Sequence[str]]
    inside: str = "."
    exact: Exact = "never"
    inexact: Sequence[str] = ()
    writes: Sequence[str] = ()
    names: Sequence[str] = ()
    result: str = ""
    kind: str | None = None
    damaged: Literal["files", "answers", "words"] = "files"
    hub: bool = False
    fast: int = 12
    own: bool = field(default=False)


CACHES = ("recipe.lock", "prompts.parquet", "suite.parquet", "ingest.parquet")
"""What commands make again by themselves."""

_MADE = ("candidates/*", "scores/*", "failures/*")
_READ = [("rank", "--json"), ("status", "--json"), ("publish", "--to", "made"), ("repair",)]
_RELEASE = [
    ("verify", "rel"),
    ("verify", "rel", "--quick", "--json"),
    ("diff", "rel", "later", "--json"),
    ("diff", "later", "rel", "--prompts", "2"),
    ("re-rank", "rel", "--json"),
    ("re-rank", "rel", "--without-model", "beta"),
    ("export", "--to", "pickapic", "made", "rel"),
    ("remake", "rel", "--dry-run", "--no-images", "--trust-code", "--json"),
    ("@load",),
]

TARGETS: Mapping[str, Target] = {
    "recipe": Target(
        "workspace",
        ["recipe.toml"],
        [("validate",), ("status", "--json"), ("rank", "--json"), ("publish", "--to", "made"),
         ("plan", "--json"), ("generate", "--dry-run", "--json"), ("score", "--dry-run", "--json")],
        writes=("made/*", *CACHES),
        own=True,
        fast=15,
    ),
    "lock": Target(
        "workspace",
        ["recipe.lock"],
        [("status", "--json"), ("rank", "--json"), ("publish", "--to", "made"), ("validate",)],
        exact="always",
        writes=("made/*", *CACHES),
        result="made/ranked/*.parquet",
        kind="json",
        fast=10,
    ),
    **{
        f"prompts_{kind}": Target(
            "sources",
            [f"prompts.{kind}" if kind != "parquet" else "source.parquet"],
            [("validate", "--json"), ("validate",), ("generate", "--dry-run", "--json"),
             ("status", "--json")],
            inside=kind,
            writes=CACHES,
            fast=6,
        )
        for kind in ("txt", "csv", "jsonl", "parquet")
    },
    "suite": Target(
        "suites",
        ["mine.jsonl"],
        [("validate", "--json"), ("validate",), ("generate", "--dry-run", "--json"),
         ("status", "--json")],
        writes=CACHES,
    ),
    "suite_cache": Target(
        "suites",
        ["suite.parquet"],
        [("validate", "--json"), ("generate", "--dry-run", "--json"), ("status", "--json")],
        exact="always",
        writes=CACHES,
    ),
    "prompts_cache": Target(
        "workspace",
        ["prompts.parquet"],
        [("status", "--json"), ("rank", "--json"), ("publish", "--to", "made"), ("validate",),
         ("generate", "--dry-run")],
        exact="always",
        writes=("made/*", *CACHES),
        result="made/*/*.parquet",
    ),
    "ingest_cache": Target(
        "ingested",
        ["ingest.parquet"],
        [("status", "--json"), ("validate", "--json"), ("score", "--dry-run", "--json")],
        inside="txt",
        exact="always",
        writes=CACHES,
    ),
    **{
        kind: Target(
            "workspace",
            [f"{kind}/**/*.parquet"],
            _READ,
            exact="always",
            writes=("made/*", "set-aside/*", f"{kind}/*", *CACHES),
            result="made/*/*.parquet",
            fast=12,
        )
        for kind in ("scores", "candidates", "failures")
    },
    "comparisons": Target(
        "compared", ["comparisons/**/*.parquet"], _READ, exact="always",
        writes=("made/*", "set-aside/*", "comparisons/*", *CACHES), result="made/*/*.parquet",
        fast=8,
    ),
    "verdicts": Target(
        "judged", ["verdicts/**/*.parquet"],
        [("status", "--json"), ("score", "--dry-run", "--json"), ("repair",)], exact="always",
        writes=("set-aside/*", "verdicts/*", *CACHES), fast=6,
    ),
    "suite_items": Target(
        "judged", ["suite.parquet"],
        [("status", "--json"), ("validate", "--json"), ("score", "--dry-run", "--json")],
        exact="always", writes=CACHES, fast=4,
    ),
    "manifest": Target(
        "release", ["rel/manifest.json"], _RELEASE, exact="raw", writes=("made/*",),
        inexact=("diff", "re-rank", "remake"), result="made/**/*.parquet", fast=20,
    ),
    "shards": Target(
        "release", ["rel/*/*.parquet"], _RELEASE, exact="always", writes=("made/*",),
        result="made/**/*.parquet", fast=12,
    ),
    "card": Target(
        "release", ["rel/README.md"], _RELEASE, writes=("made/*",), kind="card", fast=8,
    ),
    "previous": Target(
        "workspace", ["out/manifest.json", "out/README.md"], [("publish", "--to", "out")],
        exact="always", writes=("out/*", *CACHES), result="out/*/*.parquet", fast=3,
    ),
    "training_recipe": Target(
        "run", ["tune.toml"], [("train", "tune.toml", "--dry-run", "--json")], own=True, fast=0,
    ),
    "training_json": Target(
        "run", ["run/model/training.json"],
        [("publish", "--model", "run/model", "user/model", "--dry-run", "--json"),
         ("publish", "--model", "run/model", "user/model", "--dry-run")],
        hub=True, fast=0,
    ),
    "model_card": Target(
        "run", ["run/model/README.md"],
        [("publish", "--model", "run/model", "user/model", "--dry-run", "--json")],
        hub=True, kind="card", fast=0,
    ),
    "weights": Target(
        "run", ["run/model/*.safetensors"],
        [("publish", "--model", "run/model", "user/model", "--dry-run", "--json")],
        hub=True, fast=0,
    ),
    "state": Target(
        "run", ["checkpoints/step-*/*"], [("@state",)], exact="always", names=["step-00000007"],
        fast=0,
    ),
    "trained_release": Target(
        "run", ["rel/manifest.json", "rel/*/*.parquet"],
        [("train", "tune.toml", "--dry-run", "--json")], names=["rel"], fast=0,
    ),
    "model_files": Target(
        "adapters", ["sd/**/*.json"], [("validate",)], writes=CACHES,
        names=["./sd", "models.m", "m:"], fast=0,
    ),
    "lora": Target(
        "adapters", ["lora/*.safetensors"], [("validate",), ("generate", "--device", "cpu")],
        writes=(*_MADE, *CACHES), names=["lora"], fast=0,
    ),
    "images": Target(
        "pictures", ["pictures/*.png", "pictures/*.jpg", "pictures/*.webp"],
        [("score", "--device", "cpu", "--table", "table.csv"), ("validate", "--json")],
        inside="txt", writes=("table.csv", *_MADE, *CACHES), result="table.csv", fast=2,
    ),
    **{
        f"captions_{way}": Target(
            "pictures",
            ["pictures/*.txt" if way == "txt" else f"pictures/metadata.{way}"],
            [("validate", "--json"), ("validate",), ("score", "--dry-run", "--json")],
            inside=way,
            writes=CACHES,
            fast=5,
        )
        for way in ("txt", "csv", "jsonl")
    },
    "tars": Target(
        "tars", ["set.tar"],
        [("validate", "--json"), ("score", "--dry-run", "--json"),
         ("score", "--device", "cpu", "--table", "table.csv")],
        writes=("table.csv", *_MADE, *CACHES), result="table.csv", fast=8,
    ),
    "lists_of_preferences": Target(
        "labelled", ["pictures/test.json"],
        [("validate", "--json"), ("validate",), ("score", "--dry-run", "--json")],
        inside="json", writes=(*CACHES, "labels/*"), names=["pictures"], fast=8,
    ),
    "labelled_rows": Target(
        "labelled", ["pictures/*.parquet"],
        [("validate", "--json"), ("validate",), ("score", "--dry-run", "--json")],
        inside="parquet", writes=(*CACHES, "labels/*"), names=["pictures"], fast=6,
    ),
    "labels": Target(
        "labelled", ["labels/**/*.parquet"],
        [("status", "--json"), ("repair",)],
        inside="set", exact="always", writes=("set-aside/*", "labels/*", *CACHES), fast=8,
    ),
    "arrows": Target(
        "arrows", ["data/*"],
        [("validate", "--json"), ("score", "--dry-run", "--json"),
         ("score", "--device", "cpu", "--table", "table.csv")],
        writes=("table.csv", "labels/*", *_MADE, *CACHES), result="table.csv", fast=8,
    ),
    "merge_recipe": Target(
        "pair", ["both.toml"],
        [("merge", "one", "two", "--to", "made", "--recipe", "both.toml", "--json"),
         ("merge", "one", "two", "--to", "made", "--recipe", "both.toml", "--dry-run")],
        writes=("made/*", "one/recipe.lock", "two/recipe.lock"), own=True, fast=8,
    ),
    "answers": Target(
        "online", [],
        [("verify", "user/set@v1.0.0"), ("verify", "user/set", "--quick"),
         ("versions", "user/set", "--json"),
         ("diff", "user/set@v1.0.0", "user/set@v1.1.0", "--json"),
         ("re-rank", "user/set@v1.0.0", "--json"), ("validate",),
         ("export", "--to", "pickapic", "made", "user/set@v1.0.0")],
        exact="raw", writes=("made/*", *CACHES), names=["user/set", "maker/model"],
        result="made/**/*.parquet", damaged="answers", hub=True, fast=0,
    ),
    "study": Target(
        "study", ["study/study/study.json"],
        [("study", "report", "--json"), ("study", "raters", "--json"), ("study", "report")],
        exact="always", fast=6,
    ),
    "votes": Target(
        "study", ["study/study/votes.db"],
        [("study", "report", "--json"), ("study", "raters", "--json"), ("study", "report")],
        exact="always", writes=("study/study/votes.db-*",), fast=8,
    ),
    "outside_answers": Target(
        "study", ["records.json", "results.json"],
        [("study", "import", "records.json", "--json"), ("study", "import", "results.json")],
        writes=("labels/*", *CACHES), fast=6,
    ),
    "options": Target(
        "workspace", [], [("status",)], names=[""],
        damaged="words", fast=12,
    ),
}  # fmt: skip


def kind_of(target: Target, name: str) -> str:
    """The kind of a file, as ``operators.KINDS`` names it."""
    if target.kind is not None:
        return target.kind
    kinds = {".md": "card", ".txt": "text", ".jpg": "jpeg", ".toml": "toml", ".pt": "bytes"}
    ending = Path(name).suffix
    known = ("json", "csv", "jsonl", "parquet", "png", "safetensors", "tar")
    return kinds.get(ending, ending[1:] if ending[1:] in known else "bytes")


def _load() -> Any:
    import synpic

    loaded = synpic.load_rankings("rel")
    return {split: table.with_format("arrow")[:].to_pylist() for split, table in loaded.items()}


def _state() -> Any:
    from synpic.train.state import load_state

    weights, optimizer = scenes.trained_state()
    return load_state(Path("checkpoints/step-00000007"), weights, optimizer, None, scenes.DECIDES)


FUNCTIONS: Mapping[str, Callable[[], Any]] = {
    "@load": _load,
    "@state": _state,
}

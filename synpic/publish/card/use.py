"""How a release is loaded and trained on, as code that its card shows."""

from __future__ import annotations

from synpic.release.manifest import Manifest

__all__ = ["export_line", "load_line", "named", "split_to_show", "train_line"]


def load_line(manifest: Manifest, repository: str | None, tag: str | None, config: str) -> str:
    """Python that loads one split of a table; of a folder, run in it."""
    revision = f', revision="{tag}"' if repository and tag else ""
    where = f'"{repository}"' if repository else "str(Path.cwd())"
    split = split_to_show(manifest, config)
    return f'{config} = load_dataset({where}, "{config}", split="{split}"{revision})'


def split_to_show(manifest: Manifest, config: str) -> str:
    """``train`` where there is one, else the first."""
    splits = list(manifest.records[config])
    return "train" if "train" in splits else splits[0]


def train_line(manifest: Manifest, repository: str | None, tag: str | None) -> str | None:
    """A command that trains on the release by RankDPO; None where it has no table for that."""
    if "ranked" not in manifest.records:
        return None
    world = all(one.checkpoint.startswith("package:synpic.shapes") for one in manifest.models)
    preset = "shapes" if world else "rankdpo-sdxl"
    return f"synpic train --preset {preset} --set data.dataset={named(repository, tag)} --out run"


def export_line(repository: str | None, tag: str | None) -> str:
    """A command that writes the release's pairs in the columns of Pick-a-Pic."""
    return (
        f"synpic export --to pickapic {'' if repository else '../'}pairs {named(repository, tag)}"
    )


def named(repository: str | None, tag: str | None) -> str:
    """The release as commands of synpic take it; of a folder, run in it."""
    if repository is None:
        return "."
    return f"{repository}@{tag}" if tag else repository

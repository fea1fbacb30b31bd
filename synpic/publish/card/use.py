"""How a release is loaded, trained on and cited, as code that its card shows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synpic.release.cards.markdown import one_line
from synpic.release.manifest import Manifest

__all__ = ["citation", "export_line", "load_line", "named", "split_to_show", "train_line"]

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", **{sign: f"\\{sign}" for sign in "&%$#_"},
}  # fmt: skip


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


def citation(
    title: str, authors: Sequence[str], year: int | None, repository: str | None, tag: str | None
) -> str:
    """The release as an entry of BibTeX. What is not known is left out, and nothing made up."""
    names = [one_line(name) for name in authors]
    if not names and repository:
        names = [repository.partition("/")[0]]
    short = repository.partition("/")[2] if repository else title
    key = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-") or "dataset"
    fields = {
        "title": _latex(title),
        "author": " and ".join(map(_author, names)),
        "year": str(year or ""),
        "version": tag or "",
        "howpublished": "Hugging Face" if repository else "",
        "url": f"https://huggingface.co/datasets/{repository}" if repository else "",
    }
    given = {name: value for name, value in fields.items() if value}
    width = max(map(len, given))
    lines = ",\n".join(f"  {name:<{width}} = {{{value}}}" for name, value in given.items())
    return f"@misc{{{key}{f'-{tag}' if tag else ''},\n{lines}\n}}"


def _author(name: str) -> str:
    """A name in which the word that parts authors means itself."""
    return f"{{{_latex(name)}}}" if re.search(r"\sand\s", name, re.IGNORECASE) else _latex(name)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in one_line(text))

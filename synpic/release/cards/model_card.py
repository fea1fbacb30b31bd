"""The card of a trained model: ``training.json`` as a page for people.

Names of datasets and checkpoints, prompts and labels are untrusted text. They reach Markdown
only through ``markdown_text`` or ``fence``, Python only as literals, and YAML only through a YAML
writer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from synpic.readers.display import number
from synpic.recipe.toml import write_toml
from synpic.release.cards.bibtex import bibtex
from synpic.release.cards.head import yaml_head
from synpic.release.cards.markdown import fence, markdown_text
from synpic.release.run_folder import SAMPLE_SHEET

__all__ = ["UNKNOWN", "load_lines", "render_card", "without_warning"]

UNKNOWN = "unknown"
"""The license of a model whose publisher gives none: synpic knows none."""

_WARNING = """\
> [!WARNING]
> **License: unknown.** The publisher of this model has not stated one. The terms of the model \
that it was made from bind its use in any case: read them, and ask, before you use or share it."""

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def load_lines(about: Mapping[str, Any], where: str, base: str | None = None) -> str:
    """Python that loads the model with stock diffusers.

    Args:
        about: what ``training.json`` holds.
        where: the folder, or the repository on the Hub.
        base: where the checkpoint lies that was trained, if that is a folder: ``about`` has but the
            last name of its path, which has to be corrected.
    """
    lines = ["from diffusers import DiffusionPipeline", ""]
    # A pipeline that lacks a part (an SD3 without its T5) does not open unless it is told so.
    absent = "".join(f", {name}=None" for name in about.get("absent", ()) if name.isidentifier())
    if about["saved"] == "pipeline":
        lines.append(f"pipeline = DiffusionPipeline.from_pretrained({where!r}{absent})")
        return "\n".join(lines)
    model = about["model"]
    checkpoint, known = str(model["checkpoint"]), {}
    source = repr(base or checkpoint)
    if checkpoint.startswith("package:"):
        lines.insert(1, "from synpic.hub.checkpoints import load_unlocked")
        source = f"load_unlocked({checkpoint!r}, None)[0]"
    elif model.get("repository"):
        known = {"revision": model.get("commit"), "variant": model.get("variant")}
    else:
        known = {"variant": model.get("variant")}
        if base is None:
            lines.append("# What it was made from is a folder: give the path that it has with you.")
    options = "".join(f", {key}={value!r}" for key, value in known.items() if value)
    lines.append(f"pipeline = DiffusionPipeline.from_pretrained({source}{options}{absent})")
    if about["lora_mixin"]:
        lines.append(f"pipeline.load_lora_weights({where!r})")
    else:
        lines.insert(1, "from peft import PeftModel")
        lines.append(
            f"pipeline.transformer = PeftModel.from_pretrained(pipeline.transformer, {where!r})"
        )
    return "\n".join(lines)


def render_card(about: Mapping[str, Any], repository: str | None = None) -> str:
    """The card as Markdown, with a YAML head that the Hub reads.

    Args:
        about: what ``training.json`` holds.
        repository: its name on the Hub; None for a folder, whose card speaks of itself as ``.``.
    """
    recipe, dataset = about["recipe"], about["dataset"]
    on_hub = bool(dataset.get("commit"))
    body = _template().render(
        about=about,
        base=_base(about["model"]),
        dataset=dataset,
        dataset_page=_page(dataset["name"], dataset.get("commit"), "datasets/") if on_hub else None,
        labels=_labels(recipe["data"]["labels"]),
        trained_on=_trained_on(dataset),
        licence=UNKNOWN,
        warning=_WARNING,
        samples=SAMPLE_SHEET if SAMPLE_SHEET in about["files"] else None,
        taught=_taught(about),
        citation=_citation(about, repository),
        load=load_lines(about, repository or "."),
        metrics=_metrics(about["metrics"]),
        objective=_objective(about),
        evaluations=_evaluations(about.get("evaluations", ())),
        drawn_at_steps=_drawn_at_steps(about.get("evaluations", ())),
        family_code=_family_code(about),
        recipe=recipe,
        recipe_toml=write_toml(recipe),
        repository=repository,
        trained="adapters" if recipe["tuning"]["method"] == "lora" else "all weights",
    )
    return f"---\n{yaml_head(_head(about, on_hub))}\n---\n\n{body}"


def without_warning(card: str) -> str:
    """``card`` without the words that its license is unknown."""
    return card.replace(f"{_WARNING}\n\n", "", 1)


def _head(about: Mapping[str, Any], on_hub: bool) -> dict[str, Any]:
    """What the YAML head says. synpic knows no model's licence, and states none."""
    adapter = about["saved"] == "lora"
    base, name = about["model"].get("repository"), about["recipe"]["objective"]["name"]
    # A tag with a colon says something else to the Hub.
    objective = [] if ":" in name else [name]
    tags = ["synpic", "text-to-image", "diffusers", "rlhf", *objective]
    tags += [*(["lora"] if adapter else []), "arxiv:2410.18013"]
    relation = "adapter" if adapter else "finetune"
    return {
        "base_model": base or None,
        "datasets": [_repository(about["dataset"]["name"])] if on_hub else None,
        "library_name": "diffusers",
        "license": UNKNOWN,
        "pipeline_tag": "text-to-image",
        "tags": tags,
        "base_model_relation": relation if base else None,
    }


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["md"] = markdown_text
    environment.globals |= {"fence": fence, "number": number}
    source = files("synpic_cards").joinpath("model.md.jinja").read_text(encoding="utf-8")
    return environment.from_string(source)


def _base(model: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint: what to call it, which one it is, and its page on the Hub."""
    commit = model.get("commit")
    return {
        "name": str(model["checkpoint"]),
        "id": commit or model.get("sha256"),
        "page": _page(model["repository"], commit, "") if model.get("repository") else None,
    }


def _repository(name: str) -> str:
    return name.partition("@")[0]


def _page(name: str, commit: str | None, kind: str) -> str | None:
    repository = _repository(name)
    if not (_REPOSITORY.fullmatch(repository) and re.fullmatch(r"[0-9a-f]+", commit or "")):
        return None
    return f"https://huggingface.co/{kind}{repository}/tree/{commit}"


def _trained_on(dataset: Mapping[str, Any]) -> str:
    """The dataset with its tag, where it is a release of synpic's on the Hub."""
    name, version = str(dataset["name"]), dataset["version"]
    return f"{_repository(name)}@v{version}" if version and dataset.get("commit") else name


def _taught(about: Mapping[str, Any]) -> str:
    """What ranked the images that it learnt from."""
    labels = about["recipe"]["data"]["labels"]
    if labels == "random":
        return "nothing: its labels were shuffled"
    ranked = about["dataset"].get("rewards") or {}
    names = list(ranked) if labels == "published" else labels
    return ", ".join(names) or "what ranked them"


def _citation(about: Mapping[str, Any], repository: str | None) -> str | None:
    """The model as an entry of BibTeX, without a year, which no file of it has."""
    if repository is None:
        return None
    title = f"{_base(about['model'])['name'].rpartition('/')[2]}, fine-tuned"
    return bibtex(title, [], None, repository, None, "model")


def _objective(about: Mapping[str, Any]) -> dict[str, Any]:
    """What was minimised: ``title``, ``summary``, ``beta`` (None without one) and ``code``.

    ``code`` says where an objective is from that synpic does not bring. An earlier synpic recorded
    no more than a name and a beta.
    """
    chosen = about["recipe"]["objective"]
    known = about.get("objective") or {"title": chosen["name"], "uses_beta": True}
    return {
        "title": known["title"],
        "summary": known.get("summary", ""),
        "beta": chosen.get("beta") if known["uses_beta"] else None,
        "code": _code(chosen["name"], known),
    }


def _family_code(about: Mapping[str, Any]) -> str | None:
    """Where the family is from that trained it; None of synpic's own."""
    recorded = about.get("family_code", {})
    return _code(recorded.get("name", about["family"]), recorded)


def _code(name: str, recorded: Mapping[str, Any]) -> str | None:
    """Where the code called ``name`` is from; None where synpic brings it."""
    package, version, source = (recorded.get(key) for key in ("package", "version", "source"))
    if source:
        return f"{name}, whose code has the SHA-256 {source[:12]}"
    return f"{name} of {package} {version}" if package else None


def _labels(labels: Any) -> str:
    """What ranked, in words."""
    if labels == "published":
        return "the published preference"
    if labels == "random":
        return "chance: the published preferences, shuffled within each prompt (a control)"
    return f"the wins under {', '.join(labels)}, counted anew from the published scores"


def _evaluations(evaluations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each step and metric, figures as people read them."""
    rows = []
    for one in evaluations:
        for name, metric in one["metrics"].items():
            figures = {key: _figure(metric[key]) for key in ("mean", "base")}
            difference = _figure(metric["difference"], "+")
            if metric["difference"] is not None and metric["low"] is not None:
                ends = _figure(metric["low"], "+"), _figure(metric["high"], "+")
                difference += f" ({ends[0]} … {ends[1]})"
            rows.append({**one, **metric, **figures, "metric": name, "difference": difference})
    return rows


def _drawn_at_steps(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """How the images of all steps were drawn; "" where an earlier synpic evaluated them."""
    ways = dict.fromkeys(one.get("drawn", "") for one in evaluations)
    return ". ".join(filter(None, ways))


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _metrics(metrics: Mapping[str, float]) -> dict[str, str]:
    """Figures as people read them, those that were measured."""
    known = {
        "loss": ("loss", "{:.4f}"),
        "accuracy": ("pairs that the model orders as the ranking does", "{:.1%}"),
        "kendall": ("Kendall's τ-b between the model's order and the ranking", "{:.3f}"),
        "error": ("the model's error: mean of (target − prediction)²", "{:.4f}"),
        "reference_error": ("the same of the model it was made from", "{:.4f}"),
    }
    return {
        words: form.format(metrics[name])
        for name, (words, form) in known.items()
        if metrics.get(name) is not None
    }

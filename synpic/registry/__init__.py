"""Names → things, found lazily.

Three doors, in this order: what synpic brings itself (``module:object`` strings, imported only when
asked for), what installed packages offer through an entry-point group, and any
``package.module:callable`` written out. What the things are is the business of who asks.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from synpic import ids
from synpic.errors import UnknownName, did_you_mean
from synpic.registry.beside import ModulesBeside

__all__ = [
    "AGGREGATIONS",
    "COMPARERS",
    "FAMILIES",
    "JUDGES",
    "MODELS",
    "OBJECTIVES",
    "REWARDS",
    "SCENES",
    "SUITES",
    "WORLDS",
    "FamilyHalves",
    "FamilyRegistry",
    "Registry",
]


@dataclass(frozen=True)
class Registry:
    """One kind of thing.

    Args:
        kind: what one of them is called in messages: "reward".
        group: the entry-point group in which other packages add theirs.
        builtin: name → ``module:object``.
        planned: names that recipes already use and that this version cannot load.
    """

    kind: str
    group: str
    builtin: Mapping[str, str]
    planned: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Every name that can be resolved without being written out, sorted."""
        return sorted({*self.builtin, *self._plugins()})

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return ":" in name or name in self.builtin or name in self._plugins()

    def origin(self, name: str) -> str:
        """Where ``name`` comes from: "synpic", a distribution's name, or the module itself."""
        if ":" in name:
            return name.partition(":")[0]
        if name in self.builtin:
            return "synpic"
        plugin = self._plugins().get(name)
        return plugin.dist.name if plugin and plugin.dist else "?"

    def load(self, name: str, beside: str | os.PathLike[str] | None = None) -> Any:
        """The thing called ``name``.

        Args:
            beside: a folder in which modules of one's own are looked for too: the workspace's.

        Raises:
            UnknownName: nothing is called so, or the ``module:object`` does not import.
        """
        if ":" in name:
            with _beside.looking_in(beside, name.partition(":")[0]):
                return self._import(name, name)
        if name in self.builtin:
            return self._import(self.builtin[name], name)
        plugin = self._plugins().get(name)
        if plugin is not None:
            return self._import(plugin.value, name)
        known = self.names()
        hint = (
            f"known: {', '.join(known) or 'none'}; or write package.module:callable, or install a "
            f"package that adds it (entry-point group {self.group})"
        )
        if name in self.planned:
            raise UnknownName(
                f"{self.kind} {name!r} is planned, and not in this version of synpic", hint=hint
            )
        raise UnknownName(f"unknown {self.kind} {name!r}.{did_you_mean(name, known)}", hint=hint)

    def provenance(self, name: str, code: Any, *, whole: bool = False) -> dict[str, str]:
        """What tells one version of the thing called ``name`` from the next, to be recorded.

        Args:
            code: the function or class of it.
            whole: hold all of the module that ``name`` names against the next, and all of that of
                ``code``: a function may read what lies beside it.

        Returns:
            Nothing for what synpic brings, whose version is recorded anyway; ``package`` and
            ``version`` of what an installed package offers; ``source``, the SHA-256 of the text of
            ``code``, of what is written as ``module:callable``.
        """
        if ":" in name:
            source = self._sources(name, code) if whole else ids.source_hash(code)
            return {"source": source or "unknown"}
        plugin = None if name in self.builtin else self._plugins().get(name)
        if plugin is None:
            return {}
        dist = plugin.dist
        return {
            "package": dist.name if dist else "unknown",
            "version": dist.version if dist else "unknown",
        }

    @staticmethod
    def _sources(name: str, code: Any) -> str | None:
        """Of the modules that ``name`` and ``code`` are in; None where one has no text."""
        modules = {name.partition(":")[0]}
        if inspect.isfunction(code):
            modules.add(code.__module__)
        found = {module: ids.source_hash(sys.modules.get(module)) for module in sorted(modules)}
        return None if None in found.values() else ids.fingerprint({"modules": found})

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _import(self, target: str, name: str) -> Any:
        module_name, _, attribute = target.partition(":")
        try:
            thing: Any = importlib.import_module(module_name)
            for piece in attribute.split("."):
                thing = getattr(thing, piece)
        except (Exception, SystemExit) as error:
            # Importing runs code that may be anyone's: whatever it raises is about this name.
            raise UnknownName(
                f"{self.kind} {name!r} cannot be imported from {target}: "
                f"{type(error).__name__}: {error}",
                hint="write it as package.module:callable, installed or beside the recipe",
            ) from error
        return thing


@dataclass(frozen=True)
class FamilyHalves:
    """A family: how it draws, and how it is trained. Neither half imports the other.

    Args:
        draw: ``module:Class`` of a :class:`synpic.generate.family.Family`.
        train: ``module:Class`` of a :class:`synpic.train.families.family.TrainableFamily`; None
            for a family that cannot be trained.
        pipeline: the class of diffusers, by name, that saves what the ``train`` half takes; it is
            ``_class_name`` of ``model_index.json``.
    """

    draw: str
    train: str | None = None
    pipeline: str | None = None


@dataclass(frozen=True)
class FamilyRegistry(Registry):
    """Families, each with its two halves.

    What a package offers, and what is written as ``module:object``, is a :class:`FamilyHalves`, or
    a class that draws and cannot be trained.

    Args:
        halves: of ``builtin``, by name.
    """

    halves: Mapping[str, FamilyHalves] = field(default_factory=dict)

    def load(self, name: str, beside: str | os.PathLike[str] | None = None) -> Any:
        """The half that draws; see :meth:`Registry.load`."""
        found = super().load(name, beside)
        return self._half(found.draw, name, beside) if isinstance(found, FamilyHalves) else found

    def load_trainable(self, name: str, beside: str | os.PathLike[str] | None = None) -> Any:
        """The half that trains; None of a family that draws alone.

        Raises:
            UnknownName: as :meth:`Registry.load`.
        """
        halves = self._halves(name, beside)
        return halves and halves.train and self._half(halves.train, name, beside)

    def trainable(self, broken: list[str] | None = None, *, plugins: bool = True) -> dict[str, str]:
        """Class of pipeline → name of the family that trains it; synpic's come first.

        Args:
            broken: takes the reason why each family that a package offers does not import.
            plugins: import what packages offer too.
        """
        found: dict[str, str] = {}
        for name in [*self.halves, *(sorted(self._plugins()) if plugins else ())]:
            try:
                halves = self._halves(name)
            except UnknownName as error:
                if broken is not None:
                    broken.append(error.message)
                continue
            if halves is not None and halves.train and halves.pipeline:
                found.setdefault(halves.pipeline, name)
        return found

    def _halves(
        self, name: str, beside: str | os.PathLike[str] | None = None
    ) -> FamilyHalves | None:
        found = self.halves.get(name) or super().load(name, beside)
        return found if isinstance(found, FamilyHalves) else None

    def _half(self, target: str, name: str, beside: str | os.PathLike[str] | None) -> Any:
        # As in :meth:`load`: only what is written out may lie beside the recipe.
        with _beside.looking_in(beside if ":" in name else None, target.partition(":")[0]):
            return self._import(target, name)


_beside = ModulesBeside()


AGGREGATIONS = Registry(
    "aggregation",
    "synpic.aggregations",
    {
        "win-rate": "synpic.rank.aggregations:WIN_RATE",
        "borda": "synpic.rank.aggregations:BORDA",
        "mean-zscore": "synpic.rank.aggregations:MEAN_ZSCORE",
        "bradley-terry": "synpic.rank.aggregations:BRADLEY_TERRY",
        "majority": "synpic.rank.aggregations:MAJORITY",
    },
)
"""Ways to make one preference of many rewards."""

_FAMILIES = {
    "auto": FamilyHalves("synpic.generate.auto:AutoFamily"),
    "sd": FamilyHalves(
        "synpic.generate.sd:StableDiffusion",
        "synpic.train.families.sd:TrainableStableDiffusion",
        "StableDiffusionPipeline",
    ),
    "sdxl": FamilyHalves(
        "synpic.generate.sdxl:StableDiffusionXL",
        "synpic.train.families.sdxl:TrainableStableDiffusionXL",
        "StableDiffusionXLPipeline",
    ),
    "sd3": FamilyHalves(
        "synpic.generate.sd3:StableDiffusion3",
        "synpic.train.families.sd3:TrainableStableDiffusion3",
        "StableDiffusion3Pipeline",
    ),
    "pixart_sigma": FamilyHalves(
        "synpic.generate.pixart_sigma:PixArtSigma",
        "synpic.train.families.pixart_sigma:TrainablePixArtSigma",
        "PixArtSigmaPipeline",
    ),
    "stable_cascade": FamilyHalves("synpic.generate.stable_cascade:StableCascade"),
}

FAMILIES = FamilyRegistry(
    "family",
    "synpic.families",
    {name: halves.draw for name, halves in _FAMILIES.items()},
    halves=_FAMILIES,
)
"""How to draw with a kind of pipeline, and how to train it."""

MODELS = Registry(
    "model",
    "synpic.models",
    {
        "sdxl": "synpic.generate.known:SDXL",
        "sd3_medium": "synpic.generate.known:SD3_MEDIUM",
        "pixart_sigma": "synpic.generate.known:PIXART_SIGMA",
        "stable_cascade": "synpic.generate.known:STABLE_CASCADE",
        "shapes_mmdit": "synpic.shapes.models:MMDIT",
        "shapes_mmdit_small": "synpic.shapes.models:MMDIT_SMALL",
        "shapes_pixart": "synpic.shapes.models:PIXART",
        "shapes_unet": "synpic.shapes.models:UNET",
    },
)
"""Checkpoints with the settings their makers recommend."""

OBJECTIVES = Registry(
    "objective",
    "synpic.objectives",
    {
        "rankdpo": "synpic.train.objectives:RANKDPO",
        "dpo": "synpic.train.objectives:DPO",
        "dpo-gain": "synpic.train.objectives:DPO_GAIN",
        "sft": "synpic.train.objectives:SFT",
        "weighted-sft": "synpic.train.objectives:WEIGHTED_SFT",
    },
)
"""What training minimises."""

REWARDS = Registry(
    "reward",
    "synpic.rewards",
    {
        "aesthetic": "synpic.score.aesthetic:Aesthetic",
        "apart": "synpic.score.apart.reward:Apart",
        "called": "synpic.score.called.reward:Called",
        "clip_score": "synpic.score.clip_score:ClipScore",
        "cyclereward": "synpic.score.cyclereward:CycleReward",
        "geneval": "synpic.score.geneval_reward:GenEvalReward",
        "hpsv2": "synpic.score.hpsv2:HPSv2",
        "hpsv2_upstream": "synpic.score.apart.upstream:HPSv2Upstream",
        "hpsv3": "synpic.score.hpsv3:Hpsv3",
        "imagereward": "synpic.score.imagereward:ImageReward",
        "imagereward_upstream": "synpic.score.apart.upstream:ImageRewardUpstream",
        "judged": "synpic.score.judged:Judged",
        "mps": "synpic.score.mps:MPS",
        "ocr": "synpic.score.ocr_reward:OcrReward",
        "pickscore": "synpic.score.pickscore:PickScore",
        "shapes_alignment": "synpic.shapes.alignment:Alignment",
        "shapes_biased": "synpic.shapes.biased:Biased",
        "shapes_clip": "synpic.shapes.learned:ShapesClip",
        "shapes_quality": "synpic.shapes.quality:Quality",
        "vlm_rating": "synpic.score.vlm_rating:VlmRating",
        "vlm_rating_endpoint": "synpic.score.vlm_rating_endpoint:VlmRatingEndpoint",
        "vlm_yes": "synpic.score.vlm_yes:VlmYes",
        "vlm_yes_endpoint": "synpic.score.vlm_yes_endpoint:VlmYesEndpoint",
        "vqascore": "synpic.score.vqascore:VQAScore",
        "vqascore_xl": "synpic.score.vqascore:VQAScoreXL",
    },
)
"""Reward models."""

COMPARERS = Registry(
    "comparer",
    "synpic.comparers",
    {
        "shapes_compare": "synpic.shapes.compare:ShapesCompare",
        "vlm_compare": "synpic.score.vlm_compare:VlmCompare",
        "vlm_compare_endpoint": "synpic.score.vlm_compare_endpoint:VlmCompareEndpoint",
    },
)
"""What says which of two images is better."""

JUDGES = Registry(
    "judge",
    "synpic.judges",
    {
        "blip_vqa": "synpic.score.judges.blip_vqa:BlipVqa",
        "clip_text": "synpic.score.judges.clip_text:ClipText",
        "geneval": "synpic.score.judges.geneval_judge:GenEvalJudge",
        "ocr": "synpic.score.judges.ocr:Ocr",
        "shapes": "synpic.shapes.judging:ShapesJudge",
        "vlm_questions": "synpic.score.judges.vlm_questions:VlmQuestions",
        "vlm_questions_endpoint": (
            "synpic.score.judges.vlm_questions_endpoint:VlmQuestionsEndpoint"
        ),
    },
)
"""What says whether an image shows what its prompt asks for."""

SUITES = Registry(
    "suite",
    "synpic.suites",
    {
        "compbench_color": "synpic.prompts.suites.prompt_lists:COMPBENCH_COLOR",
        "compbench_non_spatial": "synpic.prompts.suites.prompt_lists:COMPBENCH_NON_SPATIAL",
        "compbench_shape": "synpic.prompts.suites.prompt_lists:COMPBENCH_SHAPE",
        "compbench_texture": "synpic.prompts.suites.prompt_lists:COMPBENCH_TEXTURE",
        "dpg": "synpic.prompts.suites.question_lists:DPG",
        "dsg": "synpic.prompts.suites.question_lists:DSG",
        "geneval": "synpic.prompts.suites.geneval:GENEVAL",
        "geneval2": "synpic.prompts.suites.geneval2:GENEVAL_2",
        "hpdv2": "synpic.prompts.suites.prompt_lists:HPDV2",
        "partiprompts": "synpic.prompts.suites.prompt_lists:PARTIPROMPTS",
        "pickapic": "synpic.prompts.suites.prompt_lists:PICKAPIC",
        "shapes": "synpic.shapes.suite:SHAPES",
        "shapes_validation": "synpic.shapes.suite:SHAPES_VALIDATION",
    },
)
"""Lists of prompts with what each asks of its images, and how they are drawn and judged."""

WORLDS = Registry("world", "synpic.worlds", {"shapes": "synpic.shapes.prompts:source"})
"""Sources of prompts that are programs."""

SCENES = Registry("world", "synpic.scenes", {"shapes": "synpic.shapes.references:scene_of"})
"""Worlds whose programs draw what a prompt asks for: prompt and number → image."""

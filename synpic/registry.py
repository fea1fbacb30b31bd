"""Names → things, found lazily.

Three doors, in this order: what synpic brings itself (``module:object`` strings, imported only when
asked for), what installed packages offer through an entry-point group, and any
``package.module:callable`` written out. What the things are is the business of who asks.

A module of one's own may lie beside the recipe. The folder of the workspace at hand is the last
entry of ``sys.path`` but the working directory, so that installed packages come first; a module of
another workspace's folder is not taken for one of the same name here, and one whose file was edited
is read again. What was found by another entry (an environment, a checkout) stays as it is.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from synpic import ids
from synpic.errors import UnknownName, did_you_mean

__all__ = ["AGGREGATIONS", "FAMILIES", "MODELS", "OBJECTIVES", "REWARDS", "WORLDS", "Registry"]


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
        return isinstance(name, str) and (":" in name or name in self.names())

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
            with _beside.looking_in(beside):
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

    def provenance(self, name: str, code: Any) -> dict[str, str]:
        """What tells one version of the thing called ``name`` from the next, to be recorded.

        Args:
            code: the function or class of it.

        Returns:
            Nothing for what synpic brings, whose version is recorded anyway; ``package`` and
            ``version`` of what an installed package offers; ``source``, the SHA-256 of the text of
            ``code``, of what is written as ``module:callable``.
        """
        if ":" in name:
            return {"source": ids.source_hash(code) or "unknown"}
        plugin = None if name in self.builtin else self._plugins().get(name)
        if plugin is None:
            return {}
        dist = plugin.dist
        return {
            "package": dist.name if dist else "unknown",
            "version": dist.version if dist else "unknown",
        }

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


class _Beside:
    """The modules beside the recipe at hand.

    ``folder`` is the workspace's; ``added`` is it too, where ``sys.path`` has it from here.
    """

    def __init__(self) -> None:
        self.folder: str | None = None
        self.added: str | None = None
        self.stamps: dict[str, tuple[int, int] | None] = {}

    @contextmanager
    def looking_in(self, folder: str | os.PathLike[str] | None) -> Iterator[None]:
        """Let modules in ``folder`` be imported, as they are now, and none of another workspace."""
        if folder is None or not Path(folder).is_dir():
            yield
            return
        wanted = str(Path(folder).absolute())
        modules = self._modules()
        if wanted != self.folder or any(
            # One that was imported after the last look has no stamp, and was not edited for that.
            name in self.stamps and _stamp(file) != self.stamps[name]
            for name, file in modules
        ):
            for name, _ in modules:
                del sys.modules[name]
            self.stamps.clear()
        self._enter(wanted)
        importlib.invalidate_caches()
        with _working_directory_last():
            yield
        for name, file in self._modules():
            self.stamps.setdefault(name, _stamp(file))

    def _enter(self, wanted: str) -> None:
        if self.added not in (None, wanted):
            if self.added in sys.path:
                sys.path.remove(self.added)
            self.added = None
        # "" is an entry, for Python at a prompt: the working directory.
        if wanted not in (str(Path(entry).absolute()) for entry in sys.path):
            sys.path.append(wanted)
            self.added = wanted
        self.folder = wanted

    def _modules(self) -> list[tuple[str, str]]:
        """Name and file of what was imported from ``folder``, as its entry of ``sys.path`` would.

        Not of what lies deeper and was found by another entry: an environment, a checkout.
        """
        if self.folder is None:
            return []
        places = tuple({at + os.sep for at in (self.folder, os.path.realpath(self.folder))})
        # Thousands of modules, of a few hundred packages: what lies elsewhere goes first.
        imported = list(sys.modules.items())
        tops = {
            name
            for name, module in imported
            if "." not in name and name not in ("__main__", _OWN) and _lies_in(places, module)
        }
        found = []
        for name, module in imported if tops else ():
            top = name.partition(".")[0]
            file = getattr(module, "__file__", None) if top in tops else None
            if not isinstance(file, str) or not file.startswith(places):
                continue
            firsts = [file.removeprefix(at).partition(os.sep)[0] for at in places]
            if top in (one.partition(".")[0] for one in firsts):
                found.append((name, file))
        return found


_OWN = __name__.partition(".")[0]


def _lies_in(places: tuple[str, ...], module: object) -> bool:
    """Whether a top-level module is a file in one of them, or a package without one is there."""
    file = getattr(module, "__file__", None)
    found = [file] if isinstance(file, str) else getattr(module, "__path__", ())
    return any(str(one).startswith(places) for one in found)


@contextmanager
def _working_directory_last() -> Iterator[None]:
    """Let what is beside the recipe come before a module of its name in the working directory."""
    if "" not in sys.path:
        yield
        return
    at = sys.path.index("")
    del sys.path[at]
    sys.path.append("")
    try:
        yield
    finally:
        # What is imported may change the path, too.
        if "" in sys.path:
            sys.path.remove("")
        sys.path.insert(at, "")


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


_beside = _Beside()


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

FAMILIES = Registry(
    "family",
    "synpic.families",
    {
        "auto": "synpic.generate.auto:AutoFamily",
        "sd": "synpic.generate.sd:StableDiffusion",
        "sdxl": "synpic.generate.sdxl:StableDiffusionXL",
        "sd3": "synpic.generate.sd3:StableDiffusion3",
        "pixart_sigma": "synpic.generate.pixart_sigma:PixArtSigma",
        "stable_cascade": "synpic.generate.stable_cascade:StableCascade",
    },
)
"""How to draw with a kind of pipeline."""

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
        "clip_score": "synpic.score.clip_score:ClipScore",
        "hpsv2": "synpic.score.hpsv2:HPSv2",
        "imagereward": "synpic.score.imagereward:ImageReward",
        "mps": "synpic.score.mps:MPS",
        "pickscore": "synpic.score.pickscore:PickScore",
        "shapes_alignment": "synpic.shapes.alignment:Alignment",
        "shapes_biased": "synpic.shapes.biased:Biased",
        "shapes_clip": "synpic.shapes.learned:ShapesClip",
        "shapes_quality": "synpic.shapes.quality:Quality",
        "vqascore": "synpic.score.vqascore:VQAScore",
        "vqascore_xl": "synpic.score.vqascore:VQAScoreXL",
    },
)
"""Reward models."""

WORLDS = Registry("world", "synpic.worlds", {"shapes": "synpic.shapes.prompts:source"})
"""Sources of prompts that are programs."""

"""The two ablations of RankDPO (arXiv 2410.18013) in the embedded world: objectives, labellings.

    python -m research.ablation.study --dir DIR [--arch pixart] [--stage sweep] [--jobs 2]
    python -m research.ablation.study --dir DIR --stage report --into docs/ablation.md

Four stages, all of them unless one is named:

- data: workspaces of 3,000 prompts, four images each, and their releases: ``mixed``, of four
  models, and ``own``, of the small MMDiT alone.
- sweep: as many tries of settings for each objective, one seed, judged on the validation split;
  ``DIR/chosen.json`` says what was chosen and from what.
- final: the chosen settings, three seeds, judged on the test split.
- report: ``DIR/<arch>.json``, ``.md`` and ``.png``, of what has been measured.

A model that is trained and measured is a cell (``cells``). A run that was killed goes on,
and several may work on one ``DIR`` at once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from research.ablation import data
from research.ablation.cells import ARMS, Cell, Cells
from research.ablation.files import locked, write
from research.ablation.report import as_text, fill, final_figures, picture, sweep_figures
from synpic.errors import SynpicError

ITSELF = (sys.executable, "-m", "research.ablation.study")

WHICH = {
    "mmdit_small": tuple(ARMS),
    "pixart": ("base", "control", "dpo", "rankdpo"),
}
"""Model that is fine-tuned → its arms."""

PAIRWISE = ("dpo", "dpo-gain", "rankdpo")
PAIRWISE_TRIES = ((5e-5, 500.0), (1e-4, 500.0), (1e-4, 2000.0))
OTHER_TRIES = ((1e-5, None), (3e-5, None), (1e-4, None))
"""Learning rate and β, as many for all, the smallest rates first."""

SWEEP_SEED = 100
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Scale:
    """How much of everything. A cell's name holds its steps and pictures."""

    steps: int = 500
    warmup: int = 20
    sweep_pictures: int = 600
    final_pictures: int = 1020
    prompts: int = 3000
    tries: int = 3


QUICK = Scale(3, 1, 12, 12, 12, 2)
"""To see that it runs."""


class Study:
    """Everything in one folder.

    Args:
        root: ``--dir``.
        arch: what is fine-tuned.
        arms: of :data:`ARMS`.
        keep: the weights of cells that have been measured.
    """

    def __init__(
        self, root: Path, arch: str, arms: Sequence[str], scale: Scale, keep: bool = False
    ) -> None:
        self.root, self.arch, self.arms, self.scale = root, arch, arms, scale
        self.cells = Cells(root, keep)
        self._chosen = root / "chosen.json"

    def data(self) -> None:
        """Make what is missing of the workspaces and their releases."""
        for name in self._datasets():
            data.make(self.root, name, self.scale.prompts)

    def tries(self, arm: str) -> list[Cell]:
        """The cells of an arm in the sweep, in the order of its grid."""
        grid = PAIRWISE_TRIES if ARMS[arm].objective in PAIRWISE else OTHER_TRIES
        cell = self._cell(arm, "validation")
        return [
            replace(cell, seed=SWEEP_SEED, learning_rate=rate, beta=beta)
            for rate, beta in grid[: self.scale.tries]
        ]

    def sweep(self) -> None:
        """Choose settings for each objective, by the strict rate; of equals, the first.

        What was chosen stays, once the test split has been measured with it.
        """
        self._check_data()
        swept = [arm for arm in self.arms if _is_swept(arm)]
        base = self._cell("base", "validation")
        self.cells.run([base, *(cell for arm in swept for cell in self.tries(arm))])
        with locked(self.root / "chosen.lock"):
            chosen = self._read_chosen()
            mine = chosen.setdefault(self.arch, {"base": self.cells.result(base)["strict"]})
            for arm in swept:
                told = [{**self.cells.result(cell), **asdict(cell)} for cell in self.tries(arm)]
                if all("failed" in one for one in told):
                    raise SystemExit(f"{arm}: every try failed; the first: {told[0]['failed']}")
                keys = ("learning_rate", "beta", "steps", "strict", "lenient", "things", "accuracy")
                told = [{key: one.get(key) for key in keys} for one in told]
                now = {"chosen": max(told, key=lambda one: one["strict"]), "tries": told}
                if mine.get(arm, now) != now and self._tested(arm):
                    raise SystemExit(
                        f"{self._chosen}: {arm} was chosen otherwise, and the test split was "
                        "measured with it"
                    )
                mine[arm] = now
            write(self._chosen, json.dumps(chosen, indent=1))

    def final_cells(self, seeds: Iterable[int]) -> dict[str, list[Cell]]:
        """Arm → its cells on the test split, with the settings that were chosen."""
        chosen = self._read_chosen().get(self.arch, {})
        cells = {"base": [self._cell("base", "test")]}
        for arm in self.arms:
            if arm == "base":
                continue
            settings = chosen.get(ARMS[arm].settings_of or arm)
            if settings is None:
                raise SystemExit(
                    f"{self._chosen} has nothing for {arm}: run the stage `sweep` first"
                )
            best = settings["chosen"]
            cell = replace(
                self._cell(arm, "test"),
                learning_rate=best["learning_rate"],
                beta=best["beta"],
                steps=best["steps"],
            )
            cells[arm] = [replace(cell, seed=seed) for seed in seeds]
        return cells

    def final(self, seeds: Iterable[int]) -> None:
        """Measure the test split."""
        self._check_data()
        self.cells.run([cell for its in self.final_cells(seeds).values() for cell in its])

    def report(self, seeds: Iterable[int], page: Path | None = None) -> None:
        """Write figures, tables and the picture of what has been measured; into ``page`` too."""
        self._check_data()
        cells = self.final_cells(seeds)
        base = self.cells.result(self._cell("base", "validation"))
        found = {
            **final_figures(self.cells, cells),
            "sweep": sweep_figures(self._read_chosen()[self.arch], base),
        }
        shown = picture(self.cells, cells)
        write(self.root / f"{self.arch}.json", json.dumps(found, indent=1) + "\n")
        write(self.root / f"{self.arch}.md", as_text(found) + "\n")
        print(as_text(found))
        if shown is not None:
            shown.save(self.root / f"{self.arch}.png", optimize=True)
        if page is not None:
            fill(page, self.arch, found, shown)

    def _datasets(self) -> list[str]:
        """Those that the arms learn from."""
        return list(dict.fromkeys(ARMS[arm].data for arm in self.arms if ARMS[arm].objective))

    def _check_data(self) -> None:
        for name in self._datasets():
            data.check(self.root, name, self.scale.prompts)

    def _cell(self, arm: str, split: str) -> Cell:
        scale = self.scale
        pictures = scale.final_pictures if split == "test" else scale.sweep_pictures
        return Cell(self.arch, arm, split, pictures, scale.steps, scale.warmup)

    def _read_chosen(self) -> dict[str, Any]:
        if not self._chosen.exists():
            return {}
        found: dict[str, Any] = json.loads(self._chosen.read_text("utf-8"))
        return found

    def _tested(self, arm: str) -> bool:
        """Whether the test split was measured with an arm's settings."""
        users = [arm, *(name for name, one in ARMS.items() if one.settings_of == arm)]
        return any(
            True
            for user in users
            for _ in self.root.glob(f"cells/{self.arch}-{user}-lr*-test-*/result.json")
        )


def _is_swept(arm: str) -> bool:
    return ARMS[arm].objective is not None and ARMS[arm].settings_of is None


def main(argv: Sequence[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--arch", choices=list(WHICH), default="mmdit_small")
    parser.add_argument("--stage", choices=["data", "sweep", "final", "report"])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), help="all of the model's")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--into", type=Path, help="a page whose tables the report fills")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--keep", action="store_true", help="keep the weights of measured models")
    parser.add_argument("--quick", action="store_true", help="hardly anything, to see that it runs")
    given = list(sys.argv[1:] if argv is None else argv)
    args = parser.parse_args(given)
    arms = args.arms or WHICH[args.arch]
    if beyond := set(arms) - set(WHICH[args.arch]):
        parser.error(f"--arms: {args.arch} has no {', '.join(sorted(beyond))}")
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # numbers too small to matter are slow on a CPU
    study = Study(args.dir.resolve(), args.arch, arms, QUICK if args.quick else Scale(), args.keep)
    try:
        for stage in [args.stage] if args.stage else ["data", "sweep", "final", "report"]:
            helpers = args.jobs - 1 if stage in ("sweep", "final") else 0
            command = [*ITSELF, *given, "--jobs", "1", "--stage", stage]
            with running([command] * helpers) if helpers else nullcontext():
                if stage == "data":
                    study.data()
                elif stage == "sweep":
                    study.sweep()
                elif stage == "final":
                    study.final(args.seeds)
                else:
                    study.report(args.seeds, args.into)
    except SynpicError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)
        raise SystemExit(error.exit_code) from error


@contextmanager
def running(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Have other processes run for the time of the block, and then wait for them.

    Raises:
        SystemExit: one of them failed. It has said why itself.
    """
    others = [subprocess.Popen(command) for command in commands]
    try:
        yield
    finally:
        codes = [other.wait() for other in others]
    if failed := [str(code) for code in codes if code]:
        raise SystemExit(
            f"{len(failed)} of {len(codes)} processes at its side failed, with exit code "
            f"{', '.join(failed)}\nsee above what they said; the same command goes on"
        )


if __name__ == "__main__":
    main()

"""Cases: a target and a seed → a damaged file, a command, a verdict."""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.fuzz.answers import Damaged, fill, standing_online
from tests.fuzz.judge import Outcome, call, files_of, hashes_of, judge
from tests.fuzz.operators import Mutation, mutate
from tests.fuzz.options import odd_command
from tests.fuzz.scenes import SCENES
from tests.fuzz.targets import FUNCTIONS, TARGETS, Target, kind_of
from tests.hub_server import HubServer
from tests.hub_server.messages import Exchange

__all__ = ["Case", "Fuzz"]


@dataclass(frozen=True)
class Case:
    """A case and what was wrong.

    Args:
        fault: one of ``judge.FAULTS``; None where all was right.
        words: of the fault: a traceback, a message, two results.
    """

    target: str
    seed: int
    file: str
    what: str
    command: str
    code: int | None
    fault: str | None
    words: str

    def __str__(self) -> str:
        again = f"python -m tests.fuzz --target {self.target} --seed {self.seed}"
        said = "\n    ".join(self.words.strip().splitlines())
        fault = self.fault or f"right, exit code {self.code}"
        return f"{fault}: {self.file}: {self.what}; synpic {self.command}\n    {said}\n    {again}"


class Fuzz:
    """Cases in a folder of their own, in this process.

    Args:
        root: an empty folder. Scenes are made in it once; commands stand deep below it, so that
            a path that climbs stays within.
    """

    def __init__(self, root: Path) -> None:
        self._origins = root / "origins"
        self._box = root / "a" / "b" / "c"
        self._cache = root / "cache"
        self._root = root
        self._expected: dict[tuple[str, int], str] = {}
        self._standing: dict[str, dict[str, tuple[int, int, int]]] = {}
        self._stack = ExitStack()
        self._hub: Any = None
        self._asked: dict[tuple[str, str], list[Exchange]] = {}

    def __enter__(self) -> Fuzz:
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        import datasets.config

        patch.setenv("SYNPIC_CACHE", str(self._cache / "synpic"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("COLUMNS", "1000")
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", self._cache / "datasets")
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        patch.setattr("synpic.hub.retry.time.sleep", lambda _: None)
        datasets.disable_progress_bars()
        here = Path.cwd()
        self._stack.callback(os.chdir, here)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def run(self, name: str, seed: int) -> Case:
        """The case of the target ``name`` that ``seed`` chooses."""
        target = TARGETS[name]
        stand = self._stand(name, target)
        rng = random.Random(f"{name} {seed}")
        if target.damaged == "answers":
            return self._answer(name, seed, target, rng)
        if target.damaged == "words":
            return self._words(name, seed, target, rng)
        return self._file(name, seed, target, stand, rng)

    def _file(self, name: str, seed: int, target: Target, stand: Path, rng: random.Random) -> Case:
        """One of the target's files is damaged."""
        paths = sorted(path for one in target.files for path in stand.glob(one) if path.is_file())
        path = rng.choice(paths)
        command = rng.choice(target.commands)
        expected = self._expect(name, target, command)
        before = path.read_bytes()
        file = path.relative_to(stand).as_posix()
        mutation = mutate(before, kind_of(target, file), rng.randrange(2**62))
        path.write_bytes(mutation.data)
        raw = mutation.raw or target.exact == "always"
        outcome, changed = self._call(name, target, command)
        verdict = judge(
            outcome,
            expected=expected if raw else None,
            names=_names(target, file, mutation, before),
            key=None if target.own or target.exact == "always" else mutation.key,
            changed=[one for one in changed if one != file or not path.exists()],
            allowed=target.writes,
        )
        if verdict is None and command[0] == "repair" and outcome.code == 0 and path.exists():
            verdict = ("silent", f"repair left it in place\n{outcome.text}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(before)
        self._restore(name, target, [*changed, file])
        fault, words = verdict or (None, outcome.text)
        return Case(name, seed, file, mutation.what, " ".join(command), outcome.code, fault, words)

    def _answer(self, name: str, seed: int, target: Target, rng: random.Random) -> Case:
        """One of the Hub's answers is damaged: once, or whenever it is asked for."""
        command = rng.choice(target.commands)
        expected = self._expect(name, target, command)
        asked = self._asked[name, " ".join(command)]
        struck = rng.choice(asked)
        damage = Damaged(rng.randrange(2**62))
        path = re.escape(struck.target.partition("?")[0])
        times = rng.choice([1, 1000])
        self._hub.faults.plan(damage, times=times, method=struck.method, path=path)
        outcome, changed = self._call(name, target, command)
        self._hub.faults.clear()
        verdict = judge(
            outcome,
            expected=expected if damage.content and ".parquet" in damage.what else None,
            names=target.names,
            key=None,
            changed=changed,
            allowed=target.writes,
        )
        self._restore(name, target, changed)
        fault, words = verdict or (None, outcome.text)
        what = damage.what + (" (once)" if times == 1 else "")
        return Case(name, seed, "answer", what, " ".join(command), outcome.code, fault, words)

    def _words(self, name: str, seed: int, target: Target, rng: random.Random) -> Case:
        """The command line itself makes no sense."""
        command = odd_command(rng)
        outcome, changed = self._call(name, target, command)
        verdict = judge(
            outcome, expected=None, names=target.names, key=None,
            changed=[one for one in changed if one.startswith("..")],
            allowed=["../made*", "../outside*"],
        )  # fmt: skip
        self._restore(name, target, changed)
        fault, words = verdict or (None, outcome.text)
        return Case(name, seed, "options", "", " ".join(command), outcome.code, fault, words)

    def cases(self, name: str, first: int, number: int) -> Iterator[Case]:
        """The cases of ``number`` seeds from ``first`` on."""
        for seed in range(first, first + number):
            yield self.run(name, seed)

    # -- one command -----------------------------------------------------------------------------

    def _call(self, name: str, target: Target, command: Any) -> tuple[Outcome, list[str]]:
        """Run ``command``; the files of the box that it made, changed or deleted."""
        stand = self._box / name / target.inside
        os.chdir(stand)
        with self._online(target):
            asked = len(self._hub.requests) if self._hub else 0
            outcome = call(command, FUNCTIONS)
            if self._hub and (name, " ".join(command)) not in self._asked:
                self._asked[name, " ".join(command)] = self._hub.requests[asked:]
        os.chdir(stand)
        now, before = files_of(self._box), self._standing[name]
        changed = [one for one in now.keys() | before.keys() if now.get(one) != before.get(one)]
        if target.result and outcome.code == 0:
            result = outcome.result + hashes_of(stand, target.result)
            outcome = Outcome(outcome.code, outcome.text, result, outcome.trace)
        inside = (self._box / name / target.inside).relative_to(self._box).as_posix()
        return outcome, [os.path.relpath(one, inside) for one in sorted(changed)]

    def _expect(self, name: str, target: Target, command: Any) -> str | None:
        """What ``command`` gives of the undamaged file; None where it is not held to it."""
        if target.exact == "never" or command[0] in (*target.inexact, "repair"):
            return None
        key = (name, target.commands.index(command))
        if key not in self._expected:
            outcome, changed = self._call(name, target, command)
            if outcome.code != 0 or outcome.trace:
                raise RuntimeError(f"{name}: {command}: {outcome.trace or outcome.text}")
            self._restore(name, target, changed)
            self._expected[key] = outcome.result
        return self._expected[key]

    @contextmanager
    def _online(self, target: Target) -> Iterator[None]:
        """A Hub to speak to, for targets that do."""
        if not target.hub:
            yield
            return
        if self._hub is None:
            self._hub = self._stack.enter_context(HubServer(self._root / "hub"))
        if target.damaged == "answers" and not self._hub.repositories:
            fill(self._hub, self._origins / target.scene)
        shutil.rmtree(self._cache / "home", ignore_errors=True)
        with standing_online(self._hub, self._cache / "home"):
            yield

    # -- folders ---------------------------------------------------------------------------------

    def _stand(self, name: str, target: Target) -> Path:
        """The folder to stand in, as it was made."""
        origin = self._origins / target.scene
        if not origin.exists():
            self._origins.mkdir(parents=True, exist_ok=True)
            SCENES[target.scene](origin)
        if name not in self._standing:
            # One target stands at a time: what another left would be taken for a stray file.
            shutil.rmtree(self._box, ignore_errors=True)
            self._standing.clear()
            self._expected.clear()
            shutil.copytree(origin, self._box / name)
            self._standing[name] = files_of(self._box)
            for command in target.commands:
                # What a first run remembers (a lock, a cache) is part of the undamaged folder.
                outcome, _ = self._call(name, target, command)
                if outcome.code != 0 or outcome.trace:
                    raise RuntimeError(f"{name}: {command}: {outcome.trace or outcome.text}")
                self._restore(name, target, files_of(self._box / name / target.inside))
        return self._box / name / target.inside

    def _restore(self, name: str, target: Target, changed: Any) -> None:
        """Put back what is other than in the origin."""
        inside = Path(target.inside)
        for one in dict.fromkeys(changed):
            path = self._box / name / inside / one
            origin = self._origins / target.scene / inside / one
            if origin.is_file():
                if not path.is_file() or path.read_bytes() != origin.read_bytes():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(origin, path)
            elif path.is_file() or path.is_symlink():
                path.unlink()
        for folder, _, _ in os.walk(self._box / name, topdown=False):
            origin = self._origins / target.scene / os.path.relpath(folder, self._box / name)
            if not origin.exists() and not any(Path(folder).iterdir()):
                Path(folder).rmdir()
        self._standing[name] = files_of(self._box)


def _names(target: Target, file: str, mutation: Mutation, before: bytes) -> list[str]:
    """What a message may name the file by."""
    named = [Path(file).name, *target.names]
    if target.own:
        # A recipe is what the command is about: a key of it is place enough.
        keys = mutation.key.split("|") if mutation.key else []
        tables = [line.strip("[]\n ") for line in before.decode().splitlines() if line[:1] == "["]
        named += [*keys, *tables, *(table.rpartition(".")[2] for table in tables)]
    return named

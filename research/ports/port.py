"""What a port is, and how it is asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.environments import python_of, resolve_environment
from synpic.score.two_stage import TwoStageReward

__all__ = ["Port", "rows", "versions_of"]

INSIDE = Path(__file__).parent / "inside"

BATCH = 6

_VERSIONS = """import importlib.metadata as m, json
found = {one.name.lower().replace("_", "-"): one.version for one in m.distributions()}
wanted = ("torch", "torchvision", "transformers", "open-clip-torch", "timm", "pillow", "numpy")
print(json.dumps({name: found[name] for name in wanted if name in found}))"""


@dataclass(frozen=True)
class Port:
    """A reward of a package.

    Attributes:
        name: "package/reward".
        package: name and version, as an index has it.
        reward: the reward of synpic that it is compared with.
        code: "module:class" of ``inside``, or with a module's path; the class takes the folder of
            weights.
        environment: a requirements file of ``inside``, or "synpic:NAME" of synpic's own.
        weights: what :func:`research.ports.weights.make` has to make.
        ours: opens synpic's reward on that folder.
        alike: opens synpic's reward with the mechanisms of the port; None where there are none.
        mechanisms: what differs, in words.
        scale: a factor that is known to be in the port's scores.
        changed: what of the package is smaller or left out here, in words.
        together: whether a picture is scored with all prompts in one batch.
    """

    name: str
    package: str
    reward: str
    code: str
    environment: str
    weights: tuple[str, ...]
    ours: Callable[[Path], TwoStageReward]
    alike: Callable[[Path], TwoStageReward] | None = None
    mechanisms: str = "none"
    scale: float = 1.0
    changed: str = ""
    together: bool = False

    def python(self) -> Path:
        """The interpreter of its environment, which is made first where it is not there."""
        return python_of(resolve_environment(None, self.environment, INSIDE), INSIDE)

    def theirs(
        self, root: Path, pictures: Sequence[Path], prompts: Sequence[str]
    ) -> list[list[float]]:
        """A row of the port's scores for each prompt.

        Raises:
            RewardError: it ended with an error, the end of which is in the message.
        """
        scores = root / "scores.json"
        scores.unlink(missing_ok=True)
        told = {
            "code": self.code,
            "root": str(root.absolute()),
            "pictures": [str(path.absolute()) for path in pictures],
            "prompts": list(prompts),
            "together": self.together,
            "scores": str(scores.absolute()),
        }
        file = root / "told.json"
        file.write_text(json.dumps(told))
        # Isolated: no variable of this environment leads it to packages of this one.
        files = (str(INSIDE / "main.py"), str(file))
        command = [str(self.python()), "-I", "-W", "ignore", *files]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            end = "\n".join(ended.stderr.strip().splitlines()[-4:])
            raise RewardError(
                f"{self.name} failed in its environment: {end}",
                hint=f"the interpreter is {self.python()}",
            )
        found: list[list[float]] = json.loads(scores.read_text())
        return found


def rows(
    reward: TwoStageReward,
    prompts: Sequence[str],
    images: Sequence[Image],
    together: bool = False,
) -> list[list[float]]:
    """A row of synpic's scores for each prompt, in it a score for each picture.

    Args:
        together: whether a picture is scored with all prompts in one batch. Without it, batches
            are pictures of one prompt, which changes no score.
    """
    shown = [reward.pixels(image) for image in images]
    if together:
        columns = [
            reward.judge(prompts, reward.side_by_side([pixels] * len(prompts))) for pixels in shown
        ]
        return [list(row) for row in zip(*columns, strict=True)]
    batches = [reward.side_by_side(shown[at : at + BATCH]) for at in range(0, len(shown), BATCH)]
    return [
        [
            score
            for at, batch in zip(range(0, len(shown), BATCH), batches, strict=True)
            for score in reward.judge([prompt] * len(shown[at : at + BATCH]), batch)
        ]
        for prompt in prompts
    ]


def versions_of(python: Path) -> dict[str, str]:
    """Of the packages that decide numbers."""
    ended = subprocess.run([python, "-I", "-c", _VERSIONS], capture_output=True, check=True)
    found: dict[str, str] = json.loads(ended.stdout)
    return found

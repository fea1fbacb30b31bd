"""A scorer without rewards, for wires: what it scores is visible in the number."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import Image

from synpic.score.wires.synpic import RewardDescription
from synpic.serve.asking import Ask, Refused, Scored, Unscored


class CountingScorer:
    """Scores an image with its red in the first corner, and the prompt's length behind the point.

    ``second`` scores the negative of it, and declares that it reads no prompt; ``failing`` scores
    no image; ``geneval`` has its forms.
    """

    names = ("first", "second", "failing", "geneval")
    state = "ok"

    described: Mapping[str, RewardDescription] = {
        name: RewardDescription(
            reward=name, version="1", fingerprint=None, scale=1, reads_prompt=name != "second"
        )
        for name in names
    }

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.busy = False

    async def score(
        self, asks: Sequence[Ask], rewards: Sequence[str]
    ) -> dict[str, list[Scored | Unscored]]:
        self.asked += asks
        if self.busy:
            raise Refused(503, "the queue is full", retry_after=7)
        for name in rewards:
            if name not in self.names:
                raise Refused(404, f"no reward {name!r} is served")
        return {name: [self._one(name, ask) for ask in asks] for name in rewards}

    def _one(self, name: str, ask: Ask) -> Scored | Unscored:
        if name == "failing":
            return Unscored("it does not like it", hint="leave it out")
        value = score_of(ask.prompt, ask.image)
        if name == "geneval":
            objects = [*ask.metadata["include"]]
            correct = float(len(objects) == 1)
            parts = {"graded": value / 256, "correct": correct, "strict": 1 - correct}
            return Scored(value / 256, parts)
        return Scored(-value if name == "second" else value)


def score_of(prompt: str, image: bytes) -> float:
    """What ``first`` says."""
    with Image.open(io.BytesIO(image)) as opened:
        corner = opened.convert("RGB").getpixel((0, 0))
    assert isinstance(corner, tuple)
    return corner[0] + len(prompt) / 1000


def png(red: int, size: int = 8) -> bytes:
    """A red image as a file."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (red, 10, 20)).save(file, "PNG")
    return file.getvalue()


def jpeg(red: int) -> bytes:
    """The same, as those clients encode it."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 10, 20)).save(file, "JPEG")
    return file.getvalue()

"""The reward ``apart``: a function or class of one's own, run in another environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.errors import RewardError
from synpic.score.reward import RewardInfo

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for a client
    from synpic.score.apart.process import OtherProcess

__all__ = ["Apart", "ApartReward"]


class ApartReward:
    """What rewards in another environment have in common.

    Attributes:
        environment: the requirements file where a recipe names none.
    """

    apart: ClassVar[bool] = True
    environment: ClassVar[str | None] = None

    _process: OtherProcess

    def start(
        self,
        name: str,
        python: str,
        code: str,
        beside: str | None,
        options: Mapping[str, Any],
    ) -> None:
        """Start the process that scores."""
        from synpic.score.apart.process import OtherProcess

        folder = Path(beside).absolute() if beside else None
        self._process = OtherProcess(name, Path(python), code, folder, options)

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """Scores of n prompts and n RGB images.

        Raises:
            ValueError: of one of these images.
            RewardError: the process does not stay alive.
        """
        return self._process.score(prompts, images)

    def close(self) -> None:
        """End the process."""
        self._process.close()


class Apart(ApartReward):
    """Code of one's own in another environment, which a recipe names in ``environment``.

    Args:
        code: ``package.module:callable``, installed in the environment or beside the recipe: a
            function of a prompt and an image, or a class with ``score(prompts, images)``.
        environment: a requirements file, or an environment that is there.
        options: keywords of the function, or of the class.
        beside: the folder of the recipe.

    Raises:
        RewardError: it cannot be opened there.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a function or class of your own, run in a Python environment of its own",
        score_range="the code's",
        text_limit="the code's",
        verified="against a direct call of the same code (tests/score/test_apart.py)",
    )

    def __init__(
        self,
        *,
        code: str = "",
        environment: str = "",
        options: Mapping[str, Any] | None = None,
        beside: str | None = None,
    ) -> None:
        if not code or not environment:
            raise RewardError(
                "apart: code or environment is empty",
                hint='write reward = "package.module:callable" and environment = '
                '"requirements.txt" in the recipe',
            )
        self.start(code, environment, code, beside, options or {})

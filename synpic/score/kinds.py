"""What a table of a recipe's rewards may stand for, and where its names are looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import UnknownName
from synpic.registry import COMPARERS, REWARDS, Registry

__all__ = ["Kind"]


@dataclass(frozen=True)
class Kind:
    """What a table of a recipe's rewards may stand for.

    Args:
        registry: where its names are looked up.
        method: of a class that is one.
        takes: what a plain function takes before its options.
        of_function: a plain function and its options → what :attr:`method` is called on.
    """

    registry: Registry
    method: str
    takes: tuple[str, ...]
    of_function: Callable[[Callable[..., float], dict[str, Any]], Any]

    def load(self, name: str, registered: str, beside: Path | None) -> Any:
        """What ``registered`` stands for, as what a recipe calls ``name``.

        Raises:
            UnknownName: nothing is called so, or it does not import.
        """
        try:
            return self.registry.load(registered, beside)
        except UnknownName as error:
            message, hint = error.message, error.hint
            for other in (REWARDS, COMPARERS):
                if other is not self.registry and registered in other.names():
                    message = f"{registered!r} is a {other.kind}, not a {self.registry.kind}"
                    hint = f'write {other.kind} = "{registered}"'
            raise UnknownName(f"rewards.{name}: {message}", hint=hint) from error

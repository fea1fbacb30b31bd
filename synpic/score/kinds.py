"""What a table of a recipe's rewards or judges may stand for, and where names are looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import UnknownName
from synpic.registry import COMPARERS, JUDGES, REWARDS, Registry

__all__ = ["Kind", "settled"]


@dataclass(frozen=True)
class Kind:
    """What a table of a recipe's rewards or judges may stand for.

    Args:
        registry: where its names are looked up.
        methods: of a class that is one; the first is named in messages.
        takes: what a plain function takes before its options.
        of_function: a plain function and its options → what :attr:`methods` are called on.
        table: the recipe's table of them.
    """

    registry: Registry
    methods: tuple[str, ...]
    takes: tuple[str, ...]
    of_function: Callable[[Callable[..., Any], dict[str, Any]], Any]
    table: str = "rewards"

    def load(self, name: str, registered: str, beside: Path | None) -> Any:
        """What ``registered`` stands for, as what a recipe calls ``name``.

        Raises:
            UnknownName: nothing is called so, or it does not import.
        """
        try:
            return self.registry.load(registered, beside)
        except UnknownName as error:
            message, hint = error.message, error.hint
            for other in (REWARDS, COMPARERS, JUDGES):
                if other is not self.registry and registered in other.names():
                    message = f"{registered!r} is a {other.kind}, not a {self.registry.kind}"
                    table = "judges" if other is JUDGES else "rewards"
                    where = "" if table == self.table else f" in a table [{table}.NAME]"
                    if (self.registry, other) == (REWARDS, JUDGES):
                        where = " here, to rank by its verdicts; or in a table [judges.NAME]"
                    hint = f'write {other.kind} = "{registered}"{where}'
            raise UnknownName(f"{self.table}.{name}: {message}", hint=hint) from error


def settled(name: str, thing: Any, options: Mapping[str, Any], beside: Path | None) -> Any:
    """``thing``; or the class that its ``settled`` gives, where options decide what it declares.

    Args:
        name: the recipe's name of it, for messages.
        beside: a folder in which modules of one's own are looked for too.
    """
    settle = getattr(thing, "settled", None)
    return thing if settle is None else settle(name, options, beside)

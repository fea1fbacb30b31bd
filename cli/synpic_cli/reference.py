"""``docs/cli.md``, from the help of every command: ``python -m synpic_cli.reference``."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.testing import CliRunner

from synpic_cli.main import app

__all__ = ["commands", "reference"]

HEAD = """# Command line

Made from `--help` by `make docs`; a test holds the two together.
"""

PLAIN = {"TERM": "dumb", "TERMINAL_WIDTH": "92", "COLUMNS": "92", "NO_COLOR": "1"}


def commands(group: typer.Typer = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that lead to every command, groups included."""
    yield path
    for command in group.registered_commands:
        yield (*path, str(command.name or getattr(command.callback, "__name__", None)))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from commands(inner.typer_instance, (*path, str(inner.name)))


def reference() -> str:
    """The whole page, as Markdown."""
    pages = [HEAD]
    for path in commands():
        text = CliRunner(env=PLAIN).invoke(app, [*path, "--help"]).output
        lines = [line.rstrip() for line in text.strip("\n").splitlines()]
        title = " ".join(("synpic", *path))
        pages.append(f"## {title}\n\n```text\n" + "\n".join(lines).strip("\n") + "\n```\n")
    return "\n".join(pages)


if __name__ == "__main__":
    print(reference(), end="")

"""Find words and phrases of ``words.toml`` in what users read; part of ``make lint``.

It reads pages (README, CHANGELOG, CONTRIBUTING, docs/), dataset cards, presets and examples; and
of the packages, docstrings of public modules, classes and functions and all strings of more than
one word: messages, hints, help of options. It skips code in pages, comments, and names in code.

Prints ``file:line: word → instead`` for each, and exits with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PAGES = ("*.md", "docs/**/*.md", "dataset_cards/*.jinja", "examples/*.*", "synpic/**/*.toml")
PACKAGES = ("synpic", "cli")

Text = tuple[int, str]
"""The number of its first line, and what is there."""


def main(root: Path, listed: Path) -> int:
    """Check the project in ``root`` against the lists of ``listed``; 0 where no word is found."""
    lists = tomllib.loads(listed.read_text(encoding="utf-8"))
    allowed = {(one["file"], one["text"]) for one in lists.get("allowed", ())}
    used = set()
    found = []
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if name.startswith(tuple(lists.get("unread", ()))):
            continue
        source = path.read_text(encoding="utf-8")
        texts = code_texts(source) if path.suffix == ".py" else page_texts(source)
        for line, word, instead, around in listed_words(texts, lists["instead"]):
            if excuse := next(((n, t) for n, t in allowed if n == name and t in around), None):
                used.add(excuse)
            else:
                found.append(f"{name}:{line}: {word} → {instead}")
    found += [f"{name}: {text!r} is allowed and not there" for name, text in allowed - used]
    print("\n".join(found) or "no listed word")
    return 1 if found else 0


def files(root: Path) -> Iterator[Path]:
    """Pages and modules, in order."""
    for pattern in PAGES:
        yield from sorted(root.glob(pattern))
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def listed_words(
    texts: Sequence[Text], instead: Mapping[str, str]
) -> Iterator[tuple[int, str, str, str]]:
    """Line, word, what to write instead, and the text around it; a text may run over lines."""
    patterns = {
        re.compile(rf"\b(?:{key})".replace(" ", r"\s+"), re.IGNORECASE | re.MULTILINE): new
        for key, new in instead.items()
    }
    for start, text in texts:
        for pattern, new in patterns.items():
            for match in pattern.finditer(text):
                line = start + text.count("\n", 0, match.start())
                around = text[max(0, match.start() - 80) : match.end() + 80]
                yield line, " ".join(match[0].split()), new, " ".join(around.split())


def page_texts(source: str) -> list[Text]:
    """A page without its code, line for line."""
    blank = re.sub(
        r"^```.*?^```|`[^`]*`|\]\([^)]*\)|^    .*?$",
        lambda code: "`" + "\n" * code[0].count("\n") + "`",
        source,
        flags=re.DOTALL | re.MULTILINE,
    )
    return [(1, blank)]


def code_texts(source: str) -> list[Text]:
    """Public docstrings, and strings that have a space, of a module."""
    tree = ast.parse(source)
    docstrings = {id(node): public for node, public in _docstrings(tree, True)}
    texts = []
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and docstrings.get(id(node), " " in text):
            texts.append((node.lineno, re.sub(r"``[^`]*``|`[^`]*`", "`", text)))
    return sorted(texts)


def _docstrings(node: ast.AST, public: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every docstring below ``node``, and whether what has it is public."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            open_ = public and not re.match(r"_[^_]", child.name)
            yield from _docstrings(child, open_)
        elif isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            yield child.value, public
        else:
            yield from _docstrings(child, public)


if __name__ == "__main__":
    ROOT = Path(__file__).parent.parent
    sys.exit(main(ROOT, Path(__file__).with_suffix(".toml")))

"""A hook of MkDocs: pages and examples that lie beside docs/ are part of the site too.

GitHub shows docs/ and the files beside it in one tree; the site has one folder. Links between the
two are rewritten, and Mermaid diagrams are left as code: the theme would load Mermaid from a CDN.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import synpic

ROOT = Path(__file__).parent.parent
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
EXAMPLES = ("*.py", "*.ipynb", "*.toml", "*.md")
PUBLIC: dict[str, str] = synpic._PUBLIC


def on_files(files: Files, config: Any) -> Files:
    """Add what lies beside docs/."""
    examples = [
        path
        for pattern in EXAMPLES
        for path in sorted((ROOT / "examples").rglob(pattern))
        if not any(part.endswith(".egg-info") for part in path.parts)
    ]
    for path in [*(ROOT / name for name in BESIDE), *examples]:
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite links for one folder, and the head of code that no test runs."""
    markdown = re.sub(r"^```(\w+) no-run$", r"```\1", markdown, flags=re.MULTILINE)
    if page.file.src_uri == "api.md":
        return re.sub(r"^(## .*\n(?:\n|\|.*\n)*)", _with_docstrings, markdown, flags=re.MULTILINE)
    if page.file.src_uri in BESIDE:
        markdown = re.sub(r"(\]\(|\]: )docs/", r"\1", markdown)
        # Folders and files of the source have no page.
        markdown = re.sub(r"\[([^\]]+)\]\((?:tests|\.ci|benchmarks)/[^)]*\)", r"\1", markdown)
    else:
        within = "../" * page.file.src_uri.count("/")  # from the page to the folder of all pages
        beside = rf"{within}../"
        markdown = re.sub(
            rf"\]\({re.escape(beside)}(?=[A-Z]|examples/[^)]*\.\w+\))", f"]({within}", markdown
        )
        markdown = re.sub(rf"\[([^\]]+)\]\({re.escape(beside)}[^)]*\)", r"\1", markdown)
    return markdown


def _with_docstrings(section: re.Match[str]) -> str:
    """A section of the Python reference, and below it the docstring of each name in it."""
    parts = [section[1]]
    for name in re.findall(r"^\| `synpic\.(\w+)`", section[1], re.MULTILINE):
        place = PUBLIC[name].replace(":", ".")
        parts.append(f"::: {place}\n    options:\n      heading: synpic.{name}\n")
    return "\n".join(parts) + "\n"

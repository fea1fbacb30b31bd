"""Templates and assets of pages: a page's own in its package, those of all pages in this one."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader

from synpic.readers.display import visible

__all__ = ["read_asset", "render"]


def render(package: str, template: str, facts: dict[str, Any]) -> str:
    """The HTML of ``templates/<template>`` of ``package``. All text of ``facts`` is escaped; the
    filter ``visible`` writes out what cannot be seen."""
    environment = Environment(
        loader=PackageLoader(package), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    return environment.get_template(template).render(facts)


def read_asset(package: str, name: str) -> bytes:
    """The file ``name`` in ``assets`` of ``package``, else of all pages.

    Raises:
        FileNotFoundError: there is none, or ``name`` is a path.
    """
    for place in (package, "synpic.web"):
        # Looked up among the names that are there: a path, or a name too long, is none of them.
        for file in resources.files(place).joinpath("assets").iterdir():
            if file.name == name and file.is_file():
                return file.read_bytes()
    raise FileNotFoundError(name)

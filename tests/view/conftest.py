from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synpic.view.frame import Frame, make_frame
from synpic.view.source import open_source
from tests.view import making


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored workspace; look, and change nothing in it."""
    root = tmp_path_factory.mktemp("view") / "set"
    making.build(root, 24, flag=lambda row: row["candidate_id"] < "1")
    return root


@pytest.fixture(scope="session")
def frame(made: Path) -> Frame:
    return make_frame(open_source(made))


class Visit:
    """A page in the browser, and what it did that it must not do."""

    def __init__(self, page: Any, origin: str) -> None:
        self.page, self.origin = page, origin
        self.foreign: list[str] = []
        self.said: list[str] = []
        page.on("request", self._requested)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.foreign.append(request.url)

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.said.append(text)

    def open(self, address: str) -> Any:
        self.page.goto(address)
        self.settled()
        return self.page

    def settled(self) -> None:
        self.page.wait_for_selector("#rows[aria-busy=false]", state="attached")

    def check(self) -> None:
        assert self.foreign == []
        assert self.said == []


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def begin(origin: str, **options: Any) -> Visit:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        return Visit(context.new_page(), origin)

    yield begin
    for context in contexts:
        context.close()

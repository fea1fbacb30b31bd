"""A browser that is there already, and pages served to it by a thread."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from synpic.view.frame import Frame
from synpic.view.serving import make_server
from synpic.web.listening import Listening

__all__ = ["BROWSERS", "chromium", "find_browser", "running", "serving"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def find_browser() -> str | None:
    """The path of a browser; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A browser of Playwright's, headless.

    Raises:
        FileNotFoundError: there is none.
    """
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        raise FileNotFoundError(f"no browser here: none of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(frame: Frame, **options: Any) -> Iterator[str]:
    """The address of a page of ``frame``, served by a thread."""
    with running(make_server(frame, **options)) as address:
        yield address


@contextmanager
def running(listening: Listening) -> Iterator[str]:
    """The address of a page, served by a thread."""
    thread = threading.Thread(target=listening.server.run, args=[[listening.socket]])
    thread.start()
    try:
        yield listening.address
    finally:
        listening.server.should_exit = True
        thread.join()
        listening.socket.close()

"""Ctrl-C is noticed in a wait, also after polars has put a handler below Python's."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WAITS = """
import importlib.util, os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # under nohup it is ignored
import synpic
{before}
import polars
main = threading.main_thread().ident
threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT]).start()
late = threading.Timer(10, os._exit, [3])
late.daemon = True
late.start()
try:
    os.read(os.pipe()[0], 1)
except KeyboardInterrupt:
    print("noticed", flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("before", ["", "assert importlib.util.find_spec('polars')"])
def test_after_polars_is_imported(before: str) -> None:
    """datasets looks for polars, and imports it later."""
    code = _WAITS.format(before=before)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("noticed\n", 0), ended.stderr

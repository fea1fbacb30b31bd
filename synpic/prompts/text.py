"""A prompt a line, in UTF-8."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa

from synpic.errors import PromptError

__all__ = ["decode", "lines", "read_text"]


def read_text(data: bytes, where: str) -> Iterator[pa.Table]:
    """One table: the column ``prompt``, a row a line.

    Raises:
        PromptError: the file is not UTF-8.
    """
    yield pa.table({"prompt": pa.array(lines(data, where), pa.string())})


def lines(data: bytes, where: str) -> list[str]:
    """The lines of a file without their ends: LF, CRLF or CR.

    Not ``str.splitlines``, which also cuts where a prompt holds U+2028, NEL or a form feed.
    """
    stream = io.StringIO(decode(data, where), newline=None)
    return [line.removesuffix("\n") for line in stream]


def decode(data: bytes, where: str) -> str:
    """``data`` as UTF-8, a byte order mark left out.

    Raises:
        PromptError: naming the first line that is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptError(
            f"{where}:{line}: not UTF-8 (byte 0x{data[error.start]:02x})",
            hint="save it as UTF-8; `iconv -f LATIN1 -t UTF-8` turns Latin-1 into it",
        ) from error

"""The first look at a file."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.given.look import Seen, look
from tests.given.conftest import picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_whole_images_are_seen(kind: str) -> None:
    assert look(picture(0, kind)) == Seen(12, 12, kind.lower())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_that_breaks_off_is_none(kind: str) -> None:
    data = picture(0, kind, edge=64)
    with pytest.raises(ValueError, match="not a whole image: "):
        look(data[: len(data) // 2])


@pytest.mark.parametrize("data", [b"", b"a cat", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_has_a_reason_without_an_address(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a whole image: ") as caught:
        look(data)
    assert "0x" not in str(caught.value)


def test_a_bomb_is_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="decompression bomb"):
        look(picture(0))


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]))
def test_any_bytes_are_an_image_or_a_reason(tail: bytes, kind: str) -> None:
    with suppress(ValueError):
        assert look(picture(0, kind)[:40] + tail).width

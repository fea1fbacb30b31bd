"""Files that browsers show stay as they are; of others they get the pixels."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from synpic.view.thumbnails import for_browsers

PICTURE = Image.linear_gradient("L").convert("RGB").resize((20, 10))


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif")]
)
def test_what_browsers_show_stays(kind: str, ending: str) -> None:
    data = encoded(kind)
    assert for_browsers(data) == (data, ending)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "TGA"])
def test_of_other_files_they_get_the_pixels(kind: str) -> None:
    data, ending = for_browsers(encoded(kind))
    assert ending == "png"
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.format == "PNG"
        assert shown.tobytes() == PICTURE.tobytes()

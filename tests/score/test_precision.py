from __future__ import annotations

import pytest
import torch

from synpic.score.precision import full_float32


@pytest.mark.parametrize("before", [True, False])
def test_no_short_mantissas_inside_and_the_user_s_choice_outside(before: bool) -> None:
    places = (torch.backends.cudnn, torch.backends.cuda.matmul)
    found = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = before
        with pytest.raises(ZeroDivisionError), full_float32(), full_float32():
            assert not any(place.allow_tf32 for place in places)
            raise ZeroDivisionError
        assert [place.allow_tf32 for place in places] == [before, before]
    finally:
        for place, allowed in zip(places, found, strict=True):
            place.allow_tf32 = allowed

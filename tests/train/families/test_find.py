from __future__ import annotations

import diffusers
import pytest

from synpic.errors import TrainingError
from synpic.train.families.find import FAMILIES, family_of


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_there_and_so_is_its_pipeline(name: str) -> None:
    kind = family_of(name)
    assert not kind.__abstractmethods__
    pipeline = getattr(diffusers, name)
    assert kind.denoiser in pipeline.__init__.__annotations__
    assert hasattr(pipeline, "load_lora_weights") == kind.lora_mixin


def test_a_kind_that_cannot_be_trained_is_told_with_those_that_can() -> None:
    with pytest.raises(TrainingError, match="org/flux is a FluxPipeline") as caught:
        family_of("FluxPipeline", "org/flux")
    for name in FAMILIES:
        assert name in str(caught.value.hint)

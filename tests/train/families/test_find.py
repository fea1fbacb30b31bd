from __future__ import annotations

import pytest

from synpic.errors import TrainingError
from synpic.train.families.find import FAMILIES, family_of


def test_a_family_knows_the_pipelines_it_is_found_by() -> None:
    for name in FAMILIES:
        assert name in family_of(name).pipelines
    assert sorted(FAMILIES) == sorted({n for f in FAMILIES for n in family_of(f).pipelines})


def test_a_kind_that_cannot_be_trained_is_told_with_those_that_can() -> None:
    with pytest.raises(TrainingError, match="org/flux is a FluxPipeline") as caught:
        family_of("FluxPipeline", "org/flux")
    for name in FAMILIES:
        assert name in str(caught.value.hint)

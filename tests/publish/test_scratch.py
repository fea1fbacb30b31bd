from __future__ import annotations

from pathlib import Path

import pytest

from synpic.publish.atomic_folder import scratch


def test_scratch_is_gone_in_the_end_and_so_is_what_a_kill_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "synpic-publish-left"
    left.mkdir()
    (left / "shard.parquet").write_bytes(b"x")
    with scratch("synpic-publish") as held:
        assert not left.exists()
        with scratch("synpic-publish") as other:
            assert held.exists(), "what another holds is not taken for left over"
            assert other != held
    assert not list(tmp_path.iterdir())

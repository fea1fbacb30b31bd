from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import errors

from synpic.errors import HubUnreachable, ReleaseError
from synpic.hub import client as hub


def refusal(code: int) -> Exception:
    error: Any = errors.HfHubHTTPError.__new__(errors.HfHubHTTPError)
    error.response = SimpleNamespace(status_code=code)
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (refusal(503), 4),
        (refusal(429), 4),
        (ConnectionResetError(), 4),
        (TimeoutError(), 4),
        (errors.HTTPError("cut"), 4),  # type: ignore[attr-defined]
        (refusal(404), 1),
        (refusal(401), 1),
        (errors.OfflineModeIsEnabled(), 1),
        (ValueError(), 1),
        (FileNotFoundError(), 1),
    ],
)
def test_what_may_pass_is_asked_again(
    error: Exception, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "WAITS", (1.0, 2.0, 4.0))
    asked: list[int] = []
    waited: list[float] = []
    monkeypatch.setattr(hub, "sleep", waited.append)

    def fail() -> None:
        asked.append(1)
        raise error

    with pytest.raises(type(error)):
        hub.ask(fail)
    assert len(asked) == tries
    assert waited == [1.0, 2.0, 4.0][: tries - 1]


def test_an_answer_ends_it() -> None:
    answers = iter([ConnectionResetError(), TimeoutError(), "yes"])

    def act() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert hub.ask(act) == "yes"


def test_a_status_is_named() -> None:
    found = hub.explain(refusal(503), "user/set", None, None)
    assert isinstance(found, HubUnreachable)
    assert "cannot be reached (it says 503)" in found.message
    refused = hub.explain(refusal(403), "user/set", None, None)
    assert isinstance(refused, ReleaseError)
    assert "refuses the token" in refused.message

from __future__ import annotations

from types import SimpleNamespace

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from synpic.errors import HubUnreachable
from synpic.hub.retry import Patience, seconds_told, status_of, transient


def answered(status: int, **headers: str) -> Exception:
    """An error with an answer behind it, as the client raises it."""
    error = RuntimeError("refused")
    known = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    error.response = SimpleNamespace(status_code=status, headers=known)  # type: ignore[attr-defined]
    return error


def wrapped(error: Exception) -> Exception:
    """As uploads do: their own error, raised from the one that says what happened."""
    try:
        raise RuntimeError("Error while uploading") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_waited_for_also_when_wrapped(status: int) -> None:
    assert transient(answered(status))
    assert transient(wrapped(answered(status)))
    assert status_of(wrapped(answered(status))) == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
def test_a_refusal_does_not_pass(status: int) -> None:
    assert not transient(answered(status))
    assert not transient(wrapped(answered(status)))


def test_no_answer_passes_and_being_offline_does_not() -> None:
    assert transient(ConnectionError())
    assert transient(wrapped(TimeoutError()))
    assert not transient(OfflineModeIsEnabled())
    assert not transient(ValueError())


def test_xet_says_a_status_in_words_only() -> None:
    text = "Network error: HTTP status client error (403 Forbidden) for url (…)"
    assert status_of(ConnectionError(text)) == 403
    assert not transient(ConnectionError(text))
    assert transient(ConnectionError("HTTP status server error (503 Service Unavailable)"))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (answered(429, Retry_After="12"), 12.0),
        (answered(503, Retry_After="2.5"), 2.5),
        (answered(429, RateLimit='"api";r=0;t=55'), 55.0),
        # The window of rates comes with every answer.
        (answered(503, RateLimit='"api";r=480;t=300'), None),
        (answered(409, RateLimit='"api";r=480;t=300'), None),
        (answered(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), None),
        (ConnectionError(), None),
    ],
)
def test_how_long_the_hub_says_to_wait(error: Exception, seconds: float | None) -> None:
    assert seconds_told(error) == seconds


def test_waits_double_and_end() -> None:
    slept: list[float] = []
    said: list[str] = []
    tries = 0

    def act() -> None:
        nonlocal tries
        tries += 1
        raise ConnectionError("gone")

    patience = Patience(tries=4, tell=said.append, sleep=slept.append)
    with pytest.raises(HubUnreachable, match="4 times in a row"):
        patience.call("user/set: asking", act)
    assert (tries, slept) == (4, [1.0, 2.0, 4.0])
    assert said[0] == (
        "user/set: asking: the connection failed (ConnectionError); waiting 1 s (try 1 of 4)"
    )


def test_no_wait_is_longer_than_the_windows_of_rates() -> None:
    slept: list[float] = []
    patience = Patience(sleep=slept.append)
    patience.wait("asking", answered(429, Retry_After="86400"), 1)
    assert slept == [300.0]


def test_what_does_not_pass_is_raised_at_once() -> None:
    error = answered(403)
    with pytest.raises(RuntimeError) as caught:
        Patience(sleep=lambda _: pytest.fail("waited")).call("asking", _raiser(error))
    assert caught.value is error


def _raiser(error: Exception):  # type: ignore[no-untyped-def]
    def act() -> None:
        raise error

    return act

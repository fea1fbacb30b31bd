"""The one policy: what is tried again, how long, and which lines are passed on."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import errors
from huggingface_hub.errors import OfflineModeIsEnabled

from synpic.errors import HubUnreachable, ReleaseError
from synpic.hub import retry
from synpic.hub.answers import seconds_told, status_of, transient
from synpic.hub.errors import Subject
from synpic.hub.retry import Patience, ask, patience_of_readers, waiting

SET = Subject("user/set", None, "dataset", ReleaseError)


def answered(status: int, **headers: str) -> Exception:
    """An error with an answer behind it, as the client raises it."""
    error: Any = errors.HfHubHTTPError.__new__(errors.HfHubHTTPError)
    known = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    error.response = SimpleNamespace(status_code=status, headers=known)
    return error  # type: ignore[no-any-return]


def wrapped(error: Exception) -> Exception:
    """As uploads do: their own error, raised from the one that says what happened."""
    try:
        raise RuntimeError("Error while uploading") from error
    except RuntimeError as outer:
        return outer


class Failing:
    """Raises ``error`` each time it is called, and counts."""

    def __init__(self, error: Exception, times: int = 10**6) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls > self.times:
            return "yes"
        raise self.error


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_waited_for_also_when_wrapped(status: int) -> None:
    assert transient(answered(status))
    assert transient(wrapped(answered(status)))
    assert status_of(wrapped(answered(status))) == status


@pytest.mark.parametrize("name", ["UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects"])
def test_what_cannot_be_sent_is_asked_once(name: str) -> None:
    error = type(name, (errors.HTTPError,), {})("'Bearer hf_abcdefghijklmnopqrst\n'")
    assert not transient(error)
    assert not transient(wrapped(error))
    act = Failing(error)
    with pytest.raises(HubUnreachable, match=f"cannot be asked: {name}") as caught:
        ask(SET, act, Patience(sleep=lambda _: None))
    assert act.calls == 1
    assert "hf_abc" not in caught.value.message
    assert "HF_ENDPOINT" in str(caught.value.hint)


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
        # The window of rates comes with every answer; it says when to ask again where it is empty.
        (answered(429, RateLimit='"api";r=480;t=300'), None),
        (answered(503, RateLimit='"api";r=0;t=300'), None),
        (answered(409, RateLimit='"api";r=480;t=300'), None),
        (answered(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), None),
        (answered(429, Retry_After="Mon, 21 Oct 999999999999 07:28:00 GMT"), None),
        (answered(429, Retry_After="9" * 400), None),
        (ConnectionError(), None),
    ],
)
def test_how_long_the_hub_says_to_wait(error: Exception, seconds: float | None) -> None:
    assert seconds_told(error) == seconds


def test_waits_double_until_the_time_is_up() -> None:
    slept: list[float] = []
    said: list[str] = []
    act = Failing(answered(503))
    with pytest.raises(HubUnreachable, match="it says 503, 6 times in a row"):
        Patience(20, said.append, slept.append).call(SET, act)
    assert slept == [1.0, 2.0, 4.0, 8.0, 5.0]  # the last is what is left of 20 s
    assert act.calls == 6
    assert said[0] == "user/set: the Hub says 503; waiting 1 s (try 1)"


@pytest.mark.parametrize("headers", [{"retry_after": "0"}, {"retry_after": "0.001"}])
def test_a_wait_of_nothing_adds_up_all_the_same(headers: dict[str, str]) -> None:
    slept: list[float] = []
    act = Failing(answered(503, **headers))
    with pytest.raises(HubUnreachable):
        Patience(60, sleep=slept.append).call(SET, act)
    assert min(slept) >= 1
    assert sum(slept) == pytest.approx(60)
    assert act.calls == len(slept) + 1


def test_tries_may_be_limited_too() -> None:
    slept: list[float] = []
    act = Failing(ConnectionError("gone"))
    with pytest.raises(HubUnreachable, match=r"\(ConnectionError, 3 times in a row\)"):
        Patience(3600, sleep=slept.append, tries=3).call(SET, act)
    assert (act.calls, slept) == (3, [1.0, 2.0])


def test_an_answer_ends_it_and_the_next_thing_has_its_own_time() -> None:
    slept: list[float] = []
    patience = Patience(4, sleep=slept.append)
    for _ in range(3):
        assert patience.call(SET, Failing(answered(500), times=2)) == "yes"
    assert slept == [1.0, 2.0] * 3


def test_a_long_wait_is_told_every_30_seconds() -> None:
    slept: list[float] = []
    said: list[str] = []
    act = Failing(answered(429, RateLimit='"api";r=0;t=75'), times=1)
    assert Patience(3600, said.append, slept.append).call(SET, act) == "yes"
    assert slept == [30.0, 30.0, 15.0]
    assert said == [
        "user/set: the Hub says 429; waiting 75 s (try 1)",
        "user/set: still waiting, 45 s left",
        "user/set: still waiting, 15 s left",
    ]


def test_a_wait_that_is_longer_than_the_time_left_is_not_begun() -> None:
    act = Failing(answered(429, Retry_After="300"))
    with pytest.raises(HubUnreachable) as caught:
        Patience(60, sleep=lambda _: pytest.fail("waited")).call(SET, act)
    assert "it asks to wait 300 s, and the limit is 60 s" in caught.value.message
    assert act.calls == 1


def test_silence_inside_a_call_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_REPORT_EVERY", 0.02)
    said: list[str] = []
    heard = threading.Event()

    def tell(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            heard.set()

    subject = Subject("user/set", doing="sending ranked/train.parquet")
    assert Patience(60, tell).call(subject, lambda: heard.wait(10))
    assert said[0].startswith("user/set: sending ranked/train.parquet: still waiting, for ")
    number = len(said)
    time.sleep(0.1)
    assert len(said) == number  # the watch ends with the call
    assert not [one for one in threading.enumerate() if one.name == "synpic-hub-watch"]


def test_each_thing_has_its_own_time_also_under_the_same_name() -> None:
    slept: list[float] = []
    patience = Patience(10, sleep=slept.append)
    first, second = patience.begin(SET), patience.begin(SET)
    for attempts in (first, second, first, second):
        attempts.wait(answered(503))
    assert slept == [1.0, 1.0, 2.0, 2.0]
    first.wait(answered(503))
    first.wait(answered(503))
    with pytest.raises(HubUnreachable, match="5 times in a row"):
        first.wait(answered(503))
    assert slept[4:] == [4.0, 3.0]
    second.wait(answered(503))
    assert slept[6:] == [4.0]


def test_a_network_that_is_down_is_waited_for_once() -> None:
    """A command that needs ten things does not wait ten times."""
    slept: list[float] = []
    patience = Patience(10, sleep=slept.append)
    for _ in range(10):
        with pytest.raises(HubUnreachable):
            patience.call(SET, Failing(ConnectionError()))
    assert sum(slept) == pytest.approx(10, abs=0.1)
    assert patience.call(SET, lambda: "yes") == "yes"
    slept.clear()
    with pytest.raises(HubUnreachable):
        patience.call(SET, Failing(ConnectionError()))
    assert sum(slept) == pytest.approx(10, abs=0.1)  # there was an answer in between


def test_the_clients_own_waits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 20))
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    slept: list[float] = []
    with pytest.raises(HubUnreachable):
        Patience(60, sleep=slept.append).call(SET, Failing(ConnectionError()))
    assert slept == [1.0, 2.0]  # and three calls of 20 s


@pytest.mark.parametrize("error", [answered(403), answered(401), answered(404), answered(412)])
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    act = Failing(error)
    with pytest.raises(ReleaseError, match="the Hub refuses"):
        Patience(sleep=lambda _: pytest.fail("waited")).call(SET, act)
    assert act.calls == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_what_is_not_of_the_hub_goes_on_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        ask(SET, Failing(error))
    assert caught.value is error


def test_a_command_says_how_long_readers_wait() -> None:
    assert patience_of_readers().limit == retry.READING
    said: list[str] = []
    with waiting(5, said.append):
        assert patience_of_readers().limit == 5
        patience_of_readers().tell("hello")
    assert said == ["hello"]
    assert patience_of_readers().limit == retry.READING


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("size"), "it lacks the key 'size'"),
        (AttributeError("'list' object has no attribute 'endswith'"), "not of the type"),
        (IndexError("list index out of range"), "a list in it is shorter"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
        (ValueError("Expecting value: line 1 column 1"), "cannot be read: Expecting value: line 1"),
    ],
)
def test_an_answer_that_the_client_cannot_read_is_explained(error: Exception, words: str) -> None:
    with pytest.raises(HubUnreachable) as caught:
        ask(SET, Failing(error), Patience(0.0))
    assert words in caught.value.message
    assert type(error).__name__ not in caught.value.message

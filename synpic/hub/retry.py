"""What to do when the Hub says "not now": wait as it says, try again, and give up in the end.

The one policy, for all that is asked of the Hub. Most calls of ``huggingface_hub`` try once; a
publisher that ran for hours does not die of one 503, and a reader not of a dropped connection.
What libraries ask by themselves (``from_pretrained``, ``load_dataset``, reads of ``hf://``) goes
through the session of ``huggingface_hub``, and is waited for there (:func:`guard`).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from synpic.errors import SynpicError
from synpic.hub.answers import (
    TRANSIENT,
    NotTheHub,
    no_answer,
    plain,
    seconds_told,
    status_of,
    transient,
)
from synpic.hub.errors import Subject, explain
from synpic.hub.session import SECONDS, deciding_ourselves, is_deciding, look_at

__all__ = [
    "PUBLISHING",
    "READING",
    "Patience",
    "PatientAttempts",
    "ask",
    "guard",
    "is_asking",
    "patience_of_readers",
    "waiting",
]

T = TypeVar("T")

PUBLISHING = 3600.0
"""Seconds that a publisher waits by default, for one thing; longer than any window of rates."""

READING = 60.0
"""Seconds that a reader waits by default, for one thing."""

_NAME = re.compile(r"/(?:api/)?(?:(models|datasets|spaces)/)?([^/]+/[^/]+)")
"""A repository in an address of the Hub."""

_LONGEST = 60.0
"""Seconds of a wait, at most, where the Hub does not say how long."""

_REPORT_EVERY = 30.0
"""Seconds after which a silence is broken."""

_INSIDE = 25.0
"""Seconds at most that a call without an answer counts as waiting: the client's own tries."""


class Patience:
    """How long to wait for the Hub, and what is called with a line on each wait.

    Args:
        limit: seconds of waiting, at most, before one thing is given up; work is no waiting. A
            wait that the Hub asks for and that is longer than what is left is not begun.
        tell: called with a line on why and how long there is a wait, and every 30 s while one
            lasts or while a call is silent.
        sleep: ``time.sleep``, or what a test puts there.
        tries: at most, for one thing; None for as many as there is time for.
    """

    def __init__(
        self,
        limit: float = PUBLISHING,
        tell: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] | None = None,
        tries: int | None = None,
    ) -> None:
        self.limit, self.tries = limit, tries
        self._tell = tell
        self._sleep = sleep
        # Whether the last thing was given up because there was no connection.
        self.down = False
        # What a library asked last that was given up.
        self.given_up = ""

    def tell(self, line: str) -> None:
        """Pass a line on to ``tell``, if one was set."""
        if self._tell is not None:
            self._tell(line)

    def call(self, subject: Subject, act: Callable[[], T]) -> T:
        """``act()``, again for as long as it fails for reasons that pass.

        After a thing was given up because there was no connection, the next ones are tried once,
        until one has an answer: a command that needs ten things waits for the network once.

        Raises:
            SynpicError: the Hub refused, or did not answer in time (``HubUnreachable``); as
                :func:`synpic.hub.errors.explain` says.
            Exception: what else ``act`` raises.
        """
        guard()
        attempts = self.begin(subject)
        while True:
            started = time.monotonic()
            try:
                with self.watching(subject):
                    found = act()
                self.down = False
                return found
            except SynpicError:
                raise
            except Exception as error:
                # Several libraries speak HTTP and files here; their errors have no other ancestor.
                if not transient(error):
                    self.down = self.down and status_of(error) is None
                    raise _explained(error, subject) from error
                attempts.wait(error, spent=time.monotonic() - started)

    def begin(self, subject: Subject) -> PatientAttempts:
        """Attempts at one thing, of which none has failed yet."""
        return PatientAttempts(self, subject)

    def rest(self, what: str, seconds: float) -> None:
        """Sleep, with a line every 30 s."""
        sleep = self._sleep or time.sleep
        with _asking():
            while seconds > _REPORT_EVERY:
                sleep(_REPORT_EVERY)
                seconds -= _REPORT_EVERY
                self.tell(f"{what}: still waiting, {seconds:.0f} s left")
            sleep(seconds)

    @contextmanager
    def watching(self, subject: Subject) -> Iterator[None]:
        """Around work that is not to be tried again here: silence is broken, and an answer that may
        pass is raised at once."""
        guard()
        with self.breaking_silence(subject), deciding_ourselves():
            yield

    @contextmanager
    def breaking_silence(self, subject: Subject) -> Iterator[None]:
        """Inside, a line every 30 s: the client may wait, or send gigabytes, without a word."""
        what = subject.what
        if self._tell is None:
            with _asking():
                yield
            return
        ended = threading.Event()
        started = time.monotonic()

        def watch() -> None:
            while not ended.wait(_REPORT_EVERY):
                self.tell(f"{what}: still waiting, for {time.monotonic() - started:.0f} s")

        thread = threading.Thread(target=watch, name="synpic-hub-watch", daemon=True)
        thread.start()
        try:
            with _asking():
                yield
        finally:
            ended.set()
            thread.join()


class PatientAttempts:
    """Attempts at one thing: how many have failed, and how long was waited between them.

    Made by :meth:`Patience.begin`.
    """

    def __init__(self, patience: Patience, subject: Subject) -> None:
        self._patience, self._subject = patience, subject
        self._failed = 0
        self._waited = 0.0

    def wait(self, error: Exception, *, spent: float = 0.0) -> None:
        """Sleep after an attempt that failed with ``error``.

        Args:
            spent: seconds that the failed call took.

        Raises:
            HubUnreachable: that was the last, or the time is up.
        """
        patience, what = self._patience, self._subject.what
        self._failed += 1
        status = status_of(error)
        if status is None:
            self._waited += min(spent, _INSIDE)
        else:
            patience.down = False
        left = patience.limit - self._waited
        asked = seconds_told(error)
        # A server that says "0" is not asked without a pause: the waits would never add up.
        seconds = min(_LONGEST, 2.0 ** min(self._failed - 1, 30)) if not asked else max(asked, 1.0)
        ended = patience.tries is not None and self._failed >= patience.tries
        if ended or patience.down or left <= 0 or (asked is not None and asked > left):
            patience.down = status is None
            raise self._given_up(error, asked) from error
        seconds = min(seconds, left)
        reason = f"the Hub says {status}" if status else f"no answer ({type(error).__name__})"
        of = f" of {patience.tries}" if patience.tries else ""
        patience.tell(f"{what}: {reason}; waiting {seconds:.0f} s (try {self._failed}{of})")
        self._waited += seconds
        patience.rest(what, seconds)

    def _given_up(self, error: Exception, asked: float | None) -> Exception:
        found = _explained(error, self._subject, tries=self._failed)
        limit = self._patience.limit
        if isinstance(found, SynpicError) and asked is not None and asked > limit:
            why = f"it asks to wait {asked:,.0f} s, and the limit is {limit:,.0f} s"
            found.message = f"{found.message} ({why})"
        return found


def ask(subject: Subject, act: Callable[[], T], patience: Patience | None = None) -> T:
    """``act()``, which does nothing but ask the client; by the one policy, explained.

    Args:
        patience: that of readers (:func:`waiting`) if None.

    Raises:
        SynpicError: as :meth:`Patience.call`; ``HubUnreachable`` too where the answer is none of
            the Hub's.
        Exception: what is not of the Hub: a full disk, no memory.
    """

    def act_on_answers() -> T:
        try:
            return act()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # The client takes it for granted that the Hub answers in the Hub's form.
            if status_of(error) is not None or _is_a_refusal(error):
                raise
            raise NotTheHub(_unreadable(error)) from error

    return (patience or patience_of_readers()).call(subject, act_on_answers)


def _unreadable(error: Exception) -> str:
    match error:
        case KeyError():
            return f"it lacks the key {error}"
        case TypeError() | AttributeError():
            return "a value in it is not of the type that the Hub sends"
        case IndexError():
            return "a list in it is shorter than the Hub sends"
        case RecursionError():
            return "it is nested too deep to be read"
    return f"it cannot be read: {error}"[:300]


def patience_of_readers() -> Patience:
    """The patience of reads in this process: 60 s and silent, if not :func:`waiting`."""
    return _readers[-1]


@contextmanager
def waiting(limit: float = READING, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Inside, whatever is read from the Hub in this process is waited for at most that long.

    Args:
        limit: seconds, for one thing.
        tell: called with a line on each wait.
    """
    patience = Patience(limit, tell)
    _readers.append(patience)
    try:
        yield
    finally:
        _readers.remove(patience)


def is_asking() -> bool:
    """Whether this thread waits for the Hub, or is about to ask it again."""
    return getattr(_state, "depth", 0) > 0


@contextmanager
def _asking() -> Iterator[None]:
    _state.depth = getattr(_state, "depth", 0) + 1
    try:
        yield
    finally:
        _state.depth -= 1


_state = threading.local()
_readers = [Patience(READING)]


def _explained(error: Exception, subject: Subject, *, tries: int = 1) -> Exception:
    """As an error of synpic's; itself where it is not of the Hub."""
    return explain(error, subject, tries=tries) or error


def _is_a_refusal(error: Exception) -> bool:
    from huggingface_hub import errors

    return isinstance(error, errors.HFValidationError)


def guard() -> None:
    """Give every session of the client time limits, waits and our look at answers.

    It may be called again: only the first call changes anything.
    """
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    # Private, and the only way to keep a factory that a program has set (proxies, certificates).
    made: Any = getattr(_http, "_GLOBAL_CLIENT_FACTORY", _http.default_client_factory)
    if getattr(made, "guarded", False):
        return

    def make() -> Any:
        session = made()
        if all(limit is None for limit in session.timeout.as_dict().values()):
            session.timeout = SECONDS
        hooks = session.event_hooks
        session.event_hooks = {**hooks, "response": [*hooks.get("response", []), look_at]}
        session.send = _patiently(session.send)
        return session

    make.guarded = True  # type: ignore[attr-defined]
    set_client_factory(make)


def _patiently(send: Callable[..., Any]) -> Callable[..., Any]:
    """``Client.send`` that asks again for what may pass, by the patience of readers.

    Requests with a body are sent once: it may be a stream. So are those that synpic makes itself,
    since it decides on them with more knowledge. In the end the client gets what it got before:
    its own error, after which it looks into its cache.
    """

    @wraps(send)
    def ask(request: Any, **options: Any) -> Any:
        if is_deciding() or request.method not in ("GET", "HEAD"):
            return send(request, **options)
        patience, subject = patience_of_readers(), _subject(str(request.url))
        attempts, asked = patience.begin(subject), f"{request.method} {request.url}"
        while True:
            started = time.monotonic()
            try:
                with patience.breaking_silence(subject):
                    answer = send(request, **options)
                    _raise_if_it_may_pass(answer)
                patience.down, patience.given_up = False, ""
                return answer
            except no_answer() as error:
                # The client asks some things anew by itself: they were waited for already.
                if asked == patience.given_up or not transient(error):
                    raise
                try:
                    attempts.wait(error, spent=time.monotonic() - started)
                except SynpicError:
                    patience.given_up = asked
                    raise error from None

    return ask


def _raise_if_it_may_pass(answer: Any) -> None:
    if answer.status_code in TRANSIENT:
        from huggingface_hub.utils._http import hf_raise_for_status

        answer.read()
        hf_raise_for_status(answer)


def _subject(url: str) -> Subject:
    """The repository that ``url`` is about; elsewhere than on the Hub, the host."""
    parts = urlsplit(url)
    found = _NAME.match(unquote(parts.path))
    name = plain(found[2] if found else parts.hostname or url)
    return Subject(name, kind="dataset" if found and found[1] == "datasets" else "model")

"""Several questions at a time to a model behind an endpoint, and none of them twice."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synpic.errors import RewardError, SynpicError
from synpic.score.servers.address import Address
from synpic.score.servers.outcomes import NotAsked
from synpic.score.vlm.endpoint import Endpoint
from synpic.score.vlm.journal import Journal
from synpic.score.vlm.questions import VlmAnswer, VlmQuestion

__all__ = ["EndpointVlm"]

_OURS = frozenset({"messages", "model", "stream", "logprobs", "n"})
"""Keys of a request without which no question is asked, or no answer read."""

Read = Callable[[VlmAnswer], object]
"""Raises ValueError for an answer that is no answer to what was asked."""

REMEMBERED = 4096
"""Answers that are kept in memory: several batches."""


class EndpointVlm:
    """A model behind an endpoint.

    A question is known by what is sent, images by their pixels, and by ``variant``; not by where it
    is sent. One that was answered, in this process or in an earlier one that kept its answers in
    the same folder, is not asked again. All who ask the same model in one process share its
    questions: two axes of one rating are one question.

    Args:
        reward: what it is called in messages.
        model: as the server names it.
        endpoint: an address, or a table; see :class:`synpic.score.servers.address.Address`.
        variant: tells apart what is served under one name: a revision, a quantisation.
        request: added to the body of every request.
        read: raises ValueError for an answer that is no answer to what was asked. Such a one is
            not kept on the disk.

    Raises:
        RewardError: a setting is out of its range.
    """

    def __init__(
        self,
        reward: str,
        model: str,
        endpoint: str | Mapping[str, Any],
        *,
        variant: str | None = None,
        request: Mapping[str, Any] | None = None,
        read: Read = lambda answer: None,
    ) -> None:
        if not isinstance(model, str) or not model.strip():
            raise RewardError(
                f"{reward}: model is {model!r}, expected the name under which the server has it",
                hint='options = { model = "Qwen/Qwen3-VL-8B-Instruct" }',
            )
        if request is not None and not isinstance(request, Mapping):
            raise RewardError(
                f"{reward}: request is {request!r}, expected a table",
                hint="request = { chat_template_kwargs = { enable_thinking = false } }",
            )
        for key in _OURS & set(request or {}):
            raise RewardError(
                f"{reward}: request.{key} cannot be replaced: it is what the answer is read by",
                hint="see docs/judges.md for what is sent",
            )
        address = Address.of(reward, endpoint)
        address.resolved()
        self.model, self._read = model, read
        self._line = _Line(address, model, variant, dict(request or {}))
        self._folder: Path | None = None
        self._questions: _Questions | None = None
        self._opening = threading.Lock()

    def remember_in(self, folder: Path) -> None:
        """Keep answers below ``folder``, and use those that are there; called before any is asked.

        Raises:
            StorageError: it cannot be read.
        """
        self._folder = folder / self._line.folder

    def begin(self, questions: Sequence[VlmQuestion], reads: Sequence[Read] | None = None) -> None:
        """Have ``questions`` asked, and do not wait.

        Args:
            reads: of each question, in place of ``read``.
        """
        for question, read in zip(questions, self._reads(questions, reads), strict=True):
            self._shared().future(question, read)

    def answers(
        self, questions: Sequence[VlmQuestion], reads: Sequence[Read] | None = None
    ) -> list[VlmAnswer]:
        """The answer to each of ``questions``, in their order.

        Args:
            reads: as of :meth:`begin`.

        Raises:
            ValueError: the first that has none.
            RewardError: the endpoint answers nothing.
            StorageError: an answer cannot be kept.
        """
        shared, each = self._shared(), self._reads(questions, reads)
        futures = [shared.future(*one) for one in zip(questions, each, strict=True)]
        answers = [future.result() for future in futures]
        for answer, read in zip(answers, each, strict=True):
            read(answer)
        return answers

    def prove(self, question: VlmQuestion, about: str = "a grey image") -> VlmAnswer:
        """The answer to a first question, before others are asked.

        Args:
            about: what it shows, for messages.

        Raises:
            RewardError: it has none: then no other would have one.
        """
        self._shared().first(question)
        try:
            return self.answers([question])[0]
        except ValueError as error:
            raise RewardError(
                f"{self.model} does not answer a first question about {about}: {error}",
                hint="the server's words say what it refuses; `request` adds to what is sent, or "
                "replaces it"
                if isinstance(error, NotAsked)
                else "a model that thinks before it answers has to be kept from it: "
                "request = { chat_template_kwargs = { enable_thinking = false } }; answers that "
                "are spelt otherwise are options",
            ) from error

    def close(self) -> None:
        """Ask nothing that is not under way; wait for what is, and keep it.

        Others who ask the same go on.
        """
        with self._opening:
            if self._questions is not None:
                _leave(self._questions)
                self._questions = None

    def _reads(
        self, questions: Sequence[VlmQuestion], reads: Sequence[Read] | None
    ) -> Sequence[Read]:
        return [self._read] * len(questions) if reads is None else reads

    def _shared(self) -> _Questions:
        with self._opening:
            if self._questions is None:
                self._questions = _join(self._line, self._folder)
            return self._questions


@dataclass(frozen=True)
class _Line:
    """All that two who ask have in common if their questions are one."""

    address: Address
    model: str
    variant: str | None
    request: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The name of the folder of its answers."""
        named = re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-")[-64:]
        of = hashlib.sha256(json.dumps([self.model, self.variant]).encode()).hexdigest()[:8]
        return f"{named or 'model'}-{of}"


class _Questions:
    """Questions on one line, each with the promise of its answer."""

    def __init__(self, line: _Line, folder: Path | None) -> None:
        self._variant = line.variant
        self._journal = None if folder is None else Journal(folder)
        self._endpoint = Endpoint(line.address, line.model, line.request)
        self._pool = ThreadPoolExecutor(line.address.concurrency, "ask")
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Future[VlmAnswer]] = OrderedDict()
        self.users = 0

    def future(self, question: VlmQuestion, read: Read) -> Future[VlmAnswer]:
        """The promise of an answer; the question is asked if it was not."""
        key = self._key(question)
        with self._lock:
            known = self._asked.get(key)
            if known is None or _is_over(known):
                known = self._asked[key] = self._pool.submit(self._ask, key, question, read)
            self._asked.move_to_end(key)
            while len(self._asked) > REMEMBERED and next(iter(self._asked.values())).done():
                self._asked.popitem(last=False)
        return known

    def first(self, question: VlmQuestion) -> None:
        """Name the question that shows whether the endpoint answers at all."""
        self._endpoint.first(question)

    def forget_failures(self) -> None:
        """One who comes later asks again what failed before."""
        with self._lock:
            for key, future in list(self._asked.items()):
                if future.done() and (future.cancelled() or future.exception() is not None):
                    del self._asked[key]

    def close(self) -> None:
        """Ask nothing that is not under way; wait for what is."""
        self._endpoint.close()
        self._pool.shutdown(cancel_futures=True)
        if self._journal is not None:
            self._journal.close()

    def _ask(self, key: str, question: VlmQuestion, read: Read) -> VlmAnswer:
        """The answer, whatever it says: others may read in it what ``read`` does not."""
        if self._journal is None:
            return self._endpoint.ask(question).slim()
        if (found := self._kept(key, read)) is not None:
            return found
        with self._journal.turn(key, self._endpoint.rest):
            if (found := self._kept(key, read)) is not None:
                return found
            answer = self._endpoint.ask(question).slim()
            with suppress(ValueError):
                read(answer)
                self._journal.keep(key, answer)
            return answer

    def _kept(self, key: str, read: Read) -> VlmAnswer | None:
        """The answer on the disk, if it is one to this question."""
        found = self._journal.find(key) if self._journal is not None else None
        with suppress(ValueError):
            if found is not None:
                read(found)
                return found
        return None

    def _key(self, question: VlmQuestion) -> str:
        sent = self._endpoint.body(question, lambda image: image.digest)
        written = json.dumps([self._variant, sent], sort_keys=True)
        return hashlib.sha256(written.encode()).hexdigest()[:32]


_shared: dict[str, _Questions] = {}
_sharing = threading.Lock()


def _join(line: _Line, folder: Path | None) -> _Questions:
    """The questions on ``line`` of this process, for one more who asks.

    Raises:
        StorageError: answers that were kept cannot be read.
    """
    key = json.dumps([asdict(line), str(folder)], sort_keys=True)
    with _sharing:
        if key not in _shared:
            _shared[key] = _Questions(line, folder)
        _shared[key].forget_failures()
        _shared[key].users += 1
        return _shared[key]


def _leave(questions: _Questions) -> None:
    """One who asks less; the last one ends it."""
    with _sharing:
        questions.users -= 1
        if questions.users:
            return
        for key in [key for key, one in _shared.items() if one is questions]:
            del _shared[key]
    questions.close()


def _is_over(future: Future[VlmAnswer]) -> bool:
    """Whether it ended for a reason that is not of its question, and may have passed."""
    if future.cancelled():
        return True
    return future.done() and isinstance(future.exception(), SynpicError)

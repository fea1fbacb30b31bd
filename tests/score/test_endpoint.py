"""How an endpoint is asked: what is sent, what is asked again, what is an error of whom."""

from __future__ import annotations

import base64
import io
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synpic.errors import RewardError, StorageError
from synpic.score.servers import pace as module
from synpic.score.servers.address import Address
from synpic.score.vlm.asking import EndpointVlm
from synpic.score.vlm.endpoint import Endpoint
from synpic.score.vlm.fitting import fit
from synpic.score.vlm.journal import Journal
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion, place_of
from tests.parity.inputs import picture
from tests.score.endpoint_server import Reply, Served, completion, served

YES = completion({"Yes": -0.1, "No": -2.5, "The": -9.0})
KEY = "sk-secret-0123456789abcdefghij"


def ask(number: int = 0, *, images: int = 1) -> VlmQuestion:
    pictures = [SentImage.of(picture(seed, 32, 24), 1 << 20) for seed in range(images)]
    return VlmQuestion((*pictures, f"question {number}"))


def vlm(server: Served, **options: Any) -> EndpointVlm:
    address = {"url": server.url, "patience": 5.0, **options.pop("endpoint", {})}
    return EndpointVlm("judge", "owner/model", address, **options)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[Served]:
    with served(lambda body: (200, YES)) as server:
        yield server


class Sequence:
    """Replies in turn, the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        with self._lock:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def test_what_is_sent(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    pixels = picture(1, 40, 30)
    question = VlmQuestion((SentImage.of(pixels, 1 << 20), "and", SentImage.of(pixels, 300), "?"))
    answer = vlm(server, request={"seed": 7}).answers([question])[0]
    assert answer.places == [{"Yes": -0.1, "No": -2.5, "The": -9.0}]
    (body,) = server.asked
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    message = body.pop("messages")
    assert body == {
        "model": "owner/model",
        "temperature": 0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
        "seed": 7,
    }
    (user,) = message
    kinds = [part["type"] for part in user["content"]]
    assert (user["role"], kinds) == ("user", ["image_url", "text", "image_url", "text"])
    sent = []
    for part in user["content"][::2]:
        head, data = part["image_url"]["url"].split(",")
        assert head == "data:image/png;base64"
        sent.append(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(np.asarray(sent[0]), np.asarray(pixels))
    assert sent[1].size == (20, 15)


def test_a_newer_name_of_the_length_replaces_the_older(server: Served) -> None:
    vlm(server, request={"max_completion_tokens": 1, "top_logprobs": 5}).answers([ask()])
    assert "max_tokens" not in server.asked[0]
    assert server.asked[0]["top_logprobs"] == 5


def test_an_address_may_be_a_variable(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_URL", server.url + "/")
    for url in ("$MY_URL", server.url + "/chat/completions"):
        EndpointVlm("judge", "owner/model", url).answers([ask()])
    assert server.paths == ["/v1/chat/completions"] * 2
    assert "Authorization" not in server.headers[0]


def test_many_at_once_and_each_once() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def reply(body: dict[str, Any]) -> Reply:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1
        return 200, YES

    with served(reply) as server:
        asking = vlm(server, endpoint={"concurrency": 8})
        questions = [ask(number % 20) for number in range(40)]
        asking.begin(questions[:20])
        assert len(asking.answers(questions)) == 40
        assert len(server.asked) == 20
        assert 4 <= most <= 8


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_pass_is_asked_again(status: int) -> None:
    with served(Sequence((status, {"error": "busy"}), (status, "busy"), (200, YES))) as server:
        assert vlm(server).answers([ask()])[0].places
        assert len(server.asked) == 3


def test_a_server_says_how_long_to_wait() -> None:
    with served(Sequence((429, "slow down", {"Retry-After": "1"}), (200, YES))) as server:
        began = time.monotonic()
        vlm(server).answers([ask(0), ask(1)])
        assert time.monotonic() - began >= 1


def test_a_wait_that_is_longer_than_patience_is_not_begun() -> None:
    with served(lambda body: (429, "slow down", {"Retry-After": "3600"})) as server:
        with pytest.raises(RewardError, match="does not answer: HTTP 429: slow down"):
            vlm(server).answers([ask()])
        assert len(server.asked) == 1


def test_a_used_up_quota_is_not_asked_again() -> None:
    body = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    with served(lambda _: (429, body)) as server:
        with pytest.raises(RewardError, match="You exceeded your quota"):
            vlm(server).answers([ask()])
        assert len(server.asked) == 1


def test_a_question_that_breaks_the_server_is_its_own_failure() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"][-1]["text"] == "question 3":
            return 500, "assertion failed"
        time.sleep(0.05)
        return 200, YES

    with served(reply) as server:
        asking = vlm(server, endpoint={"patience": 0.3, "concurrency": 2})
        asking.begin([ask(number) for number in range(12)])
        with pytest.raises(ValueError, match="HTTP 500: assertion failed"):
            asking.answers([ask(3)])
        asking.answers([ask(number) for number in range(12) if number != 3])


def test_a_server_that_is_away_is_nobody_s_failure() -> None:
    with served(lambda body: (200, YES)) as server:
        pass
    with pytest.raises(RewardError, match="does not answer") as error:
        vlm(server, endpoint={"patience": 0.1}).answers([ask()])
    assert "goes on from there" in str(error.value.hint)


def test_one_that_comes_back_is_waited_for() -> None:
    with served(lambda body: (200, YES)) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
    asking = vlm(server)
    asking.begin([ask()])
    time.sleep(0.1)
    with served(lambda body: (200, YES), port):
        assert asking.answers([ask()])


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        ((400, {"error": {"message": "too long"}}), ValueError, "refuses the question.*too long"),
        ((413, "too large"), ValueError, "refuses the question.*too large"),
        ((401, {"error": f"bad key {KEY}"}), RewardError, r"HTTP 401: bad key \[token\]"),
        ((403, "not for you"), RewardError, "not for you"),
        ((404, {"object": "error", "message": "no model x"}), RewardError, "no model x"),
        ((302, "", {"Location": "http://elsewhere/"}), RewardError, "HTTP 302"),
        ((200, "<html>Log in</html>"), RewardError, "does not speak OpenAI's chat completions"),
        ((200, {"choices": []}), RewardError, "does not speak OpenAI's chat completions"),
        (
            (200, {"choices": [{"message": {"content": "Yes"}, "logprobs": None}]}),
            RewardError,
            "this endpoint returns no log-probabilities",
        ),
        (
            (200, {"choices": [{"message": {"content": "Yes"}}]}),
            RewardError,
            "this endpoint returns no log-probabilities",
        ),
        ((200, completion({"Yes": -0.1})), RewardError, r"of other answers \(top_logprobs\)"),
    ],
)
def test_what_never_passes_is_an_error_at_once(
    reply: Reply, kind: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with served(lambda body: reply) as server:
        with pytest.raises(kind, match=says) as error:
            vlm(server).answers([ask()])
        assert len(server.asked) == 1
    assert KEY not in f"{error.value} {getattr(error.value, 'hint', '')}"


def test_a_failure_is_remembered_and_an_outage_is_not() -> None:
    with served(Sequence((400, "no"), (200, YES))) as server:
        asking = vlm(server)
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                asking.answers([ask()])
        assert len(server.asked) == 1
    with served(Sequence((401, "no"), (200, YES))) as server:
        asking = vlm(server)
        with pytest.raises(RewardError):
            asking.answers([ask()])
        assert asking.answers([ask()])


def test_a_key_of_several_lines_is_not_sent(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nmore")
    with pytest.raises(RewardError, match="OPENAI_API_KEY holds no key") as error:
        vlm(server).answers([ask()])
    assert KEY not in str(error.value)
    assert not server.asked


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("http://[bad", "no address of an endpoint"),
        ("http://host:99999/v1", "no address of an endpoint"),
        ("ftp://host", "no address of an endpoint"),
        ("host:8000", "no address of an endpoint"),
        ("$NOT_THERE", "NOT_THERE names an environment variable that is empty"),
        ({"url": "http://host/v1", "key": "abc"}, "expected the name of an environment variable"),
        ({"url": "http://host/v1", "adress": 1}, "unknown key 'adress'"),
        ({"url": "http://host/v1", "concurrency": 0}, "concurrency is 0, expected 1 … 1024"),
        ({"url": "http://host/v1", "concurrency": True}, "concurrency is True"),
        ({"url": "http://host/v1", "timeout": "1"}, "timeout is '1'"),
        ({"url": 3}, "url and key are texts"),
        ({"url": "https://elsewhere.org/v1", "key": "$HF_TOKEN"}, "not sent to elsewhere.org"),
        ({"url": "https://nothf.co/v1", "key": "$HF_TOKEN"}, "not sent to nothf.co"),
    ],
)
def test_settings_out_of_range_are_named(endpoint: Any, says: str) -> None:
    with pytest.raises(RewardError) as error:
        EndpointVlm("judge", "owner/model", endpoint)
    assert says in str(error.value)


def test_answers_that_were_kept_are_not_asked_for(server: Served, tmp_path: Path) -> None:
    questions = [ask(number) for number in range(5)]
    first = vlm(server)
    first.remember_in(tmp_path)
    answers = first.answers(questions)
    first.close()
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("owner-model-")
    (file,) = folder.glob("*.jsonl")
    # A command was killed while it wrote the last line.
    file.write_bytes(file.read_bytes()[:-3])
    second = vlm(server)
    second.remember_in(tmp_path)
    assert second.answers(questions) == answers
    assert len(server.asked) == 6
    # Another revision under the same name has answers of its own, and so has another request.
    for other in ({"variant": "awq"}, {"request": {"seed": 1}}):
        third = vlm(server, **other)
        third.remember_in(tmp_path)
        third.answers(questions[:1])
    assert len(server.asked) == 8


def test_what_is_no_answer_is_not_kept(server: Served, tmp_path: Path) -> None:
    def read(answer: Any) -> None:
        if "Yes" in answer.places[0]:
            raise ValueError("no answer")

    asking = vlm(server, read=read)
    asking.remember_in(tmp_path)
    with pytest.raises(ValueError, match="no answer"):
        asking.answers([ask()])
    asking.close()
    assert not list(tmp_path.rglob("*.jsonl"))


def test_the_end_stops_waits_and_keeps_what_is_under_way(tmp_path: Path) -> None:
    begun = threading.Event()

    def reply(body: dict[str, Any]) -> Reply:
        if body["messages"][0]["content"][-1]["text"] == "question 0":
            begun.set()
            time.sleep(0.2)
            return 200, YES
        return 503, "busy", {"Retry-After": "4"}

    with served(reply) as server:
        asking = vlm(server, endpoint={"concurrency": 2})
        asking.remember_in(tmp_path)
        asking.begin([ask(number) for number in range(9)])
        assert begun.wait(5)
        began = time.monotonic()
        asking.close()
        assert time.monotonic() - began < 2
        assert len(server.asked) <= 3
    (file,) = tmp_path.rglob("*.jsonl")
    assert len(file.read_text().splitlines()) == 1


def text_of(body: dict[str, Any]) -> str:
    found: str = body["messages"][0]["content"][-1]["text"]
    return found


FILTERED = {"choices": [{"message": {}, "logprobs": None, "finish_reason": "content_filter"}]}
LOGITS = completion({"Yes": 25.3, "No": 20.0, "x": 1.0})


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((200, FILTERED), r"no log-probabilities \(finish_reason: content_filter\)"),
        ((200, completion({"Yes": 0.0, "No": -9999.0})), r"of other answers \(top_logprobs\)"),
        ((200, LOGITS), "not log-probabilities: 25.3 for 'Yes'"),
        ((200, "[" * 100_000), "does not speak OpenAI's chat completions"),
        ((200, {"error": {"code": 400, "message": "unsafe"}}), "refuses the question: 400: unsafe"),
        ((500, "crash"), "asked . times: HTTP 500: crash"),
        ((200, {"error": {"code": 502, "message": "upstream"}}), "asked . times: 502: upstream"),
        ((200, '{"choices": ['), "asked . times: the answer ends in the middle"),
    ],
)
@pytest.mark.parametrize("resumed", [False, True])
def test_one_question_without_an_answer_is_its_own_failure(
    reply: Reply, says: str, resumed: bool, tmp_path: Path
) -> None:
    """Also where it alone is left to ask, and all other answers were kept by a killed command."""
    with served(lambda body: reply if text_of(body) == "question 3" else (200, YES)) as server:
        for _ in range(1 + resumed):
            asking = vlm(server, endpoint={"patience": 0.05, "concurrency": 2})
            asking.remember_in(tmp_path)
            asking.prove(ask(99))
            asking.answers([ask(number) for number in range(3)])
            with pytest.raises(ValueError, match=says):
                asking.answers([ask(3)])
            asking.close()
        # The first question is asked anew where it alone can show that the endpoint answers (now).
        again = 1 + resumed if "asked" in says else resumed and "refuses" not in says
        assert [text_of(body) for body in server.asked].count("question 99") == 1 + again


@pytest.mark.parametrize("reply", [(200, FILTERED), (200, LOGITS), (500, "crash")])
def test_an_endpoint_that_no_longer_answers_anything_is_nobody_s_failure(
    reply: Reply, tmp_path: Path
) -> None:
    with served(lambda body: (200, YES)) as server:
        before = vlm(server)
        before.remember_in(tmp_path)
        before.prove(ask(99))
        before.close()
    with served(lambda body: reply) as server:
        asking = vlm(server, endpoint={"patience": 0.05})
        asking.remember_in(tmp_path)
        asking.prove(ask(99))
        with pytest.raises(RewardError, match=r"no log-prob|not log-prob|does not answer"):
            asking.answers([ask(3)])
        assert text_of(server.asked[-1]) == "question 99"


def test_a_gateway_s_failure_is_asked_again() -> None:
    broken = [(200, {"error": {"code": 502, "message": "upstream"}}), (200, '{"choices": [')]
    with served(Sequence(*broken, (200, YES))) as server:
        assert vlm(server).answers([ask()])[0].places
        assert len(server.asked) == 3


def test_a_request_has_a_time_for_the_whole_answer() -> None:
    """A piece now and then keeps a connection alive for ever, by the client's own limit."""
    with dripping() as url:
        asking = EndpointVlm("judge", "m", {"url": url, "timeout": 0.3, "patience": 0.1})
        began = time.monotonic()
        with pytest.raises(RewardError, match=r"no whole answer after 0\.3 s"):
            asking.answers([ask()])
        assert time.monotonic() - began < 2


def test_refusals_of_questions_that_were_sent_together_are_one_pause() -> None:
    """A server that takes 50 questions a second is asked about as many."""
    lock, taken = threading.Lock(), [0.0]
    begun = time.monotonic()

    def reply(body: dict[str, Any]) -> Reply:
        with lock:
            taken[0] = max(taken[0], 50 * (time.monotonic() - begun) - 5)
            if taken[0] + 1 > 50 * (time.monotonic() - begun):
                return 429, "slow down"
            taken[0] += 1
            return 200, YES

    with served(reply) as server:
        asking = vlm(server, endpoint={"concurrency": 32})
        asking.answers([ask(number) for number in range(50)])
        assert time.monotonic() - begun < 2.5


def test_a_long_wait_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    with served(lambda body: (429, "slow down", {"Retry-After": "60"})) as server:
        asking = vlm(server, endpoint={"patience": 300.0, "concurrency": 4})
        asking.begin([ask(number) for number in range(4)])
        while "asked again" not in caplog.text:
            time.sleep(0.01)
        asking.close()
    assert caplog.text.count("owner/model is asked again in 60 s: HTTP 429: slow down") == 1


def test_a_wait_that_is_too_long_ends_it_though_others_are_answered() -> None:
    def reply(body: dict[str, Any]) -> Reply:
        if text_of(body) == "question 3":
            return 429, "quota", {"Retry-After": "86400"}
        return 200, YES

    with served(reply) as server:
        asking = vlm(server)
        asking.answers([ask(0)])
        with pytest.raises(RewardError, match="asks to wait for 86400 s, more than the patience"):
            asking.answers([ask(3)])


def test_a_token_of_a_service_goes_to_that_service() -> None:
    EndpointVlm("judge", "m", {"url": "https://router.huggingface.co/v1", "key": "$HF_TOKEN"})


@pytest.mark.parametrize(
    ("url", "warns"),
    [("http://gpu-17:8000/v1", True), ("http://127.0.0.1:8/v1", False), ("https://h/v1", False)],
)
def test_a_key_without_encryption_is_reported(
    url: str, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Endpoint(Address(url), "m", {})
    assert ("OPENAI_API_KEY goes to gpu-17 without encryption" in caplog.text) == warns
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", ["messages", "model", "stream", "logprobs"])
def test_what_an_answer_is_read_by_is_not_replaced(server: Served, key: str) -> None:
    with pytest.raises(RewardError, match=f"request.{key} cannot be replaced"):
        vlm(server, request={key: True})


def test_a_server_names_a_date_to_wait_for() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    with (
        served(lambda body: (429, "slow down", {"Retry-After": date})) as server,
        pytest.raises(RewardError, match=r"asks to wait for 3(600|599|598) s"),
    ):
        vlm(server).answers([ask()])


def test_an_image_of_one_row_has_no_more_pixels_than_it_may() -> None:
    for size in ((1, 4000), (4000, 1), (3, 4000), (60, 40)):
        fitted = fit(Image.new("RGB", size), 1000)
        assert fitted.width * fitted.height <= 1000
        assert fitted.width * fitted.height > 900


@pytest.mark.parametrize("variable", [True, False])
def test_a_key_in_the_place_of_the_address_is_not_shown(
    variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", KEY)
    for url in (KEY, f"http://h/v1?api-key={KEY}", f"http://{KEY}@h/v1"):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        with pytest.raises(RewardError, match="is no address of an endpoint") as error:
            EndpointVlm("judge", "m", "$OPENAI_BASE_URL" if variable else url)
        assert KEY not in f"{error.value} {error.value.hint}"
        assert ("OPENAI_BASE_URL" in str(error.value)) == variable


def test_no_part_of_a_key_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with (
        served(lambda body: (200, "x" * 185 + KEY)) as server,
        pytest.raises(RewardError) as error,
    ):
        vlm(server).answers([ask()])
    assert KEY[:6] not in str(error.value)


def test_what_one_cannot_read_another_may(server: Served, tmp_path: Path) -> None:
    def refuse(answer: Any) -> None:
        raise ValueError("no answer")

    first, second = vlm(server, read=refuse), vlm(server)
    for asking in (first, second):
        asking.remember_in(tmp_path)
    with pytest.raises(ValueError, match="no answer"):
        first.answers([ask()])
    assert second.answers([ask()])
    assert len(server.asked) == 1


def test_answers_that_another_process_keeps_meanwhile_are_found(tmp_path: Path) -> None:
    one, other = Journal(tmp_path), Journal(tmp_path)
    answer = VlmAnswer([{"Yes": -0.1, "No": -2.5}])
    for number in range(3):
        key = f"{number:032x}"
        one.keep(key, answer)
        assert other.find(key) == answer
        assert one.find(key) == answer
    (file,) = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(b"%032x [[" % 7)  # as another process has half written it
    assert other.find(f"{7:032x}") is None
    with file.open("ab") as stream:
        stream.write(b'["Yes", -0.5]]]\n')
    assert other.find(f"{7:032x}") == VlmAnswer([{"Yes": -0.5}])


def test_two_processes_that_ask_the_same_at_once_ask_it_once(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> Reply:
        time.sleep(0.1)
        return 200, YES

    with served(reply) as server:
        program = (
            "import sys; from pathlib import Path\n"
            "from synpic.score.vlm.asking import EndpointVlm\n"
            "from synpic.score.vlm.questions import VlmQuestion\n"
            "asking = EndpointVlm('judge', 'owner/model', sys.argv[1])\n"
            "asking.remember_in(Path(sys.argv[2]))\n"
            "print('ready', flush=True); sys.stdin.readline()\n"
            "asking.answers([VlmQuestion((f'question {n}',)) for n in range(40)])\n"
            "asking.close()\n"
        )
        command = [sys.executable, "-c", program, server.url, str(tmp_path)]
        both = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for one in both:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        for one in both:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        for one in both:
            one.communicate(timeout=20)
            assert one.returncode == 0
        assert len(server.asked) == 40


def test_a_disk_that_is_full_costs_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, write = VlmAnswer([{"Yes": -0.1}]), os.write
    journal = Journal(tmp_path)
    journal.keep("a" * 32, answer)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:40]))
        with pytest.raises(StorageError):
            journal.keep("b" * 32, answer)
    journal.keep("c" * 32, answer)
    journal.close()
    again = Journal(tmp_path)
    assert [again.find(letter * 32) for letter in "abc"] == [answer, None, answer]


def test_tokens_that_are_written_alike_add_up() -> None:
    place = [("5", math.log(0.4)), ("4", math.log(0.3)), ("4", math.log(0.25)), ("x", -9.0)]
    found = place_of(place)
    assert list(found) == ["5", "4", "x"]
    assert math.exp(found["4"]) == pytest.approx(0.55)
    answer = VlmAnswer([found])
    assert answer.likeliest_at(0) == "5", "what was generated, though 4 is likelier"
    assert VlmAnswer([place_of([("No", -1.0), ("Yes", -1.0)], "Yes")]).likeliest_at(0) == "Yes"


def test_a_prompt_that_is_no_text_is_its_own_failure(server: Served) -> None:
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        vlm(server).answers([VlmQuestion(("\ud800",))])
    assert not server.asked


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a server that sends a space each 0.1 s, and never an end."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):
                while not ended.wait(0.1):
                    self.wfile.write(b" ")
                    self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()

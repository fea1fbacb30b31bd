"""A rater who answers by HTTP, and writes down what the server has acknowledged.

    python tests/study/rater.py ADDRESS SEED COUNT LOG

It needs nothing but Python, so that a process of it starts at once. An answer is sent until it is
acknowledged: the server may be killed and come back meanwhile.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

ANSWERS = ("left", "right", "tie", "both_bad", "skip")


class HttpRater:
    def __init__(self, address: str, patience: float = 60) -> None:
        self.where = urlsplit(address)
        self.patience = patience
        self.cookie = ""
        self.seen: list[tuple[str, dict[str, str], bytes]] = []

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body, the JSON in it read; asked again while no server listens."""
        headers = {"Host": self.where.netloc, "Cookie": self.cookie}
        if method == "POST":
            headers |= {"Origin": f"http://{self.where.netloc}", "X-Synpic": "1"}
        until = time.monotonic() + self.patience
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.where.port, timeout=20)
            try:
                data = None if body is None else json.dumps(body)
                connection.request(method, self.where.path + path, data, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
                continue
            finally:
                connection.close()
            found = {name.lower(): value for name, value in answer.getheaders()}
            self.seen.append((path, found, content))
            if "set-cookie" in found:
                self.cookie = found["set-cookie"].partition(";")[0]
            is_json = found.get("content-type", "").startswith("application/json")
            return answer.status, json.loads(content) if is_json else content

    def begin(self) -> dict[str, Any]:
        state: dict[str, Any] = self.ask("POST", "api/begin", {})[1]
        return state

    def vote(self, ticket: str, answer: str, milliseconds: int = 1000) -> dict[str, Any]:
        asked = {"ticket": ticket, "answer": answer, "milliseconds": milliseconds}
        status, state = self.ask("POST", "api/vote", asked)
        assert status == 200, (status, state)
        found: dict[str, Any] = state
        return found


def answer_all(
    rater: HttpRater, choose: Callable[[dict[str, Any]], str], count: int | None = None
) -> dict[str, str]:
    """Answer what is asked, at most ``count``; ticket → answer."""
    state = rater.begin()
    given: dict[str, str] = {}
    while state["upcoming"] and (count is None or len(given) < count):
        current = state["upcoming"][0]
        answer = choose(current)
        state = rater.vote(current["ticket"], answer)
        given[current["ticket"]] = answer
    return given


def main() -> None:
    address, seed, count, log = sys.argv[1:]
    lots = random.Random(int(seed))
    rater = HttpRater(address)
    state = rater.begin()
    with open(log, "a", encoding="utf-8") as stream:
        for _ in range(int(count)):
            if not state["upcoming"]:
                break
            ticket, answer = state["upcoming"][0]["ticket"], lots.choice(ANSWERS)
            for _ in range(1 + (lots.random() < 0.2)):  # some send an answer twice
                state = rater.vote(ticket, answer)
                assert state["stored"]
            stream.write(f"{state['rater']} {ticket} {answer}\n")
            stream.flush()
            os.fsync(stream.fileno())


if __name__ == "__main__":
    main()

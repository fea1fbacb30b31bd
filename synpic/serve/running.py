"""A server of rewards on a port, until a signal ends it or its device is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import uvicorn

from synpic.engine.stop import stop_on_signals
from synpic.errors import DeviceLost, Stopped, SynpicError
from synpic.score.wires.synpic import RewardDescription
from synpic.serve.app import JSON_WIRES, make_app
from synpic.serve.connections import BACKLOG, TimedConnection
from synpic.serve.guard import require_token
from synpic.serve.limits import RequestLimits
from synpic.serve.opening import WantedService
from synpic.serve.service import RewardService
from synpic.web.listening import authority_of, bind

__all__ = ["ServerOptions", "serve_rewards"]

SECONDS_TO_DRAIN = 30.0
"""For what was accepted, once a signal asks the server to end."""

SECONDS_TO_SEND = 5


@dataclass(frozen=True)
class ServerOptions:
    """Where a server listens, and how it works.

    Args:
        port: any free one if 0.
        token: that callers have to send; None: any may call, from this machine alone.
        device: as torch names it.
        batch_size: images at a time; as the recipe says, or 32, if None.
        deadline: seconds for which a batch that is not full waits for more.
        wires: names of :data:`synpic.serve.app.WIRES`.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    device: str = "cpu"
    batch_size: int | None = None
    deadline: float = 0.02
    limits: RequestLimits = field(default_factory=RequestLimits)
    wires: tuple[str, ...] = JSON_WIRES


def serve_rewards(
    wanted: WantedService,
    descriptions: dict[str, RewardDescription],
    options: ServerOptions,
    *,
    on_ready: Callable[[str], None] = lambda address: None,
    on_signal: Callable[[signal.Signals], object] = lambda number: None,
) -> None:
    """Serve until a signal, after which what was accepted is still answered.

    Args:
        on_ready: called with the address, once all rewards are open and it answers.
        on_signal: called with the signal that ends it.

    Raises:
        SynpicError: it cannot listen there, or a reward cannot be opened.
        DeviceLost: the device broke; what was accepted was answered with an error.
        Stopped: Ctrl-C, SIGTERM or SIGHUP.
    """
    require_token(options.host, options.token)
    # Before weights are loaded, which may take minutes.
    listener = bind(options.host, options.port)
    with listener:
        rewards = wanted.open(descriptions, options.device, options.batch_size)
        address = f"http://{authority_of(options.host, listener)}"

        async def run() -> tuple[BaseException | None, int]:
            loop, asked = asyncio.get_running_loop(), asyncio.Event()
            end = _thread_safe(loop, asked)
            service = RewardService(
                rewards, options.limits, deadline=options.deadline, on_failure=end
            )
            app = make_app(
                service,
                options.limits,
                host=options.host,
                token=options.token,
                wires=options.wires,
            )
            server = _Server(_config(app))

            def tell(number: signal.Signals, at_once: bool) -> None:
                on_signal(number)
                end()

            with stop_on_signals(tell):
                serving = asyncio.create_task(server.serve([listener]))
                on_ready(address)
                asking = asyncio.create_task(asked.wait())
                await asyncio.wait((serving, asking), return_when=asyncio.FIRST_COMPLETED)
                left = 0 if await service.drain(SECONDS_TO_DRAIN) else service.held
                server.should_exit = True
                await serving
            service.close()
            return service.failure, left

        failure: BaseException | None = None
        answered = False
        with suppress(KeyboardInterrupt):  # a second Ctrl-C
            failure, left = asyncio.run(run())
            answered = not left
    if isinstance(failure, SynpicError):
        raise DeviceLost(failure.message, hint="start the server again")
    if failure is not None:
        raise failure
    raise Stopped(
        "stopped",
        hint="what was accepted was answered"
        if answered
        else "callers that still waited got no scores",
    )


class _Server(uvicorn.Server):
    """One that leaves signals to who runs it: what was accepted is answered first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=TimedConnection,
        backlog=BACKLOG,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        # Longer than trainers take between two groups: else each sends into a closed connection.
        timeout_keep_alive=300,
        timeout_graceful_shutdown=SECONDS_TO_SEND,
        ws="none",
    )


def _thread_safe(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    """Sets ``event`` from any thread, or from a signal handler."""

    def set_it() -> None:
        with suppress(RuntimeError):  # a loop that has ended
            loop.call_soon_threadsafe(event.set)

    return set_it

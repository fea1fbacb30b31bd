"""Where work is done: in this process, in several on this machine, or on a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from synpic.engine.device import pick_device
from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.run import run_tasks
from synpic.engine.task import Task
from synpic.engine.workers.deadlines import shortest_deadline
from synpic.engine.workers.scheduler import run_workers
from synpic.errors import SynpicError

__all__ = ["ENGINES", "HERE", "Engine", "run_on"]

ENGINES = ("local", "ray")

_NO_GPU = "no node of the cluster has a GPU now: workers take processors"


@dataclass(frozen=True)
class Engine:
    """How many workers there are, and where.

    Args:
        kind: "local": processes of this machine; "ray": actors on a Ray cluster.
        workers: how many; one for each device that is found if None, and one where there is
            none. A single local worker is this very process.
        gpus_per_worker: of a Ray cluster; a fraction puts several on one.
    """

    kind: str = "local"
    workers: int | None = None
    gpus_per_worker: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in ENGINES:
            raise SynpicError(
                f"--engine {self.kind!r}: there is no such engine",
                hint=f"known: {', '.join(ENGINES)}",
            )
        if self.workers is not None and self.workers < 1:
            raise SynpicError(f"--workers {self.workers}: at least one does the work")
        if self.gpus_per_worker is not None:
            if self.kind != "ray":
                raise SynpicError(
                    "--gpus-per-worker is for --engine ray",
                    hint="here, --workers says how many share the devices",
                )
            if not 0 <= self.gpus_per_worker <= 64:
                raise SynpicError(
                    f"--gpus-per-worker {self.gpus_per_worker}: give a fraction or a number of GPUs"
                )
            if self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
                raise SynpicError(
                    f"--gpus-per-worker {self.gpus_per_worker:g}: Ray divides one GPU, and not "
                    "several",
                    hint="give a fraction below 1, or a whole number",
                )

    def devices(self, asked: str | None) -> list[str]:
        """A device for each local worker.

        Args:
            asked: the one for all of them; every device that is found, in turns, if None.

        Raises:
            SynpicError: there is no such device.
        """
        # Of several workers none is this process, which would take memory there for nothing.
        one = pick_device(asked, use=(self.workers or 1) == 1)
        each = [one]
        if asked is None and one == "cuda":
            import torch

            seen = torch.cuda.device_count()
            each = [f"cuda:{index}" for index in range(seen)] if seen > 1 else each
        workers = self.workers or len(each)
        return [each[index % len(each)] for index in range(workers)]


HERE = Engine()
"""This machine: all its accelerators, or its cores from one process."""


def run_on(
    engine: Engine,
    stage: str,
    tasks: Sequence[Task],
    device: str | None,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    together: bool | None = False,
) -> Report:
    """:func:`synpic.engine.run.run_tasks`, on any engine.

    Args:
        device: for local workers, and for them alone; see :meth:`Engine.devices`.
        together: see ``run_tasks``; where there is an accelerator if None.

    Raises:
        MissingExtra: Ray is not installed.
        StorageError: the disk is full; what was made before is kept.
        DeviceLost: the device of this process is lost; likewise.
        SynpicError: there is no such device, or no cluster; the workspace is in this process's
            memory, and there are to be others; or the environment sets an impossible deadline.
    """
    # More workers than batches would be started for nothing.
    batches = sum(len(task.batches) for task in tasks)
    devices = ["cpu"]
    if engine.kind == "local":
        devices = engine.devices(device)[: max(1, batches)]
        together = devices[0] != "cpu" if together is None else together
    elif device is not None:
        raise SynpicError(
            f"--device {device}: on a Ray cluster workers are placed by what they need",
            hint="--gpus-per-worker 0 takes processors, 1 a GPU for each worker",
        )
    if not batches or (engine.kind == "local" and len(devices) == 1):
        return run_tasks(stage, tasks, devices[0], listener, stop, bool(together))
    _require_shared(tasks)
    deadline = shortest_deadline()
    if engine.kind == "local":
        from synpic.engine.workers.local_pool import LocalPool

        local = LocalPool(tasks, devices)
        return run_workers(local, stage, tasks, listener, stop, bool(together), deadline)
    from synpic.engine.workers.ray_pool import RayPool

    pool = RayPool(tasks, engine.workers, engine.gpus_per_worker, batches)
    together = pool.gpus > 0 if together is None else together
    remarks = [_NO_GPU] if not pool.gpus and engine.gpus_per_worker is None else []
    return run_workers(pool, stage, tasks, listener, stop, together, deadline, remarks)


def _require_shared(tasks: Sequence[Task]) -> None:
    for task in tasks:
        store = task.output.workspace.store
        protocol = store.fs.protocol
        if "memory" in ((protocol,) if isinstance(protocol, str) else protocol):
            raise SynpicError(
                f"{store} lies in this process's memory, where no other can see it",
                hint="leave --workers and --engine out, or take a folder for the workspace",
            )

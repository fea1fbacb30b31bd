"""How many threads: the one place that decides, for synpic's own and for the libraries' it uses.

A process may use the processors of its affinity mask, and no more than Slurm gave the task. Slurm
need not set a mask, and the libraries know of the mask alone.
"""

from __future__ import annotations

import os

__all__ = ["CPUS", "cores", "pool", "settle", "share"]

CPUS = "SYNPIC_CPUS"
"""Names the variable that says how many processors are a worker's share."""

_LIMITS = (CPUS, "SLURM_CPUS_PER_TASK")
_LIBRARIES = ("OMP_NUM_THREADS", "POLARS_MAX_THREADS")
"""Of torch, numpy and pyarrow, and of polars; all read theirs when they are imported."""

_settled: set[str] = set()
"""Those that were set here, and not by the user."""


def cores() -> int:
    """Processors that this process may use.

    Those of its affinity mask, and at most ``SLURM_CPUS_PER_TASK`` and ``SYNPIC_CPUS``. The second
    is what a worker finds as its share.
    """
    limits = [number for name in _LIMITS if (number := _number(name))]
    return min([_mask(), *limits])


def pool(most: int) -> int:
    """Threads that read, decode or encode images: one for each processor, and at most ``most``.

    ``OMP_NUM_THREADS`` is not for them: set to 1, as clusters do, it would let a GPU wait for one.
    """
    return min(most, cores())


def settle() -> None:
    """Let the libraries that are imported from now on take no more processors than :func:`cores`.

    ``OMP_NUM_THREADS``, where it is set, counts for all of them. Where nothing says less than the
    mask, they are left to what they take by themselves.
    """
    threads = _number("OMP_NUM_THREADS") or cores()
    if threads != _mask():
        for name in _LIBRARIES:
            if name not in os.environ:
                os.environ[name] = str(threads)
                _settled.add(name)


def share(processes: int) -> dict[str, str]:
    """What the environment of each of ``processes`` is to hold, so that they share the processors.

    What the user has set for the libraries stays.
    """
    each = str(max(1, cores() // processes))
    kept = {
        name: os.environ[name] for name in _LIBRARIES if name in os.environ and name not in _settled
    }
    threads = _number("OMP_NUM_THREADS") if "OMP_NUM_THREADS" in kept else None
    return {CPUS: each, **dict.fromkeys(_LIBRARIES, str(threads or each)), **kept}


def _mask() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _number(name: str) -> int | None:
    """A whole number of the environment; of "4,2", for nested threads, the first."""
    written = os.environ.get(name, "").partition(",")[0].strip()
    return int(written) if written.isdecimal() and int(written[:9]) > 0 else None

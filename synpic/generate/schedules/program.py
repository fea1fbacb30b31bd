"""A program of its own, which tries schedules.

It reads a JSON list of schedules, and writes for each a line of JSON, as soon as it is known.
A scheduler's options can ask for more memory than there is, or for more time: that ends this
process, and no command.
"""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["main"]


def main() -> None:
    """Try the schedules of standard input."""
    # Libraries write to standard output as they are imported; among the answers it would be one.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Half of what diffusers takes to be imported is a compiler, for models that none of this has;
    # where there is none, diffusers does without it.
    sys.modules["torch._dynamo"] = None  # type: ignore[assignment]
    warnings.simplefilter("ignore")
    from synpic.generate.schedules.answer import decode_schedules
    from synpic.generate.schedules.trial import answer_of

    for schedule in decode_schedules(sys.stdin.buffer.read()):
        print(answer_of(schedule).model_dump_json(), file=answers, flush=True)


if __name__ == "__main__":
    main()

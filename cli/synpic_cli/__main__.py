"""``python -m synpic_cli``, which is what ``accelerate launch -m synpic_cli train …`` starts."""

from __future__ import annotations

from synpic_cli.main import run

if __name__ == "__main__":
    run()

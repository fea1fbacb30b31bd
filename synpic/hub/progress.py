"""The progress bars of the client's downloads and uploads: one switch for the process."""

from __future__ import annotations

__all__ = ["bars_shown", "show_bars"]


def bars_shown() -> bool:
    """Whether they are on."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled

    return not are_progress_bars_disabled()


def show_bars(wanted: bool) -> None:
    """Switch them on or off; off for a command that says in lines what it does."""
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    enable_progress_bars() if wanted else disable_progress_bars()

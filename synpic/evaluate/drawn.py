"""How the images of a model were drawn, in a line."""

from __future__ import annotations

from synpic.pipeline.inventory import Inventory
from synpic.readers.display import count

__all__ = ["drawn_as"]


def drawn_as(inventory: Inventory, model: str) -> str:
    """Images a prompt, size, steps, guidance, scheduler, seeds, and what becomes of prompts.

    What a recipe leaves to the pipeline is named as the pipeline's own.
    """
    if model not in inventory.recipe.models:
        return "images that existed already; how they were drawn is not known"
    settings = inventory.wanted_settings(model)
    given: dict[str, str | None] = {
        "size": " and ".join(settings.sizes) if settings.sizes else None,
        "steps": None if settings.steps is None else count(settings.steps, "step"),
        "guidance": None if settings.guidance is None else f"guidance {settings.guidance:g}",
        "scheduler": settings.scheduler,
    }
    own = [name for name, text in given.items() if text is None]
    found = [f"{count(settings.samples, 'image')} a prompt"]
    found += [text for text in given.values() if text is not None]
    if own:
        found.append(f"{', '.join(own)} of the pipeline")
    if settings.negative_prompt:
        found.append("a negative prompt")
    if settings.call:
        found.append(f"call: {', '.join(sorted(settings.call))}")
    seed = f"seeds from {inventory.recipe.seed}"
    return f"{', '.join(found)}; {seed}; prompts not rewritten"

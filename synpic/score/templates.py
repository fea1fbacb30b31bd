"""Questions with a place for the prompt."""

from __future__ import annotations

from synpic.errors import RewardError

__all__ = ["check_template"]


def check_template(reward: str, option: str, template: object, *, of_prompt: bool) -> None:
    """Refuse what cannot be filled in.

    Args:
        reward, option: for the message.
        of_prompt: whether it has to have a place for the prompt.

    Raises:
        RewardError: naming the option.
    """
    hint = "{} stands for the prompt; write braces that are meant as {{ and }}"
    if not isinstance(template, str):
        raise RewardError(f"{reward}: {option} is {template!r}, expected a text", hint=hint)
    try:
        filled = template.format("a"), template.format("b")
    except (LookupError, ValueError, AttributeError) as error:
        raise RewardError(
            f"{reward}: {option} {template!r} cannot be filled in: {type(error).__name__}: {error}",
            hint=hint,
        ) from error
    if of_prompt and filled[0] == filled[1]:
        raise RewardError(f"{reward}: {option} {template!r} has no {{}} for the prompt", hint=hint)

"""Classifiers of transformers, opened: images or prompts → the probability of what flags.

Weights run in float32 whatever they were saved in, and inputs are prepared by Pillow. An image that
is very near the threshold may still fall on its other side on another kind of device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL.Image import Image

from synpic.engine.attempt import out_of_memory
from synpic.errors import SafetyError, SynpicError
from synpic.hub.libraries import naming_hub_errors
from synpic.readers.pretrained import open_whole
from synpic.safety.classes import Classes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImageClassifier", "PromptClassifier"]


class _Classifier:
    """What both kinds have in common.

    Args:
        classes: what it tells apart.
        places: which of those flag.
        location: a folder, or a repository on the Hub.
        commit: of the latter.
        device: as torch names it.

    Raises:
        SafetyError: it cannot be opened, or lacks weights.
        CheckpointError: it cannot be reached.
    """

    kind: str
    """The class of transformers that opens it."""

    def __init__(
        self,
        classes: Classes,
        places: Sequence[int],
        location: str,
        commit: str | None,
        device: str,
    ) -> None:
        import torch
        import transformers

        self._classes, self._places, self._device = classes, list(places), device
        with _naming_errors(classes.source, location, commit):
            self._open_inputs(location, commit)
            model = open_whole(
                getattr(transformers, self.kind),
                location,
                error=SafetyError,
                source=classes.source,
                revision=commit,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            )
            self._model: Any = model.eval().to(device)

    def _open_inputs(self, location: str, commit: str | None) -> None:
        raise NotImplementedError

    def _probabilities(self, **inputs: Tensor) -> list[float]:
        """Of the classes that flag, together; for each input, in 0 … 1."""
        import torch

        there = {name: value.to(self._device) for name, value in inputs.items()}
        with torch.inference_mode():
            logits = self._model(**there).logits.float()
            if self._classes.exclusive:
                found = logits.softmax(-1)[:, self._places].sum(-1)
            else:
                found = logits.sigmoid()[:, self._places].amax(-1)
        probabilities: list[float] = found.tolist()
        if not all(0 <= one <= 1.001 for one in probabilities):
            raise ValueError(f"{self._classes.source} gives no probability: {probabilities}")
        return probabilities


class ImageClassifier(_Classifier):
    """A classifier of images."""

    kind = "AutoModelForImageClassification"

    def prepare(self, image: Image) -> Tensor:
        """An RGB image → ``Float[Tensor, "3 height width"]`` on the CPU; any thread may ask."""
        pixels: Tensor = self._processor(images=image, return_tensors="pt").pixel_values[0]
        return pixels

    def probabilities(self, prepared: Sequence[Tensor]) -> list[float]:
        """For each image, the probability that it is of a class that flags."""
        import torch

        return self._probabilities(pixel_values=torch.stack(list(prepared)))

    def _open_inputs(self, location: str, commit: str | None) -> None:
        from transformers import AutoImageProcessor

        self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            location, revision=commit, backend="pil", trust_remote_code=False
        )


class PromptClassifier(_Classifier):
    """A classifier of prompts. What is longer than it can read is cut off."""

    kind = "AutoModelForSequenceClassification"

    def probabilities(self, prompts: Sequence[str]) -> list[float]:
        """For each prompt, the probability that it is of a class that flags."""
        if self._tokenizer.pad_token_id is None:
            # Without padding, texts of different lengths do not go side by side.
            return [p for prompt in prompts for p in self._read([prompt])]
        return self._read(prompts)

    def _open_inputs(self, location: str, commit: str | None) -> None:
        from transformers import AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(
            location, revision=commit, trust_remote_code=False
        )

    def _read(self, prompts: Sequence[str]) -> list[float]:
        tokens = self._tokenizer(
            list(prompts),
            padding=len(prompts) > 1,
            truncation=True,
            max_length=self._longest(),
            return_tensors="pt",
        )
        return self._probabilities(**tokens)

    def _longest(self) -> int:
        """Tokens that the model can read; many tokenizers name no limit, or a wrong one."""
        limits = [self._tokenizer.model_max_length]
        for name, module in self._model.named_modules():
            if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
                # RoBERTa and its kin count positions from behind the padding's.
                padding = module.padding_idx
                limits.append(module.num_embeddings - (0 if padding is None else padding + 1))
        if len(limits) == 1:
            limits.append(getattr(self._model.config, "max_position_embeddings", limits[0]))
        return int(min(limits))


@contextmanager
def _naming_errors(source: str, location: str, commit: str | None) -> Iterator[None]:
    """Six libraries read files here, and their errors have no ancestor but ``Exception``."""
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with nullcontext() if Path(location).is_dir() else naming_hub_errors(location, commit):
            yield
    except SynpicError:
        raise
    except Exception as error:
        # Several libraries read files here, and their errors have no ancestor but this one.
        if out_of_memory(error):
            what, hint = "there is no memory for it", "free some, or choose a smaller classifier"
        else:
            what = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            hint = "it needs config, safetensors weights and inputs that transformers reads itself"
        raise SafetyError(f"{source} cannot be opened: {what}", hint=hint) from error

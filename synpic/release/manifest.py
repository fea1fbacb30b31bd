"""``manifest.json``: what a release says of itself, typed; and how it is read and written.

A manifest is validated where it is read, and trusted from then on: every key that this schema has
is there and of its type, counts are not negative, and no path of a file leads out of the release.
Keys that a later synpic adds within the same schema version are kept.
"""

from __future__ import annotations

import json
import re
import unicodedata
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from synpic.errors import DamagedRelease, NoRelease, ReleaseError
from synpic.rank import Counts
from synpic.readers.json_models import Record, parse_json, validate
from synpic.release.aggregation_code import AggregationCode
from synpic.release.agreements import Agreements, HeldToPeople
from synpic.release.asked import asked_judge, asked_model
from synpic.release.compared import ComparedRow
from synpic.release.cut_counts import CutCounts
from synpic.release.label_row import LabelRow
from synpic.workspace.tables import SCHEMA_VERSION, require_version

__all__ = [
    "CARD",
    "MANIFEST",
    "PAIRED",
    "ExportManifest",
    "File",
    "Manifest",
    "decode_manifest",
    "encode",
    "open_manifest",
    "own_version",
    "read_manifest",
]

MANIFEST = "manifest.json"
CARD = "README.md"

PAIRED = ("pairwise", "pickapic")
"""The configs whose rows are pairs."""

_KEY = "synpic"
"""The key by which a manifest is known for one of ours; its value is synpic's version."""

_HINT = "the file is damaged or was edited; download the release again, or publish it again"


def _relative(path: str) -> str:
    """``path``, if it names a file below the release and nothing else."""
    parts = path.split("/")
    if re.match(r"[A-Za-z]:", path) or any(part in ("", ".", "..") for part in parts):
        raise ValueError("leads out of the release, or is no path of a file")
    if "\\" in path or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in path):
        raise ValueError("has a backslash, a control character or a line break in it")
    if path == MANIFEST:
        raise ValueError("names the manifest itself")
    return path


Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
FilePath = Annotated[str, AfterValidator(_relative)]
Config = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_]+\z")]
Split = Annotated[str, Field(pattern=r"\A\w+(\.\w+)*\z")]


class File(Record):
    """One file of a release: its SHA-256 and how many bytes it has."""

    sha256: Sha256
    bytes: Count


class LockRow(Record):
    """What one name of the recipe resolved to."""

    kind: str
    source: str
    identity: str
    revision: str | None = None


class ModelRow(Record):
    """A model, of one size: what draws its images, and how many are in the release."""

    name: str
    fingerprint: str
    checkpoint: str
    fingerprint_inputs: dict[str, Any] = Field(alias="decides")
    licence: str | None
    samples: Count | None
    candidates: Count
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Images drawn at once; None of ingested ones."""


class RewardRow(Record):
    """A reward: what scores, and how many scores are in the release."""

    name: str
    fingerprint: str
    reward: str
    checkpoint: str | None
    fingerprint_inputs: dict[str, Any] = Field(alias="decides")
    licence: str | None
    paper: str | None
    reads_prompt: bool | None
    weight: float | None
    scores: Count
    environments: dict[str, dict[str, Any]] | None = None
    """Library versions and devices with which it scored."""

    @property
    def asked(self) -> str | None:
        """The model that an endpoint served, with its variant; None where none was asked."""
        return asked_model(self.fingerprint_inputs)

    @property
    def judge(self) -> tuple[str, str] | None:
        """Its judge, of a reward that is a form of one, as :func:`asked_judge` has it."""
        return asked_judge(self.fingerprint_inputs)


class Rule(Record):
    """How images were ranked: the arguments of ``synpic.rank.rank``."""

    aggregation: str
    aggregation_from: AggregationCode | None = None
    """None of one that synpic brings."""
    ties: str
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    comparisons: dict[str, ComparedRow] = Field(default_factory=dict)
    """Of those of ``weights`` that rank by comparisons, not by scores."""


class ManifestCounts(Record):
    """What was ranked, as ``synpic.rank.Counts``, and what was wanted, failed or left out."""

    candidates: Count
    incomplete: Count
    prompts: Count
    prompts_below_two: Count
    kept_prompts: Count
    kept_candidates: Count
    tied_prompts: Count
    prompts_wanted: Count
    candidates_missing: Count
    failed: dict[str, Count]
    flagged: Count
    unchecked: Count
    flagged_left_out: Count | None = None
    """None where flagged images are kept."""
    without_preference: Count | None = None
    """Prompts in which none that ranks takes part; None where rewards rank."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        pairs = [
            ("incomplete", "candidates"),
            ("kept_candidates", "candidates"),
            ("flagged", "candidates"),
            ("unchecked", "candidates"),
            ("prompts_below_two", "prompts"),
            ("kept_prompts", "prompts"),
            ("tied_prompts", "kept_prompts"),
        ]
        for part, whole in pairs:
            if getattr(self, part) > getattr(self, whole):
                raise ValueError(f"{part} = {getattr(self, part)} is more than {whole}")
        return self

    def of_ranking(self) -> Counts:
        """Those of them that ranking counts."""
        return Counts(
            candidates=self.candidates,
            incomplete=self.incomplete,
            prompts=self.prompts,
            prompts_below_two=self.prompts_below_two,
            kept_prompts=self.kept_prompts,
            kept_candidates=self.kept_candidates,
            tied_prompts=self.tied_prompts,
            without_preference=self.without_preference or 0,
        )


class WinRate(Record):
    """What one model's images came to: a row of ``synpic.rank.win_rate_by_model``."""

    model: str
    candidates: Count
    mean_preference: float
    first: Share
    beats: Share | None


class Histogram(Record):
    """Scores of one reward in bins of equal width from ``low`` to ``high``."""

    low: float
    high: float
    counts: list[Count] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} is more than high = {self.high}")
        return self


class PairCounts(Record):
    """How pairs were chosen, how many pairs that picks, and how many of them are tied."""

    strategy: str
    picked: Count
    tied: Count

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.tied > self.picked:
            raise ValueError(f"tied = {self.tied} is more than picked = {self.picked}")
        return self


class Feature(Record):
    """A column, as ``dataset_info`` of a card has it: of a type, or of lists of a type."""

    name: str
    dtype: str | None = None
    sequence: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.dtype is None) == (self.sequence is None):
            raise ValueError("expected one of dtype and sequence")
        return self


class _Ours(Record):
    """What every manifest of synpic's has."""

    synpic: str
    schema_version: Annotated[int, Field(ge=1)]
    files: dict[FilePath, File]


class ExportManifest(_Ours):
    """The manifest of an export, which is no release: it has pairs; or no ranking at all."""

    export: str
    strategy: str
    origin: dict[str, Any] = Field(alias="from")
    ranking: Rule | None
    rows: dict[Split, Count]


class Manifest(_Ours):
    """What a release says of itself.

    ``synpic.publish.manifest.describe`` says what each key holds. ``version`` is None for a folder.
    """

    version: Annotated[str, Field(pattern=r"\A\d+\.\d+\.\d+\z")] | None
    digest: Sha256
    recipe: str
    lock: list[LockRow]
    prompts: dict[str, Count]
    models: list[ModelRow] = Field(min_length=1)
    rewards: list[RewardRow]
    environments: dict[str, dict[str, Any]]
    ranking: Rule
    counts: ManifestCounts
    cuts: CutCounts | None = None
    chunk: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None
    win_rates: list[WinRate]
    agreement: Agreements
    histograms: dict[str, Histogram]
    pairs: dict[str, PairCounts]
    labels: LabelRow | None = None
    people: dict[str, list[HeldToPeople]] = Field(default_factory=dict)
    """Of what ranks, by name: how often it prefers what people prefer, where that is known."""
    words: dict[str, Sha256] = Field(default_factory=dict)
    """The author's words that lie in files of their own, by key of ``[publish]``."""
    features: dict[Config, Annotated[list[Feature], Field(min_length=1)]]
    records: dict[Config, Annotated[dict[Split, Count], Field(min_length=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        """Each table is described in every section that describes tables."""
        paired = {config for config in PAIRED if config in self.records}
        for key, found, expected in (
            ("features", self.features.keys(), self.records.keys()),
            ("pairs", self.pairs.keys(), paired),
        ):
            if found != expected:
                named = ", ".join(sorted(found ^ expected))
                raise ValueError(f"{key} and records do not name the same configs: {named}")
        weights = {one.name: one.weight for one in self.rewards if one.weight is not None}
        compared = self.ranking.comparisons.keys() & self.ranking.weights.keys()
        weights |= {name: self.ranking.weights[name] for name in compared - weights.keys()}
        if weights != self.ranking.weights:
            differ = sorted(dict(weights.items() ^ self.ranking.weights.items()))
            raise ValueError(f"ranking.weights are not those of rewards: {', '.join(differ)}")
        return self

    def with_files(self, version: str | None, files: dict[str, File]) -> Manifest:
        """The same release under ``version``, with ``files``."""
        return self.model_copy(update={"version": version, "files": files})

    def as_dict(self) -> dict[str, Any]:
        """The manifest as JSON-like data, with what a later synpic added."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def encode(manifest: Record) -> bytes:
    """A manifest as the bytes of its file: equal manifests give equal bytes."""
    data = manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return (json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def read_manifest(directory: Path) -> Manifest | ExportManifest | None:
    """The manifest of the release or export in ``directory``; None if there is none of ours.

    Raises:
        ReleaseError: it is ours, and a key is missing or wrong.
        NewerSchema: a later synpic wrote it.
    """
    try:
        return decode_manifest(_read(directory), str(directory / MANIFEST))
    except NoRelease:
        return None


def open_manifest(directory: Path) -> Manifest | ExportManifest:
    """The same, with an error that says why where there is none."""
    return decode_manifest(_read(directory), str(directory / MANIFEST))


def _read(directory: Path) -> bytes:
    path = directory / MANIFEST
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoRelease(f"{path} cannot be read: {error.strerror or error}") from error


def decode_manifest(data: bytes, where: str) -> Manifest | ExportManifest:
    """The manifest that ``data`` holds.

    Args:
        where: the file's name, for messages.

    Raises:
        NoRelease: synpic did not write it: it does not have our key.
        DamagedRelease: synpic wrote it, and it is no JSON, or a key is missing or wrong.
        ReleaseError: an earlier schema's.
        NewerSchema: a later synpic wrote it.
    """
    # One that is cut, or of which a brace was lost, was still written by synpic.
    ours = f'"{_KEY}"'.encode() in data
    found = parse_json(data, where, error=DamagedRelease if ours else NoRelease, hint=_HINT)
    if not isinstance(found, dict) or _KEY not in found:
        raise NoRelease(
            f"{where}: synpic did not write it: it has no key `{_KEY}`",
            hint="name the folder or the dataset that `synpic publish` wrote",
        )
    require_version(found, where, _older)
    if "export" in found:
        return validate(ExportManifest, found, where, DamagedRelease, _HINT)
    return validate(Manifest, found, where, DamagedRelease, _HINT)


def _older(where: str, version: int) -> ReleaseError:
    return ReleaseError(
        f"{where}: schema_version is {version}; this synpic reads {SCHEMA_VERSION}",
        hint="publish it again, from its workspace",
    )


def own_version() -> str:
    """The version of synpic that is running, as manifests have it."""
    try:
        return version("synpic")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"

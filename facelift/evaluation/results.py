"""What a run of a benchmark found, as plain data that JSON keeps, and its statistics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .registry import METRICS

RESAMPLES = 10_000
FEWEST = 6  # cases; a bootstrap over fewer is surer than it should be
FORMAT = 1
STAGES = {
    "true_six": "new cameras, from true views",
    "pixels": "Gaussians of the pixels, from true views",
    "generated": "generated views, new ones",
    "truth": "true views, the same",
    "front": "whole path, front",
    "foreground": "whole path, front, inside the matte",
    "near": "whole path, about 20 degrees",
    "half": "whole path, 45 degrees",
    "far": "whole path, about 70 degrees",
    "extra": "whole path, extra cameras",
    "carried": "carried to the sides",
    "unseen": "sides and back",
    "back": "from behind",
    "views": "making views",
    "reconstruction": "making Gaussians",
    "portrait": "making the portrait",
}


def label(key: str) -> str:
    """ "front.psnr" -> "whole path, front: PSNR, dB"."""
    stage, _, metric = key.rpartition(".")
    name = METRICS[metric][0]
    return f"{STAGES[stage]}: {name}" if stage else name


def better(key: str) -> str | None:
    return METRICS[key.rpartition(".")[2]][1]


def _order(key: str) -> tuple[int, int]:
    stage, _, metric = key.rpartition(".")
    return (list(STAGES).index(stage) if stage else len(STAGES)), list(METRICS).index(metric)


def format_value(key: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{METRICS[key.rpartition('.')[2]][2]}f}"


def describe_value(key: str, value: float | None) -> str:
    """With its unit behind it: "whole path, front: PSNR 27.25 dB"."""
    stage, _, metric = key.rpartition(".")
    name, *unit = METRICS[metric][0].rsplit(", ", 1)
    text = " ".join([name, format_value(key, value), *unit])
    return f"{STAGES[stage]}: {text}" if stage else text


@dataclass(frozen=True)
class ViewResult:
    """angle: degrees between this camera and the front one, seen from the head's middle."""

    name: str
    angle: float
    values: dict[str, float | None]


@dataclass(frozen=True)
class CaseResult:
    """One head. values: by column; None where nothing could be measured. baselines: the same columns for stand-ins.
    sheet: a picture of the case, relative to the report's folder."""

    name: str
    values: dict[str, float | None]
    views: tuple[ViewResult, ...] = ()
    baselines: dict[str, dict[str, float | None]] = field(default_factory=dict)
    sheet: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """A file or case that could not be used."""

    item: str
    reason: str


@dataclass(frozen=True)
class Statistics:
    mean: float
    median: float
    low: float
    high: float
    count: int


@dataclass
class Report:
    """rank: the column that sorts cases from worst to best. overall: numbers of the whole set, such as FID.
    missing: metric -> what it needs. published: tables of `assets/benchmarks/published.json` to stand beside."""

    benchmark: str
    title: str
    weights: dict
    settings: dict
    command: str
    rank: str
    published: tuple[str, ...] = ()
    cases: list[CaseResult] = field(default_factory=list)
    overall: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict = field(default_factory=dict)
    seconds: float = 0.0

    def columns(self) -> list[str]:
        """In the order of `STAGES` and `METRICS`."""
        return sorted({key for case in self.cases for key in case.values}, key=_order)

    def column(self, key: str, baseline: str | None = None) -> dict[str, float]:
        """Case -> value, where there is one."""
        rows = {c.name: (c.values if baseline is None else c.baselines.get(baseline, {})).get(key) for c in self.cases}
        return {name: value for name, value in rows.items() if value is not None}

    def baselines(self) -> list[str]:
        return list(dict.fromkeys(name for case in self.cases for name in case.baselines))

    def summary(self) -> dict[str, Statistics]:
        return {key: statistics(values) for key in self.columns() if (values := list(self.column(key).values()))}

    def ranked(self) -> list[CaseResult]:
        """Worst first; cases without the rank column are left out."""
        values = self.column(self.rank)
        sign = -1 if better(self.rank) == "lower" else 1
        return sorted((c for c in self.cases if c.name in values), key=lambda c: sign * values[c.name])

    def save(self, path: Path) -> None:
        data = {"format": FORMAT, **asdict(self), "summary": {k: asdict(v) for k, v in self.summary().items()}}
        path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")

    @staticmethod
    def load(path: Path) -> Report:
        """Raises ValueError for a file that is no report."""
        try:
            data = json.loads(Path(path).read_text())
            if data.pop("format") != FORMAT:
                raise ValueError(f"{path} has another format than this version reads")
            del data["summary"]
            views = [tuple(ViewResult(**v) for v in case.pop("views")) for case in data["cases"]]
            for case in data["cases"]:
                case["values"] = {_renamed(key): value for key, value in case["values"].items()}
            data["cases"] = [CaseResult(**case, views=v) for case, v in zip(data["cases"], views, strict=True)]
            data["left_out"] = [LeftOut(**item) for item in data["left_out"]]
            return Report(**{**data, "published": tuple(data["published"])})
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a report of this evaluation: {error}") from error


def _renamed(key: str) -> str:
    """A column of an older report, by its name of today."""
    return key.replace("figure.", "foreground.")


def mean_of(values: Iterable[float | None]) -> float | None:
    """Over what there is. None for nothing."""
    present = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.mean(present)) if present else None


def averaged(rows: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Means by key."""
    return {key: mean_of(r.get(key) for r in rows) for key in dict.fromkeys(k for r in rows for k in r)}


def statistics(values: Iterable[float]) -> Statistics:
    """Mean with the 95 % interval of a bootstrap over cases, and median."""
    values = np.asarray(list(values), np.float64)
    low, high = interval(values)
    return Statistics(float(values.mean()), float(np.median(values)), low, high, len(values))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean; the same numbers for the same values. A single value is its own interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1) if len(values) > 1 else values
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))

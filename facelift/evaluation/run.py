"""One weight set through one benchmark."""

from __future__ import annotations

import math
import platform
import re
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from ..pipeline import REPORTED_VERSIONS, FaceLiftPipeline
from ..portrait import PhotoError
from ..portrait.quiet import without_native_chatter
from ..resources import installed_version
from .benchmarks.base import BadItem, Benchmark, BenchmarkError
from .metrics import PairMetrics
from .results import CaseResult, LeftOut, Report

OPTIONAL_VERSIONS = ("dlib-bin", "face-recognition-models", "torchmetrics", "dreamsim", "deepface")


def run(
    benchmark: Benchmark,
    pipe: FaceLiftPipeline,
    metrics: PairMetrics,
    out: Path,
    limit: int | None = None,
    command: str = "",
    settings: dict | None = None,
    label: str | None = None,
) -> Report:
    """Measures every item, keeps a sheet of each in out/cases, goes on past bad items.

    limit: how many items, evenly spread; None for all.
    command, settings: told in the report.
    label: what the weight set is called in tables. Raises BenchmarkError where nothing could be measured.
    """
    start = time.perf_counter()
    names = evenly_spaced(benchmark.items(), limit)
    weights = {"name": label or pipe.weights.name, "kind": pipe.weights.kind, "licence": pipe.weights.licence}
    report = Report(
        benchmark.name, benchmark.title, weights, settings or {}, command, benchmark.rank, benchmark.published,
        missing=dict(metrics.missing), left_out=list(benchmark.left_out()), notes=list(benchmark.notes),
    )  # fmt: skip
    (out / "cases").mkdir(parents=True, exist_ok=True)
    with without_native_chatter() as terminal:
        for name in tqdm(names, desc=f"{benchmark.name}, {weights['name']}", unit="head", file=terminal):
            try:
                measured = benchmark.measure(name, pipe, metrics)
            except (BadItem, PhotoError) as reason:
                report.left_out.append(LeftOut(name, str(reason)))
                continue
            sheet = Path("cases") / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.webp"
            Image.fromarray(measured.sheet).save(out / sheet, quality=85)
            report.cases.append(replace(finite(measured.result), sheet=sheet.as_posix()))
            report.left_out += measured.left_out
    if not report.cases:
        reasons = "; ".join(f"{item.item}: {item.reason}" for item in report.left_out[:3])
        raise BenchmarkError(f"Nothing of the benchmark {benchmark.name} could be measured ({reasons or 'it is empty'}).")
    report.overall = benchmark.overall()
    report.seconds = time.perf_counter() - start
    report.machine = machine(pipe.device)
    return report


def finite(case: CaseResult) -> CaseResult:
    """What is no number, such as the mean over an empty mask, counts as not measured."""

    def clean(values: dict[str, float | None]) -> dict[str, float | None]:
        return {k: v if v is not None and math.isfinite(v) else None for k, v in values.items()}

    views = tuple(replace(v, values=clean(v.values)) for v in case.views)
    return replace(case, values=clean(case.values), views=views, baselines={k: clean(v) for k, v in case.baselines.items()})


def evenly_spaced(names: Sequence[str], limit: int | None) -> list[str]:
    """All, or `limit` of them at even distances."""
    if limit is None or limit >= len(names):
        return list(names)
    return [names[i * len(names) // limit] for i in range(limit)]


def machine(device: torch.device) -> dict:
    """Where the numbers came from: hardware and versions."""
    packages = {name: installed_version(name) or "not installed" for name in (*REPORTED_VERSIONS, *OPTIONAL_VERSIONS)}
    versions = {"python": platform.python_version(), **packages}
    cpu = f"{platform.machine()} CPU, threads: {torch.get_num_threads()}"
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "versions": versions,
    }

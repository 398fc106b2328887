"""The stages in the order of their importance, each only if it fits the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measures import Measures
from .models import FULL
from .presets import decibels

FLOPS = {"unet": 11.1e12, "gslrm": 74.3e12, "encode": 8.7e12, "decode": 15.1e12}  # of one run at full size, to guess how long it takes
EFFICIENCY = 0.2  # guessed share of the peak
HALF = ("fp16", "bf16")
EXACT = ("fp32", "tf32", "fp16", "bf16")  # the most exact first


@dataclass(frozen=True)
class Stage:
    """need: seconds, guessed."""

    name: str
    format: str
    run: Callable[[str], None]
    need: float

    def __str__(self) -> str:
        return f"{self.name} {self.format}"


def stages(measures: Measures, formats: Sequence[str], compile: bool) -> Iterator[Stage]:
    """One after another, so that a need is guessed from what was measured by then. formats: the most important first."""
    m, (first, *others), full = measures, formats, measures.sizes is FULL

    def stage(name: str, format: str) -> Stage:
        return Stage(name, format, getattr(m, name), need(m, name, format))

    for name in ("peak", "unet", "gslrm", "decode", "encode", "photo"):
        yield stage(name, first)
    if m.device.type == "cuda":
        yield Stage("kernels", first, m.kernels, 5)
    for name in ("peak", "unet"):
        for format in others:
            yield stage(name, format)
    yield Stage("copy", "bytes", m.copy, 1)
    for name in ("gslrm", "decode", "encode"):
        for format in others:
            yield stage(name, format)
    for format in others:
        if format in HALF:
            yield stage("photo", format)
    if m.graphs:
        yield Stage("tuned", first, m.tuned, 10)
    yield Stage("switches", first, m.switches, 4 * need(m, "unet", first))
    yield Stage("presets", first, m.presets, presets_need(m, first))
    yield Stage("film", "fp32", m.film, 12 if full else 1)
    yield Stage("autograd", first, m.autograd, 2 * need(m, "unet", first))
    if compile:
        yield Stage("compiled", first, m.compiled, 60)
    for format in others:
        if format not in HALF:
            yield stage("photo", format)


def need(measures: Measures, name: str, format: str) -> float:
    """Two ways, a run to warm up and a measured one of each."""
    if measures.sizes is not FULL or name == "peak":
        return 1
    photo = measures.steps * FLOPS["unet"] + FLOPS["gslrm"] + FLOPS["encode"] + FLOPS["decode"]
    peak = measures.results.peak("matmul", format)
    return 1 + 4 * FLOPS.get(name, photo) / (EFFICIENCY * peak) if peak else 2


def presets_need(measures: Measures, format: str) -> float:
    """All steps three times, the preset's seven times, at least once."""
    steps = [row.seconds for row in measures.results.rows if (row.stage, row.way, row.format) == ("unet", "ours", format)]
    return (3 * measures.steps + 100) * steps[0] if steps else need(measures, "photo", format)


def run_stages(planned: Iterator[Stage], measures: Measures, only: Sequence[str] | None, path: Path | None) -> None:
    """only: names of stages. path: of the JSON file, written anew after each. A stage that fails takes no other with it."""
    results, clock = measures.results, measures.clock
    for stage in planned:
        if only and stage.name not in only:
            continue
        if stage.need > clock.left:
            results.note(f"left out for lack of time: {stage} (may need {stage.need:.0f} s, {max(0.0, clock.left):.0f} s left)")
            continue
        try:
            stage.run(stage.format)
        except Exception as error:
            results.note(f"failed: {stage}: {type(error).__name__}: {str(error)[:300]}")
        results.spent = clock.spent
        results.write(path)


def compare(measures: Measures) -> None:
    """How far each output is from ours in fp32, or where that is not there, in the most exact format that is."""
    outputs, results = measures.outputs, measures.results
    for stage in ("unet", "gslrm", "decode", "photo", "switches"):
        exact = next((format for format in EXACT if (stage, "ours", format) in outputs), None)
        if exact is None:
            continue
        truth = outputs[stage, "ours", exact].float()
        for (name, way, format), output in outputs.items():
            if name != stage or (way, format) == ("ours", exact):
                continue
            error = output.float() - truth
            label = f"{stage}: {way} in {format} from ours in {exact}"
            if stage in ("decode", "photo"):
                results.differ(f"{label}, dB", decibels(float(error.square().mean())))
            else:
                results.differ(f"{label}, relative L2", float(error.norm() / truth.norm()))

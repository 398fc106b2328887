"""The benchmarks, by the names that the command line knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .base import EXAMPLES, BadItem, Benchmark, BenchmarkError

__all__ = ["BENCHMARKS", "BadItem", "Benchmark", "BenchmarkError", "Options", "open_benchmark"]


@dataclass(frozen=True)
class Options:
    """data: folder of the data set. train: shards for the baselines. input_view: of posed pictures. matting: "auto" or "none"."""

    data: Path | None = None
    train: Path | None = None
    seed: int = 4
    second_seed: int | None = None
    input_view: str | None = None
    matting: str = "auto"


def _synthetic(options: Options) -> Benchmark:
    from .synthetic import SyntheticHeads

    return SyntheticHeads(options.data or Path("data/held-out"), options.train, options.seed)


def _photos(options: Options) -> Benchmark:
    from .photos import Photos

    return Photos(options.data or EXAMPLES, options.seed, options.second_seed)


def _ffhq(options: Options) -> Benchmark:
    from .photos import FFHQ

    return FFHQ(options.data or Path("data/ffhq"), options.seed, options.second_seed)


def _posed(layout: str):
    def make(options: Options) -> Benchmark:
        from .posed import PosedPictures

        return PosedPictures(layout, options.data or Path("data") / layout, options.seed, options.input_view, options.matting)

    return make


BENCHMARKS = {
    "synthetic": _synthetic,
    "photos": _photos,
    "ffhq": _ffhq,
    **{layout: _posed(layout) for layout in ("cafca", "ava256", "facescape", "posed")},
}


def open_benchmark(name: str, options: Options) -> Benchmark:
    """Raises BenchmarkError for data that are not there."""
    return BENCHMARKS[name](options)

"""What the verbs that read clips share: their words, the bar, and what was done to the clip."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..choices import CLIP_FPS, CLIP_SECONDS

if TYPE_CHECKING:
    from ..video.track import Performance


def add_clip_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("--fps", type=within(60), default=CLIP_FPS, help="frames a second read of a clip, up to 60 (default: %(default)g)")
    p.add_argument("--seconds", type=within(600), default=CLIP_SECONDS, help="read of a clip at most, up to 600 (default: %(default)g)")


def within(most: float) -> Callable[[str], float]:
    """Reads a number above 0, up to `most`."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"must be a number above 0 and up to {most:g}")
        return value

    return number


def perform(path: Path, fps: float, seconds: float) -> Performance:
    """Reads a clip with a progress bar and prints what was done to it. Raises ClipError."""
    from tqdm import tqdm

    from ..portrait.quiet import without_native_chatter
    from ..video.track import read_clip

    with (
        without_native_chatter() as terminal,
        tqdm(total=None, desc=path.name, unit=" frames", disable=not sys.stderr.isatty(), leave=False, file=terminal) as bar,
    ):
        performance = read_clip(path, fps, seconds, lambda done, _: bar.update(done - bar.n))
    for sentence in performance.notes:
        print(f"  {sentence}")
    return performance

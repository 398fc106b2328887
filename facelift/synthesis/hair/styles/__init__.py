"""The hair styles by name. A style is a function of the scalp that returns tufts, and what its hairline is like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..growth import Scalp
from ..tufts import Tuft
from . import curly, layered, long, short, tied, twisted


@dataclass(frozen=True)
class Style:
    """cover: how much of the scalp's colour is the hair's, 0..1. recession: range of the bays at the temples (of men, and of anyone if it
    starts above 0). wreath: the top is bald."""

    grow: Callable[[Scalp, np.random.Generator], list[Tuft]]
    cover: float = 0.85
    recession: tuple[float, float] = (0.0, 0.22)
    wreath: bool = False


STYLES: dict[str, Style] = {
    "bald": Style(short.bald, 0.12),
    "buzz": Style(short.buzz, 0.7),
    "crop": Style(short.crop, 0.92),
    "short": Style(short.short, 0.92),
    "side part": Style(short.side_part, 0.92),
    "slick": Style(short.slick, 0.92),
    "quiff": Style(short.quiff, 0.92),
    "pixie": Style(short.pixie, 0.92),
    "layered": Style(layered.layered, 0.9),
    "receding": Style(short.receding, 0.6, (0.5, 1.0)),
    "balding": Style(short.balding, 0.55, wreath=True),
    "bob": Style(long.bob),
    "long straight": Style(long.long_straight),
    "fringe": Style(long.fringe),
    "wavy": Style(long.wavy),
    "long curls": Style(long.long_curls),
    "curly": Style(curly.curly, 0.95),
    "afro": Style(curly.afro, 0.95),
    "braids": Style(twisted.braids, 0.8),
    "locs": Style(twisted.locs, 0.8),
    "bun": Style(tied.bun),
    "top knot": Style(tied.top_knot),
    "ponytail": Style(tied.ponytail),
}

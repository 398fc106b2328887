"""What the heads may wear."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Each switch allows a thing; how often it is drawn is its own part's matter."""

    glasses: bool = True
    hats: bool = True
    scarves: bool = True
    earrings: bool = True


PAPER = Options(glasses=False, hats=False, scarves=False, earrings=False)  # as the paper's data: hair, clothes and nothing else

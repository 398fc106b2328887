"""Refinements: small steps after the reconstructor, each (Reconstruction, Context) -> Reconstruction, by geometry alone.

A weight set lists the ones it wants, in order, in `refinements` of its config.json: [{"type": "fuse_depths"}, ...], each with parameters
where they are not the defaults. The released weights want none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from ..protocol import Refinement
from .bust import CutBust
from .detail import RecoverDetail
from .fusion import FuseColors, FuseDepths
from .pieces import DropLoosePieces
from .portrait_depth import PlaceAtPortraitDepth
from .selection import SelectViews
from .smoothing import SmoothDepths
from .upsampling import UpsampleInputView
from .visibility import InputViewVisibility

KINDS = (
    CutBust, DropLoosePieces, FuseDepths, FuseColors, InputViewVisibility, PlaceAtPortraitDepth, RecoverDetail, SelectViews,
    SmoothDepths, UpsampleInputView,
)  # fmt: skip
REFINEMENTS = {kind.name: kind for kind in KINDS}


def read_refinements(settings: Sequence[dict]) -> tuple[Refinement, ...]:
    """What a weight set's config.json lists. Raises ValueError for an unknown type, TypeError for an unknown parameter."""
    found = []
    for entry in settings:
        kind = entry.get("type")
        if kind not in REFINEMENTS:
            raise ValueError(f"{kind!r} is no refinement: there are {', '.join(REFINEMENTS)}")
        found.append(REFINEMENTS[kind](**{name: value for name, value in entry.items() if name != "type"}))
    return tuple(found)


def write_refinements(refinements: Sequence[Refinement]) -> list[dict]:
    """As `read_refinements` takes them."""
    return [{"type": refinement.name, **asdict(refinement)} for refinement in refinements]


def compact_refinements() -> tuple[Refinement, ...]:
    """What the compact weights want, in order; for rigs that begin with the photo."""
    return (
        SmoothDepths(), FuseDepths(), PlaceAtPortraitDepth(), FuseColors(), SelectViews(), InputViewVisibility(), DropLoosePieces(),
        UpsampleInputView(), RecoverDetail(),
    )  # fmt: skip

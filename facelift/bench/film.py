"""The turntable's frames, drawn by whatever renderer runs here."""

from __future__ import annotations

import torch

from ..cameras import turntable
from ..gaussians import Gaussians
from ..rendering import render
from .clock import in_turn
from .results import Row, rows_of

HEAD = 300_000  # Gaussians, about those of a head at 512 px after the filters
FRAMES = 180


def ball(count: int) -> Gaussians:
    """Gaussians on a sphere as wide as a head, as large as their neighbours are far."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    scale = torch.full((count, 3), 0.7 * (4 * torch.pi / count) ** 0.5).log()
    quats = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
    return Gaussians(0.7 * directions, quats, scale, torch.full((count,), 2.0), torch.randn(count, 3, generator=generator))


def film_rows(large: bool, seconds: float) -> list[Row]:
    """One frame at 512 px, on CUDA where gsplat is there. large: a head's number of Gaussians."""
    gaussians, size = ball(HEAD if large else HEAD // 100), 512 if large else 64
    cameras = turntable(FRAMES, size)
    if torch.cuda.is_available():
        from ..rendering.cuda import why_unusable

        gaussians = gaussians.to("cuda") if why_unusable() is None else gaussians
    drawn = render(gaussians, cameras[0])
    runs = in_turn({f"{drawn.backend}, {len(gaussians)}": lambda: render(gaussians, cameras[7])}, gaussians.means.device, seconds)
    return rows_of("film frame", "fp32", runs, {}, None)

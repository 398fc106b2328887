"""Cameras of the FaceLift rig and the rays through their pixels.

World: z up, head around the origin, the subject faces -y. Cameras are OpenCV (x right, y down, z forward).
Azimuths are in degrees from +x towards +y, as in the release: the front camera stands at 270. `orbit` takes them relative to the
front, so that front_right is -45 and left is 90.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

VIEW_NAMES = ("front", "front_right", "right", "back", "left", "front_left")
VIEW_AZIMUTHS = (0.0, -45.0, -90.0, 180.0, 90.0, 45.0)  # relative to the front
RADIUS = 2.7
FOCAL_512 = 548.9937744140625  # pixels: 50 degrees of view on a 512 px picture


@dataclass(frozen=True)
class Cameras:
    """V pinhole cameras that share one picture size.

    intrinsics: Shape (V, 4). fx, fy, cx, cy in pixels.
    c2w: Shape (V, 4, 4). Camera to world, OpenCV axes.
    width, height: picture size in pixels.
    """

    intrinsics: Tensor
    c2w: Tensor
    width: int
    height: int

    def __post_init__(self):
        v = self.c2w.shape[0]
        if self.c2w.shape != (v, 4, 4) or self.intrinsics.shape != (v, 4):
            raise ValueError(
                f"cameras need c2w (V, 4, 4) and intrinsics (V, 4), got {tuple(self.c2w.shape)} and {tuple(self.intrinsics.shape)}"
            )

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index) -> Cameras:
        """A subset of the views, still batched: `cameras[0]` holds one view."""
        if isinstance(index, int):
            index = [index]
        return Cameras(self.intrinsics[index], self.c2w[index], self.width, self.height)

    def to(self, device) -> Cameras:
        return Cameras(self.intrinsics.to(device), self.c2w.to(device), self.width, self.height)

    def at_size(self, size: int) -> Cameras:
        """The same cameras for pictures `size` pixels wide."""
        k = size / self.width
        return Cameras(self.intrinsics * k, self.c2w, size, round(self.height * k))

    @property
    def viewmats(self) -> Tensor:
        """World to camera. Shape (V, 4, 4)."""
        rotation = self.c2w[:, :3, :3].transpose(1, 2)
        viewmats = torch.zeros_like(self.c2w)
        viewmats[:, :3, :3] = rotation
        viewmats[:, :3, 3:] = -rotation @ self.c2w[:, :3, 3:]
        viewmats[:, 3, 3] = 1
        return viewmats

    @property
    def Ks(self) -> Tensor:
        """Calibration matrices. Shape (V, 3, 3)."""
        fx, fy, cx, cy = self.intrinsics.unbind(1)
        zero, one = torch.zeros_like(fx), torch.ones_like(fx)
        return torch.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], 1).view(-1, 3, 3)


def orbit(azimuths: Sequence[float], elevations: Sequence[float] | float = 0.0, size: int = 512, radius: float = RADIUS) -> Cameras:
    """Cameras on a sphere that look at the origin.

    azimuths: degrees relative to the front; positive towards the subject's left (+x).
    elevations: degrees, up positive; one number for all or one per azimuth.
    size: pixels a side.
    radius: distance from the origin, world units.
    Raises ValueError where the numbers of azimuths and elevations differ.
    """
    if isinstance(elevations, (int, float)):
        elevations = [float(elevations)] * len(azimuths)
    if len(elevations) != len(azimuths):
        raise ValueError(f"{len(azimuths)} azimuths but {len(elevations)} elevations")
    azimuth = torch.deg2rad(torch.tensor(list(azimuths), dtype=torch.float64) + 270.0)
    elevation = torch.deg2rad(torch.tensor(list(elevations), dtype=torch.float64))
    outward = torch.stack([azimuth.cos() * elevation.cos(), azimuth.sin() * elevation.cos(), elevation.sin()], 1)
    right = torch.stack([-azimuth.sin(), azimuth.cos(), torch.zeros_like(azimuth)], 1)
    c2w = torch.eye(4, dtype=torch.float64).repeat(len(azimuth), 1, 1)
    c2w[:, :3, 0] = right
    c2w[:, :3, 1] = torch.linalg.cross(-outward, right)
    c2w[:, :3, 2] = -outward
    c2w[:, :3, 3] = radius * outward
    focal = FOCAL_512 * size / 512
    intrinsics = torch.tensor([focal, focal, size / 2, size / 2], dtype=torch.float32).repeat(len(azimuth), 1)
    return Cameras(intrinsics, c2w.float(), size, size)


@dataclass(frozen=True)
class ViewRig:
    """The views that a model generates and reconstructs a head from, in its order. Degrees, as of `orbit`."""

    names: tuple[str, ...]
    azimuths: tuple[float, ...]
    elevations: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.names)

    def cameras(self, size: int = 512) -> Cameras:
        return orbit(self.azimuths, self.elevations, size)

    @property
    def starts_with_photo(self) -> bool:
        """Whether the first view is the portrait's own (input-view reconstruction)."""
        return (self.azimuths[0], self.elevations[0]) == (0.0, 0.0)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Which view shows a mirrored head's view 0, 1, ..."""
        places = [(a % 360, e) for a, e in zip(self.azimuths, self.elevations, strict=True)]
        return tuple(places.index((-a % 360, e)) for a, e in places)


RIGS = {  # FaceLift's and those of its ablations (section 5); it gives no angles for eight's last two
    "six": ViewRig(VIEW_NAMES, VIEW_AZIMUTHS, (0.0,) * 6),
    "four": ViewRig(("front", "right", "back", "left"), (0.0, -90.0, 180.0, 90.0), (0.0,) * 4),
    "eight": ViewRig((*VIEW_NAMES, "front_top", "front_bottom"), (*VIEW_AZIMUTHS, 0.0, 0.0), (*(0.0,) * 6, 45.0, -30.0)),
    "raised": ViewRig(("front_raised", *VIEW_NAMES[1:]), VIEW_AZIMUTHS, (20.0, *(0.0,) * 5)),
}


def view_rig(name: str) -> ViewRig:
    """Raises ValueError for a name that is none of `RIGS`."""
    if name not in RIGS:
        raise ValueError(f"{name!r} is no rig of views: there are {', '.join(RIGS)}")
    return RIGS[name]


def six_views(size: int = 512) -> Cameras:
    """The six cameras of the multi-view model, in its order (`VIEW_NAMES`)."""
    return orbit(VIEW_AZIMUTHS, 0.0, size)


def turntable(frames: int, size: int = 512, elevation: float = 0.0) -> Cameras:
    """One turn from the front over the subject's left; the end is excluded.

    frames: how many cameras.
    size: pixels a side.
    elevation: degrees, up positive.
    """
    return orbit([360.0 * i / frames for i in range(frames)], elevation, size)


def rays(cameras: Cameras) -> tuple[Tensor, Tensor]:
    """World-space rays through the pixel centres.

    Returns origins and unit directions, each of Shape (V, 3, H, W), float32.
    """
    fx, fy, cx, cy = (k.view(-1, 1, 1) for k in cameras.intrinsics.float().unbind(1))
    device = cameras.c2w.device
    y, x = torch.meshgrid(torch.arange(cameras.height, device=device), torch.arange(cameras.width, device=device), indexing="ij")
    x, y = (x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy  # (V, H, W)
    directions = torch.nn.functional.normalize(torch.stack([x, y, torch.ones_like(x)], -1), dim=-1)  # far faster than over dim 1
    directions = torch.einsum("vij,vhwj->vhwi", cameras.c2w[:, :3, :3].float(), directions)
    directions = torch.nn.functional.normalize(directions, dim=-1).permute(0, 3, 1, 2)
    origins = cameras.c2w[:, :3, 3, None, None].float().expand_as(directions)
    return origins, directions


def on_rays(ray_depth: Tensor, origins: Tensor, directions: Tensor) -> Tensor:
    """Points on rays, from their ray depths: distances along the rays from their points nearest to the origin.

    ray_depth: Shape (..., V, H, W).
    origins, directions: Shape (V, 3, H, W), as of `rays`.
    Returns Shape (..., V, H, W, 3).
    """
    origins, directions = (t.float().permute(0, 2, 3, 1) for t in (origins, directions))  # (V, H, W, 3)
    depth = ray_depth - (origins * directions).sum(-1)
    return origins + depth[..., None] * directions


def project(points: Tensor, camera: Cameras) -> tuple[Tensor, Tensor, Tensor]:
    """Where a camera sees points; those behind it, too, wrongly.

    points: Shape (..., 3), world.
    camera: one.
    Returns x and y in pixels, from the picture's upper left corner, and the distance from the camera, each of Shape (...).
    """
    local = (points - camera.c2w[0, :3, 3]) @ camera.c2w[0, :3, :3]
    fx, fy, cx, cy = camera.intrinsics[0]
    return fx * local[..., 0] / local[..., 2] + cx, fy * local[..., 1] / local[..., 2] + cy, local.norm(dim=-1)


def plucker_channels(origins: Tensor, directions: Tensor) -> Tensor:
    """Ray direction and the ray's point nearest to the world origin, which together fix a line.

    origins, directions: Shape (..., 3, H, W). Returns Shape (..., 6, H, W).
    """
    nearest = origins - (origins * directions).sum(-3, keepdim=True) * directions
    return torch.cat([directions, nearest], -3)

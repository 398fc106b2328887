"""A textured mesh of a head: depth pictures of the Gaussians fused into one surface, coloured by their renders. Approximate.

Truncated signed distances (Curless and Levoy 1996) on a grid, marching cubes, and one texture made of pictures from around the head, of
which each triangle takes the one that sees it best. Hair becomes a shell, and light is baked into the colours.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, avg_pool3d

from ..arrays import to_pixels
from ..cameras import Cameras, orbit
from ..errors import MeshError
from ..gaussians import SH_C0, Gaussians
from ..rendering import render

if TYPE_CHECKING:
    from trimesh import Trimesh

CELLS = 112  # along the longest side of the grid
DEPTH_SIZE, TEXTURE_SIZE = 256, 512
DEPTH_VIEWS = [(30 * i, 0) for i in range(12)] + [(60 * i, 40) for i in range(6)] + [(60 * i + 30, -35) for i in range(6)] + [(0, 80)]
TEXTURE_VIEWS = [(45 * i, 0) for i in range(8)] + [(0, 45), (120, 45), (240, 45), (0, 85)]
COLUMNS = 4  # of pictures in the texture
TRUNCATION = 4  # cells
BEHIND = 0.05  # vote of a camera for what lies hidden behind a surface: against a single one that looks through a gap
SQUARE = 0.7  # cosine up to which a camera looks from before or behind
HIDDEN = 0.06  # world units behind the nearest surface
FRONT_BONUS = 0.3  # the front view is the photo itself
SMOOTHING = 12  # rounds of averaging with neighbours, so that the choice of a picture changes along lines and not in specks


def save_mesh(gaussians: Gaussians, path: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Writes a .glb, or a .obj with its .mtl and picture beside it, and returns its path. progress and errors: see `make_mesh`."""
    return write_mesh(make_mesh(gaussians, progress), path)


def write_mesh(mesh: Trimesh, path: str | Path) -> Path:
    """By the suffix; the path. Raises ValueError for another than .glb and .obj."""
    path = Path(path)
    if path.suffix == ".glb":
        data = mesh.export(file_type="glb")
        assert isinstance(data, bytes)
        path.write_bytes(data)
        return path
    if path.suffix != ".obj":
        raise ValueError(f"a mesh is written as .glb or .obj, not {path.suffix or path.name}")
    from trimesh.exchange.obj import export_obj

    text, others = export_obj(mesh, return_texture=True, mtl_name=f"{path.stem}.mtl", header=None)
    for name, data in others.items():
        (path.parent / name).write_bytes(data)
    path.write_text(text)
    return path


def make_mesh(gaussians: Gaussians, progress: Callable[[int, int], None] | None = None) -> Trimesh:
    """The surface, y up and facing +z, as glTF wants it.

    progress: called with (pictures done, pictures in all); what it raises ends the work. Raises MeshError.
    """
    from trimesh import Trimesh
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    gaussians = gaussians.detach()
    total = len(DEPTH_VIEWS) + len(TEXTURE_VIEWS)
    told = (lambda done: progress(done, total)) if progress else lambda done: None
    vertices, faces = _surface(*_fuse(gaussians, told))
    cameras = _cameras(TEXTURE_VIEWS, TEXTURE_SIZE)
    pictures, depths = [], []
    for i in range(len(cameras)):
        pictures.append(_picture(gaussians, cameras[i]))
        depths.append(_depth(gaussians, cameras[i]).cpu())
        told(len(DEPTH_VIEWS) + i + 1)
    best = _best_views(vertices, faces, cameras, depths)
    corners, triangles, uv = _unwrap(vertices, faces, best, cameras)
    material = PBRMaterial(name="head", baseColorTexture=_atlas(pictures), metallicFactor=0.0, roughnessFactor=1.0)
    turned = corners[:, [0, 2, 1]] * (1, 1, -1)
    return Trimesh(turned, triangles, visual=TextureVisuals(uv, material=material), process=False)


def _cameras(views: Sequence[tuple[float, float]], size: int) -> Cameras:
    return orbit([azimuth for azimuth, _ in views], [elevation for _, elevation in views], size)


def _depth(gaussians: Gaussians, camera: Cameras) -> Tensor:
    """Mean depth of what one camera sees, infinite where it sees the background. Shape (H, W).

    The renderer draws colours, so each Gaussian's colour is its depth.
    """
    viewmat = camera.viewmats[0].to(gaussians.means)
    z = gaussians.means @ viewmat[2, :3] + viewmat[2, 3]
    seen = render(replace(gaussians, sh0=((z - 0.5) / SH_C0)[:, None].expand(-1, 3).contiguous()), camera, background=0.0)
    alpha = seen.alpha[0, 0]
    return torch.where(alpha > 0.5, seen.rgb[0, 0] / alpha.clamp_min(1e-6), torch.inf)


def _fuse(gaussians: Gaussians, told: Callable[[int], None]) -> tuple[Tensor, Tensor, float]:
    """Signed distances in cells' truncation lengths, positive outside, Shape (X, Y, Z); the first cell's centre; the cell size."""
    means = gaussians.means
    solid = means[gaussians.opacities > 0]
    if len(solid) < 100:
        raise MeshError("The head has too few solid Gaussians for a mesh.")
    low, high = (torch.quantile(solid[:: len(solid) // 50_000 + 1], q, dim=0) for q in (0.002, 0.998))
    cell = float((high - low).max()) / (CELLS - 12)
    start = low - 6 * cell
    shape = [int(n) for n in ((high - low) / cell).ceil() + 12]
    axes = [start[i] + cell * torch.arange(shape[i], device=means.device) for i in range(3)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
    total, weight = torch.zeros(len(points), device=means.device), torch.zeros(len(points), device=means.device)
    cameras, above = _cameras(DEPTH_VIEWS, DEPTH_SIZE), points[:, 2] > _shoulders(solid, low, high, TRUNCATION * cell)
    for i in range(len(cameras)):
        depth = _depth(gaussians, cameras[i])
        x, y, z = _project(points, cameras[i])
        inside = (x >= 0) & (y >= 0) & (x <= DEPTH_SIZE - 1) & (y <= DEPTH_SIZE - 1)
        at = (y.clamp(0, DEPTH_SIZE - 1) * DEPTH_SIZE + x.clamp(0, DEPTH_SIZE - 1)).long()
        distance = ((depth.view(-1)[at] - z) / (TRUNCATION * cell)).clamp_max(1)
        usable = inside & (above | _tells_of_bust(cameras[i]))
        vote = usable * torch.where(distance > -1, 1.0, BEHIND)
        total += vote * distance.clamp_min(-1)
        weight += vote
        told(i + 1)
    distances = torch.where(weight > 0, total / weight.clamp_min(1e-6), -1.0)  # what no camera sees is inside
    beyond = (points[:, 2] < low[2]) | (points[:, 0] < low[0]) | (points[:, 0] > high[0])
    distances = torch.where(beyond, 1.0, distances).view(*shape)  # the bust ends in planes
    for _ in range(2):
        distances = avg_pool3d(distances[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    return distances, start, cell


def _shoulders(solid: Tensor, low: Tensor, high: Tensor, width: float) -> float:
    """Height up to which the picture's border cut the bust open at the sides.

    solid: Shape (N, 3).
    low, high: corners of the box around them.
    width: world units inwards that count as an end.
    """
    ends = [solid[(solid[:, 0] - corner[0]).abs() < width, 2] for corner in (low, high)]
    return max((float(torch.quantile(heights, 0.9)) for heights in ends if len(heights)), default=float(low[2]))


def _tells_of_bust(camera: Cameras) -> bool:
    """Whether it looks from before or behind, not from below: others see into the open shoulders or chest and take the hollow for air."""
    x, y, z = camera.c2w[0, :3, 3].tolist()
    return abs(y) > SQUARE * float(camera.c2w[0, :3, 3].norm()) and z > -0.01


def _project(points: Tensor, camera: Cameras) -> tuple[Tensor, Tensor, Tensor]:
    """Column, row (whole numbers) and depth of world points, each of Shape (N,)."""
    x, y, z = to_pixels(points, camera.viewmats[0].to(points), camera.intrinsics[0].tolist())
    return x.round(), y.round(), z


def _surface(distances: Tensor, start: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) and triangles (F, 3), counter-clockwise from outside, of the largest piece."""
    from skimage.measure import label, marching_cubes

    volume = np.pad(distances.cpu().numpy(), 1, constant_values=1.0)
    pieces = label(volume < 0, connectivity=1)
    sizes = np.bincount(pieces.ravel())[1:]
    if len(sizes) == 0:
        raise MeshError("The head's Gaussians enclose nothing.")
    solid = pieces == sizes.argmax() + 1
    outside = label(~solid, connectivity=1)
    volume = np.where(solid, volume, np.where(outside == outside[0, 0, 0], np.maximum(volume, 1e-3), -1.0))  # one piece, no bubble in it
    vertices, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="ascent")
    vertices = (torch.from_numpy(vertices.copy()) - 1) * cell + start.cpu()
    return vertices, torch.from_numpy(faces[:, ::-1].astype(np.int64))


def _best_views(vertices: Tensor, faces: Tensor, cameras: Cameras, depths: list[Tensor]) -> Tensor:
    """For each triangle the camera that looks at it most squarely, of those from which nothing hides it. Shape (F,)."""
    a, b, c = vertices[faces].unbind(1)
    centres, facing = (a + b + c) / 3, torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)
    found = []
    for i, depth in enumerate(depths):
        x, y, z = _project(centres, cameras[i])
        side = TEXTURE_SIZE - 1
        nearest = depth[y.clamp(0, side).long(), x.clamp(0, side).long()]
        outside = (x < 0) | (y < 0) | (x > side) | (y > side)
        towards = torch.nn.functional.normalize(cameras.c2w[i, :3, 3] - centres, dim=1)
        found.append((facing * towards).sum(1) - 1.0 * (outside | (z > nearest + HIDDEN)) + (FRONT_BONUS if i == 0 else 0.0))
    scores = torch.stack(found, 1)
    corners = faces.reshape(-1)
    count = torch.bincount(corners, minlength=len(vertices))[:, None].clamp_min(1)
    for _ in range(SMOOTHING):
        sums = torch.zeros(len(vertices), scores.shape[1]).index_add_(0, corners, scores.repeat_interleave(3, 0))
        scores = (sums / count)[faces].mean(1)
    return scores.argmax(1)


def _unwrap(vertices: Tensor, faces: Tensor, best: Tensor, cameras: Cameras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A vertex for each picture that its triangles use, with its place in the texture. Vertices (W, 3), faces (F, 3), uv (W, 2)."""
    pairs, index = torch.unique(faces * len(cameras) + best[:, None], return_inverse=True)
    corner, view = pairs // len(cameras), pairs % len(cameras)
    vertices = vertices[corner]
    uv = torch.zeros(len(vertices), 2)
    rows = len(cameras) // COLUMNS
    for i in range(len(cameras)):
        mine = view == i
        x, y, _ = _project(vertices[mine], cameras[i])
        inside = [(side.clamp(0, TEXTURE_SIZE - 1) + 0.5) / TEXTURE_SIZE for side in (x, y)]
        uv[mine, 0] = (i % COLUMNS + inside[0]) / COLUMNS
        uv[mine, 1] = 1 - (i // COLUMNS + inside[1]) / rows
    return vertices.numpy(), index.numpy(), uv.numpy()


def _picture(gaussians: Gaussians, camera: Cameras) -> np.ndarray:
    """The head's own colours, spread a little over the background so that none of it shows at the edges. uint8 (H, W, 3)."""
    seen = render(gaussians, camera, background=0.0)
    rgb, alpha = seen.rgb.clamp(0, 1), seen.alpha
    for window in (5, 31):
        spread, share = _blur(rgb, window), _blur(alpha, window)
        rgb = torch.where(alpha > 0.98, rgb, rgb + (1 - alpha) * spread / share.clamp_min(1e-4))
        alpha = torch.where(share > 1e-3, 1.0, alpha)
    return (rgb[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def _blur(image: Tensor, window: int) -> Tensor:
    half = window // 2
    return avg_pool2d(avg_pool2d(image, (1, window), 1, (0, half)), (window, 1), 1, (half, 0))


def _atlas(pictures: list[np.ndarray]) -> Image.Image:
    """The pictures in rows, as a JPEG (the format an opened picture has is the one it is stored in)."""
    rows = [np.concatenate(pictures[i : i + COLUMNS], 1) for i in range(0, len(pictures), COLUMNS)]
    data = io.BytesIO()
    Image.fromarray(np.concatenate(rows, 0)).save(data, "JPEG", quality=90)
    return Image.open(data)

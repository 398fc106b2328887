"""What surrounds the neck: shirt collars, roll necks, lapels, ties, hoods. Designed at rest, carried by the garment to the body."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import map_coordinates

from ...arrays import smoothstep
from ..scene import Mesh
from ..template import unit
from .appearance import Fabric
from .clothes import NECK_AXIS, NECK_AZIMUTHS, NECK_SHIFTS, Shell, cloth, collar_height, cut_from, panel
from .geometry import join, sheet, solid, tube

CHEST = np.array([0.0, -0.02, 0.48])  # well inside the body
NECK_UP = unit(np.array([0.0, -0.25, 1.0]))  # the neck leans forward


def neck_ring(shell: Shell, azimuth: np.ndarray, shift: float | np.ndarray = 0.0) -> np.ndarray:
    """Points at rest around the foot of the neck (azimuth 0 behind, radians), `shift` metres higher. Shape (A, 3)."""
    row = (np.broadcast_to(shift, len(azimuth)) - NECK_SHIFTS[0]) / (NECK_SHIFTS[1] - NECK_SHIFTS[0])
    column = (azimuth - NECK_AZIMUTHS[0]) / (NECK_AZIMUTHS[1] - NECK_AZIMUTHS[0])
    table = shell.part.neck
    return np.stack([map_coordinates(table[..., c], [row, column], order=1, mode="nearest") for c in range(3)], 1)


def stand(shell: Shell, azimuth: np.ndarray, shift: float, height: np.ndarray, slack: float) -> np.ndarray:
    """A ring `height` (A, 1) metres up the neck, `slack` metres off it. Shape (A, 3)."""
    foot, above = neck_ring(shell, azimuth, shift), neck_ring(shell, azimuth, shift + height[:, 0])
    return 0.75 * above + 0.25 * (foot + NECK_UP * height) + outward(foot) * slack


def drape(shell: Shell, start: np.ndarray, direction: np.ndarray, length, lift: float, rows: int = 6) -> list[np.ndarray]:
    """Rows of points that follow the body's surface from `start` (A, 3) along `direction`."""
    path = [start]
    for _ in range(rows):
        path.append(shell.snap(path[-1] + direction * (length / rows), lift))
    return path[1:]


def outward(ring: np.ndarray) -> np.ndarray:
    """Horizontal directions away from the neck. Shape (A, 3)."""
    return unit((ring - [*NECK_AXIS, 0]) * [1, 1, 0])


def frontness(azimuth: np.ndarray, width: float = 0.55) -> np.ndarray:
    """1 at the throat, 0 from the sides backward. Shape (A, 1)."""
    return np.exp(-(((np.pi - np.abs(azimuth)) / width) ** 2))[:, None]


def carried(shell: Shell, points: np.ndarray, fabric: Fabric, shade: float = 1.0, closed: bool = False) -> Mesh:
    """A sheet designed at rest, Shape (rows, columns, 3), as cloth on the body."""
    return cloth(sheet(shell.carry(points), closed, CHEST), *cut_from(fabric, points.reshape(-1, 3)), shade)


def rim(shell: Shell, path: np.ndarray, fabric: Fabric, radius: float, shade: float = 0.97) -> Mesh:
    """A rounded edge along points at rest (N, 3): gives cloth its thickness."""
    return cloth(tube(shell.carry(path), radius, sides=5), *cut_from(fabric, np.repeat(path, 5, 0)), shade)


def shirt_collar(shell: Shell, fabric: Fabric, gap: float, shift: float, rng: np.random.Generator) -> list[Mesh]:
    """A stand around the neck and a leaf folded over it, ending in two points. gap: radians from the throat to where it begins."""
    azimuth = np.linspace(-np.pi + gap, np.pi - gap, 73)
    ring, front = neck_ring(shell, azimuth, shift), frontness(azimuth)
    out = outward(ring)
    height = rng.uniform(0.024, 0.032) * (1 - 0.28 * front)
    leaf = height + rng.uniform(0.002, 0.009)
    point = rng.uniform(0.020, 0.033)  # how much longer the leaf is at its points
    spread = rng.uniform(0.7, 1.4) if gap < 0.1 else rng.uniform(0.4, 1.1)
    side = np.sign(azimuth)[:, None]
    tip = np.exp(-(((np.pi - gap - np.abs(azimuth)) / 0.42) ** 2))[:, None]
    down = unit(-NECK_UP + out * 0.55 + tip * (np.array([0, -0.15, 0]) + side * np.array([1.0, 0, 0]) * spread))
    slack = rng.uniform(0.0015, 0.005)
    foot = 0.028 * (1 - tip) + 0.001  # reaches under the shirt, except where an open collar would show it
    inner = [shell.snap(ring + (out * 0.4 - NECK_UP) * foot, 0.0035 - 0.006 * (1 - tip[:, 0]))]
    inner += [stand(shell, azimuth, shift, height * t, slack + 0.0025) for t in (0.5, 0.92)]
    fold = inner[2] + NECK_UP * 0.0025 + out * 0.003
    start = inner[2] + out * 0.0065
    rows = [*inner, fold]
    for t in np.linspace(0.05, 1, 6):
        fallen = start + down * (leaf + point * tip) * t + out * 0.004 * np.sin(np.pi * t)
        rows.append(shell.clear(fallen, 0.0035 + 0.0045 * t, 0.030 - 0.019 * t))
    points = np.stack(rows)
    outline = np.concatenate([points[3:, 0], points[-1, 1:-1], points[3:, -1][::-1]])
    meshes = [carried(shell, points, fabric), rim(shell, outline, fabric, 0.0009)]
    if gap < 0.1:  # the stand's outer side shows between the points
        meshes.append(carried(shell, np.stack([p + out * 0.001 for p in [inner[0] - NECK_UP * 0.004, *inner[1:]]]), fabric))
    return meshes


def placket(shell: Shell, inside, fabric: Fabric, depth: float, buttons: bool) -> list[Mesh]:
    """The strip down the chest where a shirt closes; a tie hides its buttons."""

    def strip(rest):
        return np.minimum(np.minimum(inside(rest), 0.0145 - np.abs(rest[:, 0])), np.where(rest[:, 1] < -0.02, 1.0, -1.0))

    mesh, _, _ = panel(shell, strip, fabric, 0.0016, 0.97)
    if not buttons:
        return [mesh]
    below = 0.548 - depth - 0.02
    heights = below - 0.075 * np.arange(3)
    middle = shell.snap(np.stack([0 * heights, np.full(3, -0.1), heights], 1), 0.004)
    return [mesh, solid(join([disc(p) for p in shell.carry(middle)]), (0.75, 0.73, 0.7), 0.6, 0.4)]


def disc(center: np.ndarray, radius: float = 0.0048, facing=(0.0, -0.85, 0.35)):
    path = center + np.linspace(-0.0012, 0.0012, 4)[:, None] * unit(np.asarray(facing))
    return tube(path, radius * np.array([0.02, 1.0, 0.95, 0.02]), sides=12, up=(1.0, 0.1, 0.0))


def roll_neck(shell: Shell, fabric: Fabric, rng: np.random.Generator) -> list[Mesh]:
    """A tube of knit around the neck, folded over itself."""
    azimuth = np.linspace(-np.pi, np.pi, 80, endpoint=False)
    ring = neck_ring(shell, azimuth, -0.004)
    out, front = outward(ring), frontness(azimuth, 0.9)
    height = rng.uniform(0.038, 0.052) * (1 - 0.12 * front)
    fall = height * rng.uniform(0.75, 1.0)
    slack = rng.uniform(0.001, 0.004)
    wave = 0.0012 * np.sin(azimuth * 5 + rng.uniform(0, 6))[:, None] + 0.0009 * np.sin(azimuth * 11 + rng.uniform(0, 6))[:, None]
    rows = [stand(shell, azimuth, -0.004, height * t, 0.003 + slack) for t in (-0.2, 0.5, 0.94)]
    rows.append(rows[-1] + NECK_UP * 0.003 + out * 0.0035)
    top = rows[2] + out * 0.0075
    for t in np.linspace(0.0, 1, 7):
        rows.append(shell.clear(top - NECK_UP * fall * t + out * (0.0025 * np.sin(np.pi * t) + 0.010 * t**2), 0.008) + out * wave * t)
    return [carried(shell, np.stack(rows), fabric, closed=True), rim(shell, np.r_[rows[-1], rows[-1][:1]], fabric, 0.0022, 1.0)]


def jacket_opening(button: float, width: float):
    """Front of a jacket: open above `button` (height at rest) down to which it narrows from `width` at the neck."""

    def inside(rest):
        x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        front = smoothstep(0.0, -0.035, y)
        half = front_edge(z, button, width)
        back = collar_height(rest) - 0.006 - z
        return np.where(front > 0, np.minimum(back + 0.02 * front, (x - half) * front + (1 - front) * 0.05), back)

    return inside


def front_edge(z, button: float, width: float):
    """Half the width of a jacket's opening at height z: it hugs the neck above and closes at the button."""
    t = np.clip((z - button) / (0.57 - button), 0, 1.15)
    return 0.004 + (width - 0.004) * t**1.15


def lapels(shell: Shell, fabric: Fabric, button: float, width: float, rng: np.random.Generator) -> list[Mesh]:
    """The folded fronts of a jacket, with a notch, and the collar that joins them behind the neck."""
    broad = rng.uniform(0.055, 0.085)
    notch = rng.uniform(0.475, 0.505)
    z = np.r_[np.linspace(button, notch, 26), np.linspace(notch + 0.002, 0.556, 10)]
    grown = smoothstep(button, button + 0.09, z) * (0.55 + 0.45 * smoothstep(button, notch, z)) * broad
    wide = np.where(z <= notch, grown, broad * 0.80 * (1 - 0.35 * (z - notch) / (0.556 - notch)))
    meshes = []
    for side in (1, -1):
        edge = np.stack([side * front_edge(z, button, width), np.full(len(z), -0.10), z], 1)
        rows = []
        for t in np.linspace(0, 1, 8):
            across = edge + np.stack([side * wide * t, 0 * z, wide * t * np.where(z <= notch, 0.22, -0.05)], 1)
            rows.append(shell.snap(across, 0.0022 + 0.0045 * np.sqrt(t) - 0.002 * t))
        points = np.stack(rows)
        roll = shell.snap(edge, -0.004)
        points = np.concatenate([roll[None], points])
        meshes += [carried(shell, points, fabric, 0.98), rim(shell, points[-1], fabric, 0.0011)]
    return meshes + jacket_collar(shell, fabric)


def jacket_collar(shell: Shell, fabric: Fabric) -> list[Mesh]:
    azimuth = np.linspace(-2.3, 2.3, 64)
    ring = neck_ring(shell, azimuth, -0.006)
    out = outward(ring)
    behind = np.exp(-((azimuth / 1.6) ** 4))[:, None]
    rise = 0.020 * behind
    rows = [shell.snap(ring + out * 0.012 - NECK_UP * 0.03, -0.003), shell.clear(ring - NECK_UP * 0.006, 0.003)]
    rows.append(shell.clear(ring + NECK_UP * rise, 0.007))
    top = rows[-1]
    rows.append(top + NECK_UP * 0.002 + out * 0.003)
    rows.append(shell.clear(top + out * 0.005 - NECK_UP * 0.008, 0.008))
    rows += drape(shell, rows[-1], unit(out - NECK_UP), 0.042, 0.007)
    points = np.stack(rows)
    return [carried(shell, points, fabric, 0.98), rim(shell, points[-1], fabric, 0.0011)]


def tie(shell: Shell, fabric: Fabric, rng: np.random.Generator) -> list[Mesh]:
    """A knot under the collar and the blade below it."""
    top = 0.566
    knot = rng.uniform(0.015, 0.020)  # half its width
    z = np.linspace(top, top - 0.046, 8)
    half = knot * np.interp(np.linspace(0, 1, 8), [0, 0.25, 0.8, 1], [0.75, 1.0, 0.72, 0.6])
    t = np.linspace(-1, 1, 9)
    bulge = np.sin(np.linspace(0.25, np.pi * 0.85, 8))[:, None]
    rows = np.stack([half[:, None] * t, np.full((8, 9), -0.1), np.repeat(z[:, None], 9, 1)], 2)
    lift = 0.007 + 0.011 * np.sqrt(np.clip(1 - t**2, 0, 1)) * (0.4 + 0.6 * bulge)
    meshes = [carried(shell, shell.snap(rows, lift), fabric)]
    z = np.linspace(top - 0.034, 0.16, 22)
    half = np.interp(z, [0.16, top - 0.10, top - 0.034], [0.042, 0.026, knot * 0.5])
    rows = np.stack([half[:, None] * t, np.full((22, 9), -0.12), np.repeat(z[:, None], 9, 1)], 2)
    dimple = 0.003 * np.exp(-((t / 0.3) ** 2)) * smoothstep(top - 0.10, top - 0.05, z)[:, None]
    meshes.append(carried(shell, shell.snap(rows, 0.0075 + 0.002 * (1 - t**2) - dimple), fabric))
    return meshes


def hood(shell: Shell, fabric: Fabric, rng: np.random.Generator) -> list[Mesh]:
    """A hood lying on the back, its opening round the neck, and two strings."""
    azimuth = np.linspace(-np.pi + 0.18, np.pi - 0.18, 81)
    ring = neck_ring(shell, azimuth, -0.010)
    out, behind = outward(ring), np.exp(-((azimuth / 1.25) ** 2))[:, None]
    height = 0.016 + 0.026 * behind**0.5
    thick = 0.012 + 0.030 * behind
    fall = 0.022 + rng.uniform(0.05, 0.085) * behind
    crease = 0.004 * np.sin(azimuth * 4 + rng.uniform(0, 6))[:, None] + 0.0025 * np.sin(azimuth * 9 + rng.uniform(0, 6))[:, None]
    rows = [shell.clear(ring - NECK_UP * 0.01, 0.004), shell.clear(ring + NECK_UP * height * 0.6 + out * 0.006, 0.008)]
    lip = shell.clear(ring + NECK_UP * height + out * (0.011 + 0.012 * behind), 0.010)
    rows.append(lip)
    for t in np.linspace(0.12, 1, 9):
        bow = out * (thick * np.sin(np.pi * t**0.75) + 0.035 * t * (0.35 + behind)) - np.array([0, 0, 1]) * fall * (
            t - 0.12 * np.sin(np.pi * t)
        )
        rows.append(shell.clear(lip + bow + out * crease * np.sin(np.pi * t), 0.003 + 0.006 * (1 - t)))
    rows.append(shell.snap(rows[-1], -0.002))
    points = np.stack(rows)
    meshes = [carried(shell, points, fabric)]
    for side in (1, -1):
        z = np.linspace(0.535, 0.535 - rng.uniform(0.09, 0.14), 14)
        path = np.stack([side * (0.024 + 0.004 * np.sin(np.linspace(0, 2, 14))), np.full(14, -0.1), z], 1)
        meshes.append(cloth(tube(shell.carry(shell.snap(path, 0.005)), 0.0022, sides=6), fabric, np.repeat(path, 6, 0), 0.9))
    return meshes

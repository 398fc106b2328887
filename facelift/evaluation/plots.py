"""Small plots as SVG text: readable in a diff, sharp on a page, no plotting package."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 60, 46, 34, 16


def by_angle(points: list[tuple[float, float]], title: str, unit: str, bin_width: float = 15.0) -> str:
    """Dots of (degrees from the front, value) and the mean of each bin of angles as a line."""
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    low, high = _nice(y.min(), y.max())

    def place(a: float, v: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * a / 180, TOP + (HEIGHT - TOP - BOTTOM) * (high - v) / (high - low)

    bins = np.floor(np.minimum(x, 179.99) / bin_width)
    means = [(float(x[bins == b].mean()), float(y[bins == b].mean())) for b in np.unique(bins)]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>')
    for value in np.linspace(low, high, 6):
        _, py = place(0, value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for angle in range(0, 181, 30):
        px, _ = place(angle, low)
        parts.append(f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{angle}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 10}" text-anchor="middle">degrees from the front camera ({unit})</text>')
    parts += ['<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="#4477aa" fill-opacity="0.35"/>'.format(*place(*p)) for p in points]
    line = " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in means)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#bb3322" stroke-width="2"/></svg>')
    return "\n".join(parts) + "\n"


def _nice(low: float, high: float) -> tuple[float, float]:
    """Limits with a little room, never equal."""
    room = max(0.05 * (high - low), 1e-3 * max(abs(high), 1.0))
    return low - room, high + room

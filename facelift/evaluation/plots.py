"""Small plots as SVG text: readable in a diff, sharp on a page, no plotting package."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 60, 46, 34, 16  # pixels
BIN = 15.0  # degrees


def by_angle(points: list[tuple[float, float]], title: str) -> str:
    """Dots of (degrees from the front, value), and as a line their means around every multiple of `BIN` degrees."""
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    ticks, last = round_ticks(y.min(), y.max()), 30 * max(1, int(np.ceil(x.max() / 30 - 1e-3)))
    low, high = ticks[0], ticks[-1]

    def place(a: float, v: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * a / last, TOP + (HEIGHT - TOP - BOTTOM) * (high - v) / (high - low)

    bins = np.round(x / BIN)
    means = [(float(x[bins == b].mean()), float(y[bins == b].mean())) for b in np.unique(bins)]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>')
    for value in ticks:
        _, py = place(0, value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{value:.6g}</text>')
    for angle in range(0, last + 1, 30):
        px, _ = place(angle, low)
        parts.append(f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{angle}</text>')
    below = f"degrees from the front camera; {len(points)} views, line: mean of those within {BIN / 2:g} degrees"
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{below}</text>')
    parts += ['<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="#4477aa" fill-opacity="0.35"/>'.format(*place(*p)) for p in points]
    line = " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in means)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#bb3322" stroke-width="2"/></svg>')
    return "\n".join(parts) + "\n"


def round_ticks(low: float, high: float) -> list[float]:
    """Four to nine numbers at steps of 1, 2 or 5 times a power of ten, from one at or below `low` to one at or above `high`."""
    gap = max(high - low, 1e-3 * max(abs(high), 1.0)) / 5
    power = 10.0 ** np.floor(np.log10(gap))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= gap * (1 - 1e-9))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [round(float(step * i), 10) for i in np.arange(first, max(last, first + 1) + 1)]

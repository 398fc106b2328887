"""Growth as SVG text: time above, memory below, a panel for each axis, both scales logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable

PANEL_WIDTH, PANEL_HEIGHT, LEFT, TOP, GAP = 200, 150, 62, 40, 62  # pixels
COLOURS = {"unet": "#4477aa", "gslrm": "#bb3322", "frame": "#228844"}
Curves = dict[tuple[str, str], list[tuple[float, float, int | None]]]  # by stage and axis: value, seconds, bytes


def growth_plot(curves: Curves) -> str:
    axes = list(dict.fromkeys(axis for _, axis in curves))
    width, height = LEFT + len(axes) * (PANEL_WIDTH + GAP), TOP + 2 * (PANEL_HEIGHT + GAP) - 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    stages = list(dict.fromkeys(stage for stage, _ in curves))
    for i, stage in enumerate(stages):
        parts.append(f'<text x="{LEFT + 70 * i}" y="20" font-size="13" fill="{COLOURS[stage]}">{stage}</text>')
    for column, axis in enumerate(axes):
        of_axis = {stage: points for (stage, at), points in curves.items() if at == axis}
        for row, unit in enumerate(("ms", "MiB")):
            lines = {stage: scaled(points, unit) for stage, points in of_axis.items()}
            lines = {stage: points for stage, points in lines.items() if points}
            if lines:
                parts += panel(lines, axis, unit, LEFT + column * (PANEL_WIDTH + GAP), TOP + row * (PANEL_HEIGHT + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def scaled(points: Iterable[tuple[float, float, int | None]], unit: str) -> list[tuple[float, float]]:
    """Milliseconds or MiB; without what was not measured."""
    amounts = ((value, 1000 * seconds if unit == "ms" else (size or 0) / 2**20) for value, seconds, size in points)
    return [(value, amount) for value, amount in amounts if amount > 0]


def panel(lines: dict[str, list[tuple[float, float]]], axis: str, unit: str, x0: float, y0: float) -> list[str]:
    values = sorted({value for points in lines.values() for value, _ in points})
    found = [amount for points in lines.values() for _, amount in points]
    low, high = decades(min(found), max(found))
    wide = math.log(values[-1] / values[0]) or 1.0

    def place(value: float, amount: float) -> tuple[float, float]:
        x = x0 + PANEL_WIDTH * math.log(value / values[0]) / wide
        return x, y0 + PANEL_HEIGHT * (high - math.log10(amount)) / (high - low)

    parts = [f'<rect x="{x0}" y="{y0}" width="{PANEL_WIDTH}" height="{PANEL_HEIGHT}" fill="none" stroke="#bbb"/>']
    for decade in range(low, high + 1):
        _, y = place(values[0], 10.0**decade)
        parts.append(f'<line x1="{x0}" x2="{x0 + PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x0 - 4}" y="{y + 4:.1f}" text-anchor="end">{10.0**decade:g}{f" {unit}" if decade == high else ""}</text>')
    for value in values:
        x, _ = place(value, 10.0**low)
        parts.append(f'<text x="{x:.1f}" y="{y0 + PANEL_HEIGHT + 14}" text-anchor="middle">{short(value)}</text>')
    parts.append(f'<text x="{x0 + PANEL_WIDTH / 2}" y="{y0 + PANEL_HEIGHT + 28}" text-anchor="middle">{axis}</text>')
    for stage, points in lines.items():
        dots = [place(*point) for point in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[stage]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[stage]}"/>' for x, y in dots]
    return parts


def decades(least: float, most: float) -> tuple[int, int]:
    """Whole powers of ten around what was found, at least one apart."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return low, max(high, low + 1)


def short(value: float) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"

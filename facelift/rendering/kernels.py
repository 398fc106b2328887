"""Compiled loops of the CPU renderer: bin splats to tiles, blend them, and the gradient of the blending.

A splat is a row (u, v, a, b, c, opacity, red, green, blue): its centre in pixels, the inverse covariance [[a, b], [b, c]], and what it
paints. Every tile is worked on by one thread in a fixed order, so the result does not depend on
the number of threads.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..compiled import compiled

TILE = 16  # pixels; part of the rules, since the 3 sigma cut works on whole tiles
MAX_ALPHA = np.float32(0.99)
MIN_ALPHA = np.float32(1 / 255)
MIN_TRANSMITTANCE = np.float32(1e-4)
LARGE = 16  # tiles: boxes of more are cut to the tiles that their splat can reach


@compiled()
def _ellipse(splat, box, ellipse):
    """Fills (A, B, C, AC - BB, R) such that a pixel at (dx, dy) from the centre is passed over by `blend`, rounding included, unless
    A dx dx + 2 B dx dy + C dy dy <= R. R is infinite where the box is small or nothing can be said.
    """
    x0, x1, y0, y1 = box
    ellipse[4] = np.inf
    if ((x1 - 1) // TILE - x0 // TILE + 1) * ((y1 - 1) // TILE - y0 // TILE + 1) <= LARGE:
        return
    u, v, a, b, c = np.float64(splat[0]), np.float64(splat[1]), np.float64(splat[2]), np.float64(splat[3]), np.float64(splat[4])
    # Single precision can make the form of a long splat indefinite, and each term of its value wrong by a few units in the last place.
    # A little of the unit form makes it definite again; what that and the rounding can amount to within the box is added to the limit.
    unit = 2.0**-22 * (a + c)
    furthest = max(abs(x0 - u), abs(x1 - u)) ** 2 + max(abs(y0 - v), abs(y1 - v)) ** 2
    limit = math.log(np.float64(splat[5]) / MIN_ALPHA) + 2e-3 + 2.0**-20 * (a + c) * furthest
    ellipse[0], ellipse[1], ellipse[2] = a + unit, b, c + unit
    ellipse[3] = ellipse[0] * ellipse[2] - b * b
    if ellipse[0] > 0 and ellipse[2] > 0 and ellipse[3] > 0 and limit > 0:  # false also for what is not a number
        ellipse[4] = 2 * limit


@compiled()
def _columns(splat, box, ellipse, row):
    """The tiles first, last + 1 of a row of tiles that a splat may paint."""
    x0, x1, y0, y1 = box
    if ellipse[4] == np.inf:
        return x0 // TILE, (x1 - 1) // TILE + 1
    a, b, c, det, r = ellipse
    u, v = np.float64(splat[0]), np.float64(splat[1])
    end = math.sqrt(r * a / det)
    low, high = max(-end, max(y0, row * TILE) - v), min(end, min(y1, (row + 1) * TILE) - 1 - v)
    if low > high:
        return 0, 0
    at = b / c * math.sqrt(r * c / det)  # the ellipse is widest to the left there, to the right at -at
    left, right = min(high, max(low, at)), min(high, max(low, -at))
    first = u + (-b * left - math.sqrt(max(0.0, r * a - det * left * left))) / a - 1
    last = u + (-b * right + math.sqrt(max(0.0, r * a - det * right * right))) / a + 1
    if not (first < x1 and last >= x0):
        return 0, 0
    return int(max(first, x0)) // TILE, int(min(last, x1 - 1)) // TILE + 1


@compiled()
def bin_tiles(splats, boxes, order, width, height, most):
    """Lists the splats of each tile, in the given order.

    boxes: Shape (N, 4). Pixels x0, x1, y0, y1 a splat may paint, ends excluded.
    order: Shape (M,), those to draw, nearest first.
    most: ids at most.
    Returns offsets (tiles + 1,) and ids (offsets[-1],): tile t holds ids[offsets[t]:offsets[t + 1]]. A tile that a splat cannot change
    does not list it. Where there would be more than `most` ids, there are none, and offsets[-1] is more than `most`.
    """
    columns, rows = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    offsets = np.zeros(columns * rows + 1, np.int64)
    ellipse = np.empty(5)
    total = 0
    for k in order:
        x0, x1, y0, y1 = boxes[k]
        if x0 < x1 and y0 < y1:
            _ellipse(splats[k], boxes[k], ellipse)
            for row in range(y0 // TILE, (y1 - 1) // TILE + 1):
                first, end = _columns(splats[k], boxes[k], ellipse, row)
                for column in range(first, end):
                    offsets[row * columns + column + 1] += 1
                total += end - first
        if total > most:
            offsets[-1] = total
            return offsets, np.empty(0, np.int32)
    offsets = np.cumsum(offsets)
    ids = np.empty(offsets[-1], np.int32)
    fill = offsets[:-1].copy()
    for k in order:
        x0, x1, y0, y1 = boxes[k]
        if x0 < x1 and y0 < y1:
            _ellipse(splats[k], boxes[k], ellipse)
            for row in range(y0 // TILE, (y1 - 1) // TILE + 1):
                first, end = _columns(splats[k], boxes[k], ellipse, row)
                for column in range(first, end):
                    tile = row * columns + column
                    ids[fill[tile]] = k
                    fill[tile] += 1
    return offsets, ids


@compiled(parallel=True)
def blend(splats, boxes, offsets, ids, width, height):
    """Blends front to back.

    splats: Shape (N, 9), as above.
    boxes, offsets, ids: as of `bin_tiles`.
    Returns image (H, W, 4): colour, not yet on a background, and the transmittance that is left; and last (H, W): one past the place in
    `ids` of the last splat that counted.
    """
    columns = (width + TILE - 1) // TILE
    image = np.zeros((height, width, 4), np.float32)
    last = np.zeros((height, width), np.int32)
    for tile in numba.prange(len(offsets) - 1):
        left, top = tile % columns * TILE, tile // columns * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        live = np.ones((TILE, TILE), np.bool_)
        open_pixels = (right - left) * (bottom - top)
        for y in range(top, bottom):
            for x in range(left, right):
                image[y, x, 3] = 1
        for j in range(offsets[tile], offsets[tile + 1]):
            k = ids[j]
            u, v, a, b, c, opacity, red, green, blue = splats[k]
            faintest = np.log(opacity / MIN_ALPHA) + np.float32(1e-3)  # saves exp() where alpha is surely below the limit
            for y in range(max(boxes[k, 2], top), min(boxes[k, 3], bottom)):
                dy = np.float32(y) - v
                for x in range(max(boxes[k, 0], left), min(boxes[k, 1], right)):
                    dx = np.float32(x) - u
                    power = np.float32(0.5) * (a * dx * dx + c * dy * dy) + b * dx * dy
                    if power > faintest or power < 0 or not live[y - top, x - left]:
                        continue
                    alpha = min(MAX_ALPHA, opacity * np.exp(-power))
                    if alpha < MIN_ALPHA:
                        continue
                    before = image[y, x, 3]
                    after = before * (1 - alpha)
                    if after < MIN_TRANSMITTANCE:
                        live[y - top, x - left] = False
                        open_pixels -= 1
                        continue
                    weight = before * alpha
                    image[y, x, 0] += weight * red
                    image[y, x, 1] += weight * green
                    image[y, x, 2] += weight * blue
                    image[y, x, 3] = after
                    last[y, x] = j + 1
            if open_pixels == 0:
                break
    return image, last


@compiled(parallel=True)
def blend_backward(splats, boxes, offsets, ids, width, height, image, last, grad_image):
    """Gradient of `blend` by a walk from back to front.

    image, last: what it returned.
    grad_image: Shape (H, W, 4).
    Returns Shape (len(ids), 9): for each splat of each tile.
    """
    columns = (width + TILE - 1) // TILE
    grads = np.zeros((len(ids), 9), np.float32)
    for tile in numba.prange(len(offsets) - 1):
        left, top = tile % columns * TILE, tile // columns * TILE
        right, bottom = min(left + TILE, width), min(top + TILE, height)
        transmittance = np.empty((TILE, TILE), np.float32)  # behind the splat at hand
        behind = np.empty((TILE, TILE), np.float32)  # what lies behind it, times the picture's gradient
        end = offsets[tile]
        for y in range(top, bottom):
            for x in range(left, right):
                transmittance[y - top, x - left] = image[y, x, 3]
                behind[y - top, x - left] = image[y, x, 3] * grad_image[y, x, 3]
                end = max(end, last[y, x])
        for j in range(end - 1, offsets[tile] - 1, -1):
            k = ids[j]
            u, v, a, b, c, opacity, red, green, blue = splats[k]
            faintest = np.log(opacity / MIN_ALPHA) + np.float32(1e-3)
            zero = np.float32(0)
            du, dv, da, db, dc, d_opacity, d_red, d_green, d_blue = zero, zero, zero, zero, zero, zero, zero, zero, zero
            for y in range(max(boxes[k, 2], top), min(boxes[k, 3], bottom)):
                dy = np.float32(y) - v
                for x in range(max(boxes[k, 0], left), min(boxes[k, 1], right)):
                    dx = np.float32(x) - u
                    power = np.float32(0.5) * (a * dx * dx + c * dy * dy) + b * dx * dy
                    if power > faintest or power < 0 or j >= last[y, x]:
                        continue
                    falloff = np.exp(-power)
                    alpha = min(MAX_ALPHA, opacity * falloff)
                    if alpha < MIN_ALPHA:
                        continue
                    passed = 1 / (1 - alpha)
                    before = transmittance[y - top, x - left] * passed
                    transmittance[y - top, x - left] = before
                    weight = before * alpha
                    g_red, g_green, g_blue = grad_image[y, x, 0], grad_image[y, x, 1], grad_image[y, x, 2]
                    shade = red * g_red + green * g_green + blue * g_blue
                    d_alpha = before * shade - behind[y - top, x - left] * passed
                    behind[y - top, x - left] += weight * shade
                    d_red += weight * g_red
                    d_green += weight * g_green
                    d_blue += weight * g_blue
                    if opacity * falloff > MAX_ALPHA:
                        continue
                    d_opacity += d_alpha * falloff
                    d_power = -d_alpha * alpha
                    du -= d_power * (a * dx + b * dy)
                    dv -= d_power * (c * dy + b * dx)
                    da += d_power * np.float32(0.5) * dx * dx
                    db += d_power * dx * dy
                    dc += d_power * np.float32(0.5) * dy * dy
            grads[j, 0], grads[j, 1], grads[j, 2], grads[j, 3], grads[j, 4] = du, dv, da, db, dc
            grads[j, 5], grads[j, 6], grads[j, 7], grads[j, 8] = d_opacity, d_red, d_green, d_blue
    return grads


@compiled()
def sum_over_tiles(grads, ids, count):
    """Adds the gradients of a splat's tiles. Returns Shape (count, 9)."""
    total = np.zeros((count, 9), np.float32)
    for j in range(len(ids)):
        for channel in range(9):
            total[ids[j], channel] += grads[j, channel]
    return total

"""SuperSplat's compressed PLY: positions, scales and colours by their place in the range of their chunk, in 11, 10 and 11 bits or 8 each.

Written from its public description: an element `chunk` of ranges, one for 256 vertices of four packed words, and `sh` of bytes.
"""

from __future__ import annotations

import numpy as np

from ..errors import SplatFileError
from ..gaussians import SH_C0
from .coding import Arrays, from_largest_and_others, largest_and_others, logit_of_byte, near_each_other, sigmoid, to_bytes, unit
from .ply import decode_ply, harmonic_columns, harmonics_of, ply_header, read_header, table

PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
CHUNK = 256  # vertices that share a row of ranges
RANGED = (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
HARMONIC_STEP = 8 / 256  # of coefficients in -4 to 4


def encode_compressed_ply(arrays: Arrays) -> bytes:
    """16 bytes a Gaussian, in an order of its own; and one for each harmonic above the constant."""
    arrays = arrays.at(near_each_other(arrays.means))
    values = (arrays.means, arrays.scales.clip(-20, 20), SH_C0 * arrays.sh0 + 0.5)  # huge ranges would cost the others their bits
    lows, highs, shares = zip(*(_ranges(part.astype(np.float64)) for part in values), strict=True)
    largest, others = largest_and_others(unit(arrays.quats))
    a, b, c = np.rint((others / 2**0.5 + 0.5) * 1023).clip(0, 1023).astype(np.uint32).T
    color = to_bytes(np.concatenate([shares[2], sigmoid(arrays.opacities)[:, None]], 1) * 255).astype(np.uint32)
    words = [_words(shares[0]), largest.astype(np.uint32) << 30 | a << 20 | b << 10 | c, _words(shares[1])]
    words.append(color[:, 0] << 24 | color[:, 1] << 16 | color[:, 2] << 8 | color[:, 3])
    chunks = np.concatenate([part for pair in zip(lows, highs, strict=True) for part in pair], 1).astype("<f4")
    names = [end + name for names in RANGED for end in ("min_", "max_") for name in names]
    elements = {"chunk": (len(chunks), [("float", name) for name in names]), "vertex": (len(largest), [("uint", name) for name in PACKED])}
    body = chunks.tobytes() + np.stack(words, 1).astype("<u4").tobytes()
    if (rest := harmonic_columns(arrays.shN)) is not None:
        elements["sh"] = len(rest), [("uchar", f"f_rest_{i}") for i in range(rest.shape[1])]
        body += np.floor(rest / HARMONIC_STEP + 128).clip(0, 255).astype(np.uint8).tobytes()
    return ply_header(elements) + body


def decode_any_ply(data: bytes, most: int) -> Arrays:
    """A PLY of Gaussians, compressed or not. Raises SplatFileError, BudgetError."""
    header = read_header(data)
    names = header.elements["vertex"].record.names or () if "vertex" in header.elements else ()
    if "chunk" not in header.elements or not all(name in names for name in PACKED):
        return decode_ply(data, most)
    packed, chunks = table(data, header, "vertex", most), table(data, header, "chunk", most)
    if len(chunks) * CHUNK < len(packed):
        raise SplatFileError(f"is cut short: {len(packed)} Gaussians need {-(-len(packed) // CHUNK)} chunks, {len(chunks)} are there")
    row = np.arange(len(packed)) // CHUNK

    def ranged(share: np.ndarray, names: tuple[str, str, str]) -> np.ndarray:
        if missing := [end + name for name in names for end in ("min_", "max_") if end + name not in (chunks.dtype.names or ())]:
            raise SplatFileError(f"is a compressed PLY whose chunks have no {', '.join(missing)}")
        low, high = (np.stack([chunks[end + name] for name in names], 1)[row].astype(np.float64) for end in ("min_", "max_"))
        return low + share * (high - low)

    position, rotation, scale, color = (packed[name].astype(np.uint32) for name in PACKED)
    rgb = np.stack([color >> 24, color >> 16 & 255, color >> 8 & 255], 1) / 255.0
    if "min_r" in (chunks.dtype.names or ()):  # older files have no range of colours
        rgb = ranged(rgb, RANGED[2])
    others = np.stack([rotation >> 20 & 1023, rotation >> 10 & 1023, rotation & 1023], 1) / 1023.0
    quats = from_largest_and_others((rotation >> 30).astype(np.int64), (others - 0.5) * 2**0.5)
    shN = harmonics_of(rows) if "sh" in header.elements and len(rows := table(data, header, "sh", most)) == len(packed) else None
    if shN is not None:
        shN = (shN + 0.5) * HARMONIC_STEP - 4
    opacities = logit_of_byte((color & 255).astype(np.float64))
    return Arrays(ranged(_shares(position), RANGED[0]), quats, ranged(_shares(scale), RANGED[1]), opacities, (rgb - 0.5) / SH_C0, shN)


def _ranges(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least and greatest values of each chunk, Shape (chunks, 3), as floats keep them, and where between them values lie, Shape (N, 3)."""
    if not len(values):
        return values, values, values
    starts = np.arange(0, len(values), CHUNK)
    low = np.minimum.reduceat(values, starts).astype("<f4").astype(np.float64)
    high = np.maximum.reduceat(values, starts).astype("<f4").astype(np.float64)
    row = np.arange(len(values)) // CHUNK
    return low, high, ((values - low[row]) / np.maximum(high - low, 1e-9)[row]).clip(0, 1)


def _words(share: np.ndarray) -> np.ndarray:
    a, b, c = np.rint(share * (2047, 1023, 2047)).astype(np.uint32).T
    return a << 21 | b << 11 | c


def _shares(words: np.ndarray) -> np.ndarray:
    return np.stack([(words >> 21) / 2047, (words >> 11 & 1023) / 1023, (words & 2047) / 2047], 1)

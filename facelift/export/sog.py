"""SOG files: a ZIP of meta.json and lossless WEBP pictures with one pixel a Gaussian, as PlayCanvas's public description has them.

Positions have 16 bits on a logarithmic scale, rotations 26, sizes and colours a place in a list of 256 values; harmonics
above the constant one are rows of a palette.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib

import numpy as np
from PIL import Image

from ..errors import BudgetError, SplatFileError
from ..harmonics import COUNTS
from .coding import (
    Arrays,
    from_largest_and_others,
    largest_and_others,
    logit_of_byte,
    near_each_other,
    seen,
    sigmoid,
    to_bytes,
    unit,
    within,
)  # fmt: skip

META = "meta.json"
LARGEST_META = 2**20  # bytes: it has some 20,000
CODES = 256
ROOT = 2**0.5
PALETTE, PALETTE_ROUNDS, PALETTE_ROW = 4096, 5, 64  # rows of harmonics at most (65,536 may be); of Lloyd's algorithm; in a row of pixels
# What packages raise at archives, JSON and pictures that are damaged; RuntimeError at passwords.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, KeyError, IndexError, TypeError, ValueError, OverflowError, OSError, EOFError, SyntaxError, RuntimeError
)  # fmt: skip
DATE = (1980, 1, 1, 0, 0, 0)  # the same Gaussians give the same bytes


def encode_sog(arrays: Arrays) -> bytes:
    """Some 14 bytes a Gaussian, in an order of its own."""
    arrays = arrays.at(near_each_other(arrays.means))
    count = len(arrays.means)
    logarithms = np.sign(arrays.means) * np.log1p(np.abs(arrays.means.astype(np.float64)))
    low, high = (logarithms.min(0), logarithms.max(0)) if count else (np.zeros(3), np.zeros(3))
    steps = np.rint((logarithms - low) / np.maximum(high - low, 1e-12) * 65535).astype(np.uint16)
    largest, others = largest_and_others(unit(arrays.quats))
    quats = np.concatenate([to_bytes((others / ROOT + 0.5) * 255), (252 + largest)[:, None].astype(np.uint8)], 1)
    sizes, scales = _coded(arrays.scales)
    colours, rgb = _coded(arrays.sh0)
    pictures = {
        "means_l": steps & 255, "means_u": steps >> 8, "quats": quats, "scales": scales,
        "sh0": np.concatenate([rgb, to_bytes(sigmoid(arrays.opacities) * 255)[:, None]], 1),
    }  # fmt: skip
    meta: dict[str, object] = {
        "version": 2, "asset": {"generator": "FaceLift"}, "count": count,
        "means": {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": sizes, "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": colours, "files": ["sh0.webp"]},
    }  # fmt: skip
    files = {f"{name}.webp": _picture(pixels.astype(np.uint8)) for name, pixels in pictures.items()}
    if arrays.shN is not None:
        bands = COUNTS.index(arrays.shN.shape[1])
        palette, labels = _palette(arrays.shN.reshape(count, -1))
        values, codes = _coded(palette)
        rows = codes.reshape(-1, PALETTE_ROW * COUNTS[bands], 3)
        files["shN_centroids.webp"] = _webp(rows)
        files["shN_labels.webp"] = _picture(np.stack([labels & 255, labels >> 8, 0 * labels], 1).astype(np.uint8))
        names = ["shN_centroids.webp", "shN_labels.webp"]
        meta["shN"] = {"count": len(palette), "bands": bands, "codebook": values, "files": names}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in {META: json.dumps(meta).encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), data)
    return packed.getvalue()


def decode_sog(data: bytes, most: int) -> Arrays:
    """Raises SplatFileError, BudgetError."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        meta = json.loads(_member(archive, META, LARGEST_META))
    except DAMAGE as error:
        if isinstance(error, SplatFileError):
            raise
        raise SplatFileError(f"is not a SOG file, or is damaged{seen(data) if data[:2] != b'PK' else ''}") from None
    version = meta.get("version") if isinstance(meta, dict) else None
    if version != 2:
        raise SplatFileError(f"is a SOG file of version {version if version is not None else 1}; version 2 is read")
    try:
        return _decode(archive, meta, most)
    except DAMAGE as error:
        if isinstance(error, (SplatFileError, BudgetError)):
            raise
        raise SplatFileError("is a damaged SOG file: its meta.json and pictures do not fit together") from None


def _decode(archive: zipfile.ZipFile, meta: dict, most: int) -> Arrays:
    count = int(meta["count"])
    within(most, count)

    def pixels(name: str, which: int = 0) -> np.ndarray:
        return _read_picture(archive, meta[name]["files"][which], count)

    def decoded(codes: np.ndarray, name: str) -> np.ndarray:
        return np.array(meta[name]["codebook"], np.float64)[codes[:, :3]]

    low, high = (np.array(meta["means"][end], np.float64).reshape(3) for end in ("mins", "maxs"))
    steps = pixels("means")[:, :3].astype(np.float64) + 256.0 * pixels("means", 1)[:, :3]
    logarithms = low + steps / 65535 * (high - low)
    quats, colours, scales = pixels("quats"), pixels("sh0"), pixels("scales")
    if (quats[:, 3] < 252).any():
        raise SplatFileError("is a SOG file whose rotations are packed in a way that is not known here")
    others = (quats[:, :3] / 255.0 - 0.5) * ROOT
    shN = None
    if "shN" in meta:
        coefficients, labels = COUNTS[int(meta["shN"]["bands"])], pixels("shN", 1)
        rows = _read_picture(archive, meta["shN"]["files"][0], -(-int(meta["shN"]["count"]) // PALETTE_ROW) * PALETTE_ROW * coefficients)
        palette = decoded(rows, "shN").reshape(-1, coefficients, 3).astype(np.float32)
        shN = palette[labels[:, 0].astype(np.int64) + 256 * labels[:, 1].astype(np.int64)]
    return Arrays(
        np.sign(logarithms) * np.expm1(np.abs(logarithms)), from_largest_and_others(quats[:, 3].astype(np.int64) - 252, others),
        decoded(scales, "scales"), logit_of_byte(colours[:, 3].astype(np.float64)), decoded(colours, "sh0"), shN,
    )  # fmt: skip


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Raises SplatFileError where it is not there, or is larger than `most` bytes."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise SplatFileError(f"is a ZIP archive but not a SOG file: it has no {name}") from None
    if info.file_size > most:
        raise SplatFileError(f"is not a SOG file, or is damaged: its {name} is too large")
    return archive.read(info)


def _read_picture(archive: zipfile.ZipFile, name: str, count: int) -> np.ndarray:
    """The first pixels of a picture, in RGBA. Shape (count, 4). Its size is looked at before it is decoded."""
    picture = Image.open(io.BytesIO(_member(archive, name, 8 * count + LARGEST_META)))
    if not count <= picture.width * picture.height <= 2 * count + 2**16:
        raise SplatFileError(f"is a damaged SOG file: {name} has {picture.width * picture.height} pixels, not {count}")
    return np.asarray(picture.convert("RGBA")).reshape(-1, 4)[:count]


def _picture(pixels: np.ndarray) -> bytes:
    """Shape (N, 3 or 4) -> a picture of at least N pixels, nearly square."""
    width = 4 * max(1, int(np.ceil(len(pixels) ** 0.5 / 4)))
    height = 4 * max(1, -(-len(pixels) // (4 * width)))
    filled = np.zeros((width * height, pixels.shape[1]), np.uint8)
    filled[: len(pixels)] = pixels
    return _webp(filled.reshape(height, width, -1))


def _webp(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, quality=75, method=4)
    return file.getvalue()


def _coded(values: np.ndarray) -> tuple[list[float], np.ndarray]:
    """256 numbers, ascending, and the nearest of them for each value, uint8 of its shape: Lloyd's algorithm from a start between even
    steps and even shares."""
    ordered = np.sort(values.reshape(-1).astype(np.float64))
    if not len(ordered):
        return [0.0] * CODES, values.astype(np.uint8)
    span = max(ordered[-1] - ordered[0], 1e-12)
    spread = (np.linspace(0, 1, len(ordered)) + (ordered - ordered[0]) / span) / 2
    codes = np.interp((np.arange(CODES) + 0.5) / CODES, spread, ordered)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(8):
        ends = np.concatenate([[0], np.searchsorted(ordered, (codes[1:] + codes[:-1]) / 2), [len(ordered)]])
        counts = np.diff(ends)
        codes = np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), codes)
    return codes.tolist(), np.searchsorted((codes[1:] + codes[:-1]) / 2, values.astype(np.float64)).astype(np.uint8)


def _palette(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand for many, Shape (K, D), K a multiple of 1024, and the nearest for each of N, Shape (N, D): Lloyd's algorithm."""
    size = min(PALETTE, 1024 * max(1, -(-len(values) // 2048)))
    values = values.astype(np.float32)
    rows = values[np.linspace(0, len(values) - 1, size).astype(int)]
    if len(values) <= size:
        return np.concatenate([values, np.zeros((size - len(values), values.shape[1]), np.float32)]), np.arange(len(values))
    labels = _nearest(values, rows)
    for _ in range(PALETTE_ROUNDS):
        counts = np.bincount(labels, minlength=size)
        sums = np.stack([np.bincount(labels, column, size) for column in values.T], 1)
        rows = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], rows).astype(np.float32)
        labels = _nearest(values, rows)
    return rows, labels


def _nearest(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    lengths = (rows**2).sum(1) / 2
    return np.concatenate([(part @ rows.T - lengths).argmax(1) for part in np.array_split(values, 1 + len(values) // 2048)])

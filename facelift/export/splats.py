"""Splat files: .ply (exact), and small ones: .compressed.ply, .splat, .spz and .sog.

All formats keep the axes of the PLY: z up, subject facing -y. (Some other SPZ writers turn the scene half a turn about x; ours, like
gsply, does not.) Colour that depends on the view is kept by all but .splat, which has no place for it.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..errors import BudgetError, SplatFileError
from ..gaussians import PARTS, SH_C0, Gaussians
from .coding import Arrays, logit_of_byte, seen, sigmoid, to_bytes, unit, within
from .compressed_ply import decode_any_ply, encode_compressed_ply
from .ply import LARGEST_HEADER, encode_ply
from .sog import decode_sog, encode_sog
from .spz import VERSION, decode_spz, encode_spz

MOST_GAUSSIANS = 10_000_000  # of one file: more than any captured scene; decoding takes some 300 bytes each, 500 with harmonics
LARGEST_RECORD = 256  # bytes of a Gaussian in a file: 248 with all harmonics as floats
SPLAT_RECORD = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quats", "u1", 4)])  # 32 bytes
Format = tuple[Callable[[Arrays], bytes], Callable[[bytes, int], Arrays]]  # how it is written and read


def save_splats(gaussians: Gaussians, path: str | Path, comment: str | None = None, spz_version: int = VERSION) -> Path:
    """Writes the format of the suffix and returns the path. Raises SplatFileError for a suffix that is none of `FORMATS`.

    comment: one line kept in the header of a .ply; the other formats have no place for it, and it raises ValueError there.
    spz_version: of a .spz: 2, 3 or 4.
    """
    path = Path(path)
    encode, _ = FORMATS[format_of(path)]
    data = encode_spz(_arrays(gaussians), spz_version) if encode is encode_spz else encode(_arrays(gaussians))
    if comment is not None:
        if encode is not encode_ply or not comment.isprintable():
            raise ValueError("only a .ply keeps a comment, of one line")
        data = data.replace(b"\nelement", f"\ncomment {comment}\nelement".encode("ascii", "replace"), 1)
    path.write_bytes(data)
    return path


def load_splats(path: str | Path, most: int = MOST_GAUSSIANS) -> Gaussians:
    """Reads .ply (3DGS files, binary or ASCII, other column orders and extra columns are fine; SuperSplat's compressed ones), .splat,
    .spz (versions 2 to 4) or .sog (version 2).

    most: Gaussians that are read. Counts are believed only as far as the bytes are there; no more is decompressed than they ask for.
    Raises SplatFileError for an unknown suffix or a file that is not what its suffix says, BudgetError for more than `most`, and
    FileNotFoundError. What is not a regular file is not opened.
    """
    path = Path(path)
    _, decode = FORMATS[format_of(path)]
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SplatFileError("is not a file")
        within(most, max(0, found.st_size - LARGEST_HEADER) // LARGEST_RECORD)
        arrays = decode(path.read_bytes(), most)
    except (SplatFileError, BudgetError) as error:
        raise type(error)(f"{path.name} {error}") from None
    *parts, shN = (None if a is None else torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays)
    return replace(Gaussians(*(part for part in parts if part is not None)), shN=shN)


def format_of(path: Path) -> str:
    """The key of `FORMATS` that a file is named by. Raises SplatFileError."""
    name = path.name.lower()
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return suffix
    raise SplatFileError(f"{path.name}: unknown splat format {path.suffix or '(no suffix)'!r}; use {', '.join(FORMATS)}")


def _arrays(gaussians: Gaussians) -> Arrays:
    g = gaussians.detach().to("cpu", torch.float32)
    return Arrays(*(getattr(g, name).numpy() for name in PARTS))._replace(shN=None if g.shN is None else g.shN.numpy())


# .splat: records of 32 bytes, the most visible first, no header


def _encode_splat(arrays: Arrays) -> bytes:
    means, quats, scales, opacities, sh0, _ = arrays
    alpha = sigmoid(opacities)
    order = np.argsort(-np.exp(scales.sum(1, dtype=np.float64)) * alpha, kind="stable")
    records = np.empty(len(means), SPLAT_RECORD)
    records["means"], records["scales"] = means, np.exp(scales)
    records["rgba"] = to_bytes(np.concatenate([SH_C0 * sh0 + 0.5, alpha[:, None]], 1) * 255)
    records["quats"] = to_bytes(unit(quats) * 128 + 128)
    return records[order].tobytes()


def _decode_splat(data: bytes, most: int) -> Arrays:
    if not data or len(data) % SPLAT_RECORD.itemsize:
        raise SplatFileError(f"is not a .splat file{seen(data) or ', or is cut short: its size is not a multiple of 32 bytes'}")
    within(most, len(data) // SPLAT_RECORD.itemsize)
    records = np.frombuffer(data, SPLAT_RECORD)
    if not (np.isfinite(records["means"]).all() and np.isfinite(records["scales"]).all() and (records["scales"] >= 0).all()):
        raise SplatFileError(f"is not a .splat file{seen(data) or ': its numbers make no sense'}")
    rgba, quats = records["rgba"].astype(np.float64), records["quats"].astype(np.float64)
    scales = np.log(records["scales"].clip(1e-12))
    sh0 = (rgba[:, :3] / 255 - 0.5) / SH_C0
    return Arrays(records["means"], unit((quats - 128) / 128), scales, logit_of_byte(rgba[:, 3]), sh0)


FORMATS: dict[str, Format] = {
    ".ply": (encode_ply, decode_any_ply),
    ".splat": (_encode_splat, _decode_splat),
    ".spz": (encode_spz, decode_spz),
    ".sog": (encode_sog, decode_sog),
    ".compressed.ply": (encode_compressed_ply, decode_any_ply),
}

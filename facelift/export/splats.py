"""Splat files: .ply (exact), .splat and .spz (small, for the page).

All formats keep the world axes of the PLY: z up, subject facing -y. (Some other SPZ writers turn the scene half a turn about x; ours, like
gsply, does not.) Only the constant spherical harmonic is written, and read: a file with view-dependent colour loses that part.
"""

from __future__ import annotations

import gzip
import re
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from ..errors import BudgetError, SplatFileError
from ..gaussians import SH_C0, Gaussians

MOST_GAUSSIANS = 10_000_000  # of one file: more than any captured scene; decoding takes some 300 bytes each
LARGEST_RECORD = 256  # bytes of a Gaussian in a file: 248 with all harmonics as floats
LARGEST_HEADER = 65536  # bytes: a PLY of Gaussians has some 1500
DEFLATE_RATIO = 1032  # at most as many bytes come out of one (zlib.net/zlib_tech.html)
SPARE = 65536  # bytes an SPZ stream may hold beyond what its header says
PLY_VALUES = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
PLY_RGB = ("red", "green", "blue")
PLY_COLUMNS = (*PLY_VALUES[:3], *PLY_RGB, *PLY_VALUES[3:])  # kit, section 3.5, without the 45 zero columns: 59 bytes a Gaussian
PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8"},
}
SPLAT_RECORD = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quats", "u1", 4)])  # 32 bytes
SPZ_MAGIC, SPZ_VERSION, SPZ_FRACTION_BITS, SPZ_COLOR = 0x5053474E, 3, 12, 0.15
SPZ_SH_VALUES = (0, 9, 24, 45)  # bytes of higher harmonics per Gaussian, by degree
OTHER_THREE = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])  # the components of a quaternion but one


def save_splats(gaussians: Gaussians, path: str | Path, comment: str | None = None) -> Path:
    """Writes .ply, .splat or .spz by the suffix and returns the path. Raises SplatFileError for any other suffix.

    comment: one line kept in the header of a .ply; the other formats have no place for it, and it raises ValueError there.
    """
    path = Path(path)
    encode, _ = _format(path)
    data = encode(*_arrays(gaussians))
    if comment is not None:
        if encode is not _encode_ply or not comment.isprintable():
            raise ValueError("only a .ply keeps a comment, of one line")
        data = data.replace(b"\nelement", f"\ncomment {comment}\nelement".encode("ascii", "replace"), 1)
    path.write_bytes(data)
    return path


def load_splats(path: str | Path, most: int = MOST_GAUSSIANS) -> Gaussians:
    """Reads .ply (any binary 3DGS file: other column orders and extra columns are fine), .splat or .spz (version 2 or 3).

    most: Gaussians that are read. Counts are believed only as far as the bytes are there; no more is decompressed than they ask for.
    Raises SplatFileError for an unknown suffix or a file that is not what its suffix says, BudgetError for more than `most`, and
    FileNotFoundError. What is not a regular file is not opened.
    """
    path = Path(path)
    _, decode = _format(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SplatFileError("is not a file")
        _within(most, max(0, found.st_size - LARGEST_HEADER) // LARGEST_RECORD)
        arrays = decode(path.read_bytes(), most)
    except (SplatFileError, BudgetError) as error:
        raise type(error)(f"{path.name} {error}") from None
    return Gaussians(*(torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays))


def _format(path: Path):
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise SplatFileError(f"{path.name}: unknown splat format {path.suffix or '(no suffix)'!r}; use {', '.join(FORMATS)}") from None


def _within(most: int, count: int) -> None:
    if count > most:
        raise BudgetError(f"holds {count:,} Gaussians or more; at most {most:,} are read")


def _arrays(gaussians: Gaussians) -> tuple[np.ndarray, ...]:
    """means, quats, scales, opacities, sh0 as float32."""
    parts = (gaussians.means, gaussians.quats, gaussians.scales, gaussians.opacities, gaussians.sh0)
    return tuple(t.detach().float().cpu().numpy() for t in parts)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def _logit_of_byte(byte: np.ndarray) -> np.ndarray:
    alpha = byte.clip(0.5, 254.5) / 255  # the middle of what rounds to 0 and to 255, so that the logit is finite
    return np.log(alpha / (1 - alpha))


def _unit(quats: np.ndarray) -> np.ndarray:
    return quats / np.linalg.norm(quats, axis=1, keepdims=True).clip(1e-12)


# .ply


def _encode_ply(means, quats, scales, opacities, sh0) -> bytes:
    table = np.empty(len(means), [(name, "u1" if name in PLY_RGB else "<f4") for name in PLY_COLUMNS])
    for name, column in zip(PLY_VALUES, np.concatenate([means, sh0, opacities[:, None], scales, quats], 1).T, strict=True):
        table[name] = column
    rgb = ((np.float32(SH_C0) * sh0 + np.float32(0.5)) * 255).clip(0, 255).astype(np.uint8)  # fraction dropped, as in the release
    for name, column in zip(PLY_RGB, rgb.T, strict=True):
        table[name] = column
    properties = [f"property {'uchar' if name in PLY_RGB else 'float'} {name}" for name in PLY_COLUMNS]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(means)}", *properties, "end_header", ""]
    return "\n".join(header).encode() + table.tobytes()


def _decode_ply(data: bytes, most: int) -> tuple[np.ndarray, ...]:
    count, record, start = _read_ply_header(data)
    if missing := [name for name in PLY_VALUES if name not in (record.names or ())]:
        raise SplatFileError(f"is a PLY but not of Gaussians: it has no {', '.join(missing)}")
    if start > len(data) or len(data) - start < count * record.itemsize:
        raise SplatFileError(f"is cut short: {count} Gaussians announced, {max(0, len(data) - start) // record.itemsize} there")
    _within(most, count)
    table = np.frombuffer(data, record, count, start)
    columns = np.stack([table[name].astype(np.float32) for name in PLY_VALUES], 1)
    return columns[:, :3], columns[:, 10:], columns[:, 7:10], columns[:, 6], columns[:, 3:6]


def _read_ply_header(data: bytes) -> tuple[int, np.dtype, int]:
    """How many vertices, the layout of one, and where the first begins."""
    header = re.match(rb"ply\s.*?\nend_header[ \r]*\n", data[:LARGEST_HEADER], re.DOTALL)
    if not header:
        raise SplatFileError("is not a PLY file")
    form = re.search(r"^format (\w+)", text := header[0].decode("ascii", "replace"), re.MULTILINE)
    order = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(form[1] if form else "")
    if order is None:
        raise SplatFileError(f"is a PLY of format {form[1] if form else 'unknown'}; only binary PLY files are read")
    start = header.end()
    for name, count, properties in re.findall(r"^element (\w+) (\d{1,12})\s*\n((?:property .*\n|comment .*\n)*)", text, re.MULTILINE):
        fields = re.findall(r"^property (\w+) (\S+)", properties, re.MULTILINE)
        if not fields or any(kind not in PLY_TYPES for kind, _ in fields) or len({name for _, name in fields}) < len(fields):
            raise SplatFileError(f"is a PLY whose {name} element has properties that Gaussians do not have")
        record = np.dtype([(name, order + PLY_TYPES[kind]) for kind, name in fields])
        if name == "vertex":
            return int(count), record, start
        start += int(count) * record.itemsize
    raise SplatFileError("is a PLY without vertices")


# .splat: records of 32 bytes, the most visible first, no header


def _encode_splat(means, quats, scales, opacities, sh0) -> bytes:
    alpha = _sigmoid(opacities)
    order = np.argsort(-np.exp(scales.sum(1, dtype=np.float64)) * alpha, kind="stable")
    records = np.empty(len(means), SPLAT_RECORD)
    records["means"], records["scales"] = means, np.exp(scales)
    records["rgba"] = _to_bytes(np.concatenate([SH_C0 * sh0 + 0.5, alpha[:, None]], 1) * 255)
    records["quats"] = _to_bytes(_unit(quats) * 128 + 128)
    return records[order].tobytes()


def _decode_splat(data: bytes, most: int) -> tuple[np.ndarray, ...]:
    if not data or len(data) % SPLAT_RECORD.itemsize:
        raise SplatFileError("is not a .splat file, or is cut short: its size is not a multiple of 32 bytes")
    _within(most, len(data) // SPLAT_RECORD.itemsize)
    records = np.frombuffer(data, SPLAT_RECORD)
    if not (np.isfinite(records["means"]).all() and np.isfinite(records["scales"]).all() and (records["scales"] >= 0).all()):
        raise SplatFileError("is not a .splat file: its numbers make no sense")
    rgba, quats = records["rgba"].astype(np.float64), records["quats"].astype(np.float64)
    scales = np.log(records["scales"].clip(1e-12))
    return records["means"], _unit((quats - 128) / 128), scales, _logit_of_byte(rgba[:, 3]), (rgba[:, :3] / 255 - 0.5) / SH_C0


# .spz version 3: a gzip stream of a 16-byte header and one block per attribute


def _encode_spz(means, quats, scales, opacities, sh0) -> bytes:
    limit = 2**23 - 1
    positions = np.rint(means.astype(np.float64) * 2**SPZ_FRACTION_BITS).clip(-limit, limit).astype("<i4")
    blocks = (
        positions[..., None].view(np.uint8)[..., :3],  # 24 bits
        _to_bytes(_sigmoid(opacities) * 255),
        _to_bytes(sh0 * (SPZ_COLOR * 255) + 127.5),
        _to_bytes((scales + 10) * 16),
        smallest_three(_unit(quats)[:, [1, 2, 3, 0]]),
    )
    header = struct.pack("<IIIBBBB", SPZ_MAGIC, SPZ_VERSION, len(means), 0, SPZ_FRACTION_BITS, 0, 0)
    return gzip.compress(header + b"".join(block.tobytes() for block in blocks), 6, mtime=0)


def smallest_three(quats: np.ndarray) -> np.ndarray:
    """Unit quaternions x, y, z, w in 32 bits: which component is largest (2), then the others' signs and 9-bit sizes."""
    largest = np.abs(quats).argmax(1)
    quats = quats * np.where(np.take_along_axis(quats, largest[:, None], 1) < 0, -1, 1)
    others = np.take_along_axis(quats, OTHER_THREE[largest], 1)
    sizes = np.rint(np.abs(others) * (511 * 2**0.5)).clip(0, 511).astype(np.uint32)
    fields = (others < 0).astype(np.uint32) << 9 | sizes
    return (largest.astype(np.uint32) << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]).astype("<u4")


def from_smallest_three(packed: np.ndarray) -> np.ndarray:
    fields = np.stack([packed >> 20, packed >> 10, packed], 1) & 1023
    others = (fields & 511) / (511 * 2**0.5) * np.where(fields >> 9, -1, 1)
    quats = np.zeros((len(packed), 4))
    largest = (packed >> 30).astype(np.int64)
    np.put_along_axis(quats, OTHER_THREE[largest], others, 1)
    np.put_along_axis(quats, largest[:, None], np.sqrt((1 - (others**2).sum(1, keepdims=True)).clip(0)), 1)
    return quats


def _unpack_spz(packed: bytes, most: int) -> tuple[int, int, int, bytes]:
    """Version, count, fraction bits and blocks of an SPZ file; nothing is decompressed beyond what its header announces."""
    stream = zlib.decompressobj(wbits=31)  # gzip
    try:
        header = stream.decompress(packed, 16)
        if len(header) < 16 or struct.unpack_from("<I", header)[0] != SPZ_MAGIC:
            raise SplatFileError("is not an SPZ file")
        version, count, degree, fraction_bits = struct.unpack_from("<IIBB", header, 4)
        if version not in (2, 3) or degree > 3:
            raise SplatFileError(f"is an SPZ file of version {version}, degree {degree}; versions 2 and 3 up to degree 3 are read")
        size = count * ((20 if version == 3 else 19) + SPZ_SH_VALUES[degree])
        if size > DEFLATE_RATIO * len(packed):
            raise SplatFileError("is cut short")
        _within(most, count)
        blocks = stream.decompress(stream.unconsumed_tail, size) if size else b""
        rest = stream.decompress(stream.unconsumed_tail, SPARE)  # to the checksum
    except zlib.error:
        raise SplatFileError("is not an SPZ file of version 2 or 3, or is damaged") from None
    if len(blocks) < size or (not stream.eof and len(rest) < SPARE):
        raise SplatFileError("is cut short")
    if not stream.eof:
        raise SplatFileError("holds more than its header says")
    return version, count, fraction_bits, blocks


def _decode_spz(data: bytes, most: int) -> tuple[np.ndarray, ...]:
    version, count, fraction_bits, data = _unpack_spz(data, most)
    sizes = (9, 1, 3, 3, 4 if version == 3 else 3)
    starts = count * np.cumsum((0, *sizes))
    positions, alphas, colors, scales, quats = (
        np.frombuffer(data, np.uint8, count * size, start).reshape(count, size) for size, start in zip(sizes, starts, strict=False)
    )
    words = np.zeros((count, 3, 4), np.uint8)
    words[..., 1:] = positions.reshape(count, 3, 3)  # in the upper bytes, so that the sign comes along
    means = words.view("<i4")[..., 0] / 2.0 ** (8 + fraction_bits)
    if version == 3:
        quats = from_smallest_three(quats.copy().view("<u4")[:, 0])
    else:
        xyz = quats / 127.5 - 1
        quats = np.concatenate([xyz, np.sqrt((1 - (xyz**2).sum(1, keepdims=True)).clip(0))], 1)
    sh0 = (colors / 255.0 - 0.5) / SPZ_COLOR
    return means, quats[:, [3, 0, 1, 2]], scales / 16.0 - 10, _logit_of_byte(alphas[:, 0].astype(np.float64)), sh0


FORMATS = {".ply": (_encode_ply, _decode_ply), ".splat": (_encode_splat, _decode_splat), ".spz": (_encode_spz, _decode_spz)}

"""SPZ files: a gzip stream of a 16-byte header and one block per attribute. Versions 2 and 3 differ in how they keep rotations."""

from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np

from ..errors import SplatFileError
from .coding import Arrays, logit_of_byte, sigmoid, to_bytes, unit, within

DEFLATE_RATIO = 1032  # at most as many bytes come out of one (zlib.net/zlib_tech.html)
SPARE = 65536  # bytes an SPZ stream may hold beyond what its header says
SPZ_MAGIC, SPZ_VERSION, SPZ_VERSIONS, SPZ_FRACTION_BITS, SPZ_COLOR = 0x5053474E, 3, (2, 3), 12, 0.15
SPZ_SH_VALUES = (0, 9, 24, 45)  # bytes of higher harmonics per Gaussian, by degree
OTHER_THREE = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])  # the components of a quaternion but one


def encode_spz(
    means: np.ndarray, quats: np.ndarray, scales: np.ndarray, opacities: np.ndarray, sh0: np.ndarray, version: int = SPZ_VERSION
) -> bytes:
    """version: 2, which every reader knows, with rotations in 24 bits; or 3, with 32."""
    if version not in SPZ_VERSIONS:
        raise SplatFileError(f"SPZ version {version} cannot be written; {' and '.join(map(str, SPZ_VERSIONS))} can")
    limit = 2**23 - 1
    positions = np.rint(means.astype(np.float64) * 2**SPZ_FRACTION_BITS).clip(-limit, limit).astype("<i4")
    xyzw = unit(quats)[:, [1, 2, 3, 0]]
    blocks = (
        positions[..., None].view(np.uint8)[..., :3],  # 24 bits
        to_bytes(sigmoid(opacities) * 255),
        to_bytes(sh0 * (SPZ_COLOR * 255) + 127.5),
        to_bytes((scales + 10) * 16),
        smallest_three(xyzw) if version == 3 else to_bytes((xyzw[:, :3] * np.where(xyzw[:, 3:] < 0, -1, 1) + 1) * 127.5),
    )
    header = struct.pack("<IIIBBBB", SPZ_MAGIC, version, len(means), 0, SPZ_FRACTION_BITS, 0, 0)
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
    if packed[:4] == struct.pack("<I", SPZ_MAGIC) and len(packed) >= 8:  # newer than the gzip stream
        version = struct.unpack_from("<I", packed, 4)[0]
        raise SplatFileError(f"is an SPZ file of version {version}; versions 2 and 3 are read: save it as .ply or as an older .spz")
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
        within(most, count)
        blocks = stream.decompress(stream.unconsumed_tail, size) if size else b""
        rest = stream.decompress(stream.unconsumed_tail, SPARE)  # to the checksum
    except zlib.error:
        raise SplatFileError("is not an SPZ file of version 2 or 3, or is damaged") from None
    if len(blocks) < size or (not stream.eof and len(rest) < SPARE):
        raise SplatFileError("is cut short")
    if not stream.eof:
        raise SplatFileError("holds more than its header says")
    return version, count, fraction_bits, blocks


def decode_spz(data: bytes, most: int) -> Arrays:
    """Raises SplatFileError, BudgetError."""
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
    return means, quats[:, [3, 0, 1, 2]], scales / 16.0 - 10, logit_of_byte(alphas[:, 0].astype(np.float64)), sh0

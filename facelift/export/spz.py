"""SPZ files: attribute after attribute in a few bytes, as github.com/nianticlabs/spz describes them.

Versions 2 and 3 are one gzip stream, and differ in how they keep rotations; version 4 has the blocks of version 3 as zstd frames.
"""

from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np
from backports import zstd

from ..errors import SplatFileError
from ..harmonics import COUNTS
from .coding import Arrays, from_largest_and_others, largest_and_others, logit_of_byte, seen, sigmoid, to_bytes, unit, within

DEFLATE_RATIO = 1032  # at most as many bytes come out of one (zlib.net/zlib_tech.html)
SPARE = 65536  # bytes an SPZ stream may hold beyond what its header says
MAGIC, VERSION, VERSIONS, FRACTION_BITS, COLOR = b"NGSP", 3, (2, 3, 4), 12, 0.15
SH_VALUES = (0, 9, 24, 45, 72)  # bytes of higher harmonics per Gaussian, by degree
HEADER, HEADER_4 = "<4sIIBBBB", "<4sIIBBBBI12x"  # magic, version, count, degree of harmonics, fraction bits, flags; streams, their table
ZSTD_LEVEL = 12


def encode_spz(arrays: Arrays, version: int = VERSION) -> bytes:
    """version: 2, which every reader knows, with rotations in 24 bits; 3, with 32; or 4, newer programs' own, smaller."""
    if version not in VERSIONS:
        raise SplatFileError(f"SPZ version {version} cannot be written; {', '.join(map(str, VERSIONS))} can")
    limit = 2**23 - 1
    positions = np.rint(arrays.means.astype(np.float64) * 2**FRACTION_BITS).clip(-limit, limit).astype("<i4")
    xyzw = unit(arrays.quats)[:, [1, 2, 3, 0]]
    blocks = [
        positions[..., None].view(np.uint8)[..., :3],  # 24 bits
        to_bytes(sigmoid(arrays.opacities) * 255),
        to_bytes(arrays.sh0 * (COLOR * 255) + 127.5),
        to_bytes((arrays.scales + 10) * 16),
        smallest_three(xyzw) if version > 2 else to_bytes((xyzw[:, :3] * np.where(xyzw[:, 3:] < 0, -1, 1) + 1) * 127.5),
    ]
    degree = 0
    if arrays.shN is not None:
        degree = COUNTS.index(arrays.shN.shape[1])
        blocks.append(to_bytes(_coarse(arrays.shN * 128 + 128)))
    packed = [block.tobytes() for block in blocks]
    known = version, len(arrays.means), degree, FRACTION_BITS, 0
    if version < 4:
        return gzip.compress(struct.pack(HEADER, MAGIC, *known, 0) + b"".join(packed), 6, mtime=0)
    frames = [zstd.compress(block, ZSTD_LEVEL) for block in packed]
    sizes = [size for frame, block in zip(frames, packed, strict=True) for size in (len(frame), len(block))]
    head = struct.pack(HEADER_4, MAGIC, *known, len(frames), struct.calcsize(HEADER_4))
    return head + struct.pack(f"<{len(sizes)}Q", *sizes) + b"".join(frames)


def _coarse(values: np.ndarray) -> np.ndarray:
    """Harmonics, Shape (N, K, 3), in steps of 8 (degree 1) and 16, as other writers round them: it compresses well."""
    step = np.where(np.arange(values.shape[1]) < 3, 8.0, 16.0)[:, None]
    return np.floor(values / step + 0.5) * step


def smallest_three(quats: np.ndarray) -> np.ndarray:
    """Unit quaternions x, y, z, w in 32 bits: which component is largest (2), then the others' signs and 9-bit sizes."""
    largest, others = largest_and_others(quats)
    sizes = np.rint(np.abs(others) * (511 * 2**0.5)).clip(0, 511).astype(np.uint32)
    fields = (others < 0).astype(np.uint32) << 9 | sizes
    return (largest.astype(np.uint32) << 30 | fields[:, 0] << 20 | fields[:, 1] << 10 | fields[:, 2]).astype("<u4")


def from_smallest_three(packed: np.ndarray) -> np.ndarray:
    fields = np.stack([packed >> 20, packed >> 10, packed], 1) & 1023
    others = (fields & 511) / (511 * 2**0.5) * np.where(fields >> 9, -1, 1)
    return from_largest_and_others((packed >> 30).astype(np.int64), others)


def _unpacked(packed: bytes, most: int) -> tuple[int, int, int, int, bytes]:
    """Version, count, degree, fraction bits and blocks; nothing is decompressed beyond what the header announces."""
    if packed.startswith(MAGIC):
        return _unpacked_4(packed, most)
    if not packed.startswith(b"\x1f\x8b"):
        raise SplatFileError(f"is not an SPZ file{seen(packed)}")
    stream = zlib.decompressobj(wbits=31)  # gzip
    try:
        header = stream.decompress(packed, 16)
        if len(header) < 16 or not header.startswith(MAGIC):
            raise SplatFileError("is not an SPZ file: it is a gzip stream of something else")
        _, version, count, degree, fraction_bits, _, _ = struct.unpack(HEADER, header)
        if version not in (2, 3) or degree >= len(SH_VALUES):
            raise SplatFileError(_unknown(version, degree))
        size = count * ((20 if version == 3 else 19) + SH_VALUES[degree])
        if size > DEFLATE_RATIO * len(packed):
            raise SplatFileError("is cut short")
        within(most, count)
        blocks = stream.decompress(stream.unconsumed_tail, size) if size else b""
        rest = stream.decompress(stream.unconsumed_tail, SPARE)  # to the checksum
    except zlib.error:
        raise SplatFileError("is not an SPZ file, or is damaged") from None
    if len(blocks) < size or (not stream.eof and len(rest) < SPARE):
        raise SplatFileError("is cut short")
    if not stream.eof:
        raise SplatFileError("holds more than its header says")
    return version, count, degree, fraction_bits, blocks


def _unpacked_4(packed: bytes, most: int) -> tuple[int, int, int, int, bytes]:
    if len(packed) < struct.calcsize(HEADER_4):
        raise SplatFileError("is an SPZ file that is cut short")
    _, version, count, degree, fraction_bits, _, streams, start = struct.unpack_from(HEADER_4, packed)
    if version != 4 or degree >= len(SH_VALUES):
        raise SplatFileError(_unknown(version, degree))
    wanted = [count * size for size in (9, 1, 3, 3, 4, *([SH_VALUES[degree]] if degree else []))]
    if len(packed) < start + 16 * streams or streams < len(wanted):
        raise SplatFileError("is an SPZ file that is cut short")
    within(most, count)
    sizes, at, blocks = struct.unpack_from(f"<{2 * streams}Q", packed, start), start + 16 * streams, []
    for stored, announced, size in zip(sizes[::2], sizes[1::2], wanted, strict=False):
        frame, stream = packed[at : at + stored], zstd.ZstdDecompressor()
        try:
            if announced != size or zstd.get_frame_info(frame).decompressed_size not in (None, size):
                raise SplatFileError("is a damaged SPZ file: its streams do not have the lengths that its header asks for")
            block = stream.decompress(frame, size) if size else b""
            if len(block) < size or size and not stream.eof and stream.decompress(b"", 1):
                raise SplatFileError("is an SPZ file whose streams are cut short, or hold more than its header says")
        except zstd.ZstdError:
            raise SplatFileError("is a damaged SPZ file, or one that is cut short") from None
        blocks.append(block)
        at += stored
    return version, count, degree, fraction_bits, b"".join(blocks)


def _unknown(version: int, degree: int) -> str:
    return f"is an SPZ file of version {version}, degree {degree}; versions 2 to 4 up to degree 4 are read"


def decode_spz(data: bytes, most: int) -> Arrays:
    """Of harmonics of degree 4, which nothing here draws, degrees 1 to 3 are taken. Raises SplatFileError, BudgetError."""
    version, count, degree, fraction_bits, data = _unpacked(data, most)
    sizes = (9, 1, 3, 3, 4 if version > 2 else 3, SH_VALUES[degree])
    starts = count * np.cumsum((0, *sizes))
    positions, alphas, colors, scales, quats, rest = (
        np.frombuffer(data, np.uint8, count * size, start).reshape(count, size) for size, start in zip(sizes, starts, strict=False)
    )
    words = np.zeros((count, 3, 4), np.uint8)
    words[..., 1:] = positions.reshape(count, 3, 3)  # in the upper bytes, so that the sign comes along
    means = words.view("<i4")[..., 0] / 2.0 ** (8 + fraction_bits)
    if version > 2:
        quats = from_smallest_three(quats.copy().view("<u4")[:, 0])
    else:
        xyz = quats / 127.5 - 1
        quats = np.concatenate([xyz, np.sqrt((1 - (xyz**2).sum(1, keepdims=True)).clip(0))], 1)
    sh0 = (colors / 255.0 - 0.5) / COLOR
    shN = (rest.reshape(count, -1, 3)[:, : COUNTS[-1]].astype(np.float32) - 128) / 128 if degree else None
    opacities = logit_of_byte(alphas[:, 0].astype(np.float64))
    return Arrays(means, quats[:, [3, 0, 1, 2]], scales / 16.0 - 10, opacities, sh0, shN)

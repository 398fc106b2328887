"""PLY files of Gaussians: written as floats alone, read in any column order, binary or ASCII, and as SuperSplat compresses them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import SplatFileError
from ..gaussians import SH_C0
from .coding import Arrays, logit_of_byte, within

LARGEST_HEADER = 65536  # bytes: a PLY of Gaussians has some 1500
PLY_VALUES = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8"},
}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "<"}
PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")  # of a vertex, by SuperSplat
CHUNK = 256  # vertices that share a row of ranges there


@dataclass(frozen=True)
class Element:
    """A table of a PLY file. start: of its first row, in bytes; in ASCII in lines after the header."""

    name: str
    count: int
    record: np.dtype
    start: int


@dataclass(frozen=True)
class Header:
    """end: where the data begin, in bytes."""

    elements: dict[str, Element]
    ascii: bool
    end: int


def encode_ply(means: np.ndarray, quats: np.ndarray, scales: np.ndarray, opacities: np.ndarray, sh0: np.ndarray) -> bytes:
    """Floats alone, without the 45 zero columns: 56 bytes a Gaussian. Some readers refuse bytes among the columns."""
    table = np.concatenate([means, sh0, opacities[:, None], scales, quats], 1).astype("<f4")
    properties = [f"property float {name}" for name in PLY_VALUES]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(means)}", *properties, "end_header", ""]
    return "\n".join(header).encode() + table.tobytes()


def decode_ply(data: bytes, most: int) -> Arrays:
    """Raises SplatFileError, BudgetError."""
    header = _read_header(data)
    vertex = header.elements.get("vertex")
    if vertex is None:
        raise SplatFileError("is a PLY without vertices")
    names = vertex.record.names or ()
    if all(name in names for name in PACKED) and "chunk" in header.elements:
        return _decode_compressed(data, header, most)
    if missing := [name for name in PLY_VALUES if name not in names]:
        raise SplatFileError(f"is a PLY but not of Gaussians ({_what(header)}): it has no {', '.join(missing)}")
    table = _table(data, header, "vertex", most)
    columns = np.stack([table[name].astype(np.float32) for name in PLY_VALUES], 1)
    return columns[:, :3], columns[:, 10:], columns[:, 7:10], columns[:, 6], columns[:, 3:6]


def _what(header: Header) -> str:
    """What a PLY that holds no Gaussians seems to be."""
    return "a mesh" if "face" in header.elements else "a cloud of points"


def _read_header(data: bytes) -> Header:
    found = re.match(rb"ply\s.*?\nend_header[ \r]*\n", data[:LARGEST_HEADER], re.DOTALL)
    if not found:
        raise SplatFileError("is not a PLY file")
    form = re.search(r"^format (\w+)", text := found[0].decode("ascii", "replace"), re.MULTILINE)
    order = ORDERS.get(form[1] if form else "")
    if form is None or order is None:
        raise SplatFileError(f"is a PLY of format {form[1] if form else 'unknown'}, which PLY files do not have")
    is_ascii, elements = form[1] == "ascii", {}
    start: int | None = 0 if is_ascii else found.end()
    for name, digits, properties in re.findall(r"^element (\w+) (\d{1,12})\s*\n((?:property .*\n|comment .*\n)*)", text, re.MULTILINE):
        fields, count = re.findall(r"^property (\w+) (\S+)", properties, re.MULTILINE), int(digits)
        plain = fields and all(kind in PLY_TYPES for kind, _ in fields) and len({field for _, field in fields}) == len(fields)
        if name in ("vertex", "chunk") and (not plain or start is None):
            raise SplatFileError(f"is a PLY whose {name} element has properties that Gaussians do not have, or stands behind such a one")
        record = np.dtype([(field, order + PLY_TYPES[kind]) for kind, field in fields] if plain else [])
        elements[name] = Element(name, count, record, start or 0)
        if start is not None:  # lists have no fixed length, and nothing behind them a known place
            start = start + count * (1 if is_ascii else record.itemsize) if plain or is_ascii else None
    return Header(elements, is_ascii, found.end())


def _table(data: bytes, header: Header, name: str, most: int) -> np.ndarray:
    """The rows of an element. Memory is taken for no more than the file has bytes for."""
    element = header.elements[name]
    if header.ascii:
        within(most, min(element.count, len(data)))
        lines = data[header.end :].split(b"\n", element.start + element.count)[element.start : element.start + element.count]
        if len(lines) < element.count:
            raise SplatFileError(_cut_short(element.count, len(lines)))
        try:
            numbers = np.array(b" ".join(lines).split(), np.float64).reshape(element.count, len(element.record.names or ()))
        except ValueError:
            raise SplatFileError("is an ASCII PLY that is cut short, or whose rows do not have the columns announced") from None
        return np.rec.fromarrays(numbers.T, dtype=element.record)
    there = max(0, len(data) - element.start) // max(1, element.record.itemsize)
    if element.start > len(data) or there < element.count:
        raise SplatFileError(_cut_short(element.count, there))
    within(most, element.count)
    return np.frombuffer(data, element.record, element.count, element.start)


def _cut_short(announced: int, there: int) -> str:
    return f"is cut short: {announced} Gaussians announced, {there} there"


def _decode_compressed(data: bytes, header: Header, most: int) -> Arrays:
    """SuperSplat's: positions, scales and colours by their place in the range of their chunk, in 11, 10 and 11 bits or 8 each."""
    packed, chunks = _table(data, header, "vertex", most), _table(data, header, "chunk", most)
    if len(chunks) * CHUNK < len(packed):
        raise SplatFileError(f"is cut short: {len(packed)} Gaussians need {-(-len(packed) // CHUNK)} chunks, {len(chunks)} are there")
    row = np.arange(len(packed)) // CHUNK

    def ranged(share: np.ndarray, names: tuple[str, str, str]) -> np.ndarray:
        if missing := [end + name for name in names for end in ("min_", "max_") if end + name not in (chunks.dtype.names or ())]:
            raise SplatFileError(f"is a compressed PLY whose chunks have no {', '.join(missing)}")
        low, high = (np.stack([chunks[end + name] for name in names], 1)[row].astype(np.float64) for end in ("min_", "max_"))
        return low + share * (high - low)

    def three(words: np.ndarray) -> np.ndarray:
        return np.stack([(words >> 21) / 2047, (words >> 11 & 1023) / 1023, (words & 2047) / 2047], 1)

    position, rotation, scale, color = (packed[name].astype(np.uint32) for name in PACKED)
    rgb = np.stack([color >> 24, color >> 16 & 255, color >> 8 & 255], 1) / 255.0
    if "min_r" in (chunks.dtype.names or ()):  # older files have no range of colours
        rgb = ranged(rgb, ("r", "g", "b"))
    others = np.stack([rotation >> 20 & 1023, rotation >> 10 & 1023, rotation & 1023], 1) / 1023.0
    others = (others - 0.5) * 2**0.5
    largest, quats = (rotation >> 30).astype(int), np.zeros((len(packed), 4))
    places = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])[largest]
    np.put_along_axis(quats, places, others, 1)
    np.put_along_axis(quats, largest[:, None], np.sqrt((1 - (others**2).sum(1, keepdims=True)).clip(0)), 1)
    return (
        ranged(three(position), ("x", "y", "z")), quats, ranged(three(scale), ("scale_x", "scale_y", "scale_z")),
        logit_of_byte((color & 255).astype(np.float64)), (rgb - 0.5) / SH_C0,
    )  # fmt: skip

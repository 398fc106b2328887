"""PLY files of Gaussians: written as floats alone, read in any column order, binary or ASCII."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import SplatFileError
from ..harmonics import COUNTS
from .coding import Arrays, seen, within

LARGEST_HEADER = 65536  # bytes: a PLY of Gaussians has some 1500
PLY_VALUES = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8"},
}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "<"}


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


def encode_ply(arrays: Arrays) -> bytes:
    """Floats alone: 56 bytes a Gaussian, and more only where colour depends on the view. Some readers refuse bytes among the columns."""
    rest = harmonic_columns(arrays.shN)
    parts = [arrays.means, arrays.sh0, *([] if rest is None else [rest]), arrays.opacities[:, None], arrays.scales, arrays.quats]
    names = [*PLY_VALUES[:6], *(f"f_rest_{i}" for i in range(0 if rest is None else rest.shape[1])), *PLY_VALUES[6:]]
    header = ply_header({"vertex": (len(arrays.means), [("float", name) for name in names])})
    return header + np.concatenate(parts, 1).astype("<f4").tobytes()


def ply_header(elements: dict[str, tuple[int, list[tuple[str, str]]]]) -> bytes:
    """elements: by name, how many and (type, name) of the properties."""
    lines = ["ply", "format binary_little_endian 1.0"]
    for name, (count, properties) in elements.items():
        lines += [f"element {name} {count}", *(f"property {kind} {label}" for kind, label in properties)]
    return "\n".join([*lines, "end_header", ""]).encode()


def decode_ply(data: bytes, most: int) -> Arrays:
    """Raises SplatFileError, BudgetError."""
    header = read_header(data)
    names = header.elements["vertex"].record.names or () if "vertex" in header.elements else ()
    if missing := [name for name in PLY_VALUES if name not in names]:
        raise SplatFileError(f"is a PLY but not of Gaussians ({_what(header)}): it has no {', '.join(missing)}")
    rows = table(data, header, "vertex", most)
    columns = np.stack([rows[name].astype(np.float32) for name in PLY_VALUES], 1)
    return Arrays(columns[:, :3], columns[:, 10:], columns[:, 7:10], columns[:, 6], columns[:, 3:6], harmonics_of(rows))


def harmonic_columns(shN: np.ndarray | None) -> np.ndarray | None:
    """Coefficients as columns: all of red, then green, then blue."""
    return None if shN is None else shN.transpose(0, 2, 1).reshape(len(shN), -1)


def harmonics_of(rows: np.ndarray) -> np.ndarray | None:
    """The columns f_rest_0, f_rest_1 ... as coefficients, Shape (N, 3, 8 or 15, 3), as they stand; None where all are zero.

    Of degree 4, which nothing here draws, degrees 1 to 3 are taken.
    """
    count = sum(re.fullmatch(r"f_rest_\d+", name) is not None for name in rows.dtype.names or ())
    names = [f"f_rest_{i}" for i in range(count)]
    if not count or set(names) - set(rows.dtype.names or ()) or not any(rows[name].any() for name in names):
        return None
    if count not in [3 * k for k in (*COUNTS, 24)]:
        raise SplatFileError(f"is a PLY of Gaussians with {count} columns f_rest; 9, 24 or 45 make harmonics of degree 1, 2 or 3")
    values = np.stack([rows[name].astype(np.float32) for name in names], 1).reshape(len(rows), 3, -1)
    return values.transpose(0, 2, 1)[:, : COUNTS[-1]]


def _what(header: Header) -> str:
    """What a PLY that holds no Gaussians seems to be."""
    if "vertex" not in header.elements:
        return "without vertices"
    return "a mesh" if "face" in header.elements else "a cloud of points"


def read_header(data: bytes) -> Header:
    found = re.match(rb"ply\s.*?\nend_header[ \r]*\n", data[:LARGEST_HEADER], re.DOTALL)
    if not found:
        cut = data[:3] == b"ply"
        raise SplatFileError("is not a PLY file: its header is cut short or damaged" if cut else f"is not a PLY file{seen(data)}")
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


def table(data: bytes, header: Header, name: str, most: int) -> np.ndarray:
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

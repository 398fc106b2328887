"""`.headrig`: a head rig in one file, small enough to be sent.

    "HEADRIG1", then a gzip stream of: uint32 length of a JSON header, the header, the arrays in the header's order

Little endian. An array's values are scale * integer, column after column; the lowest bytes of all of them come
first, then the next.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from ..errors import BudgetError, RigFileError
from ..export.spz import from_smallest_three, smallest_three
from ..face.units import UNITS
from ..files import write_whole
from ..gaussians import Gaussians
from .head_rig import BALL_RIGHT, UNDER, HeadRig
from .layers import above, disc_normals, discs

MAGIC = b"HEADRIG1"
NOTE = "Synthetic: a head made of one photo by FaceLift, to be driven. Only for people who agreed."
MOST = {"gaussians": 2_000_000, "vertices": 60_000, "triangles": 120_000}
LARGEST_FILE, LARGEST_HEADER = 256 * 2**20, 2**20  # bytes
FIXED = {"rest": (len(UNITS),), "shut": (2,), "lips": (2,), "eyes": (2, 3), "axes": (3, 3), "pivot": (3,), "neck": (2,), "eye": (3,)}


@dataclass(frozen=True)
class Packing:
    """dtype: of the integers. step: what one counts; 0: whole numbers. count: of what there is one a row; width: a row's values."""

    dtype: str
    step: float
    count: str
    width: int


ARRAYS = {
    "means": Packing("<i2", 5e-5, "own", 3),
    "sh0": Packing("<i2", 4e-3, "gaussians", 3),
    "opacities": Packing("<i2", 0.04, "own", 1),
    "scales": Packing("<i2", 0.02, "own", 3),
    "quats": Packing("<u4", 0, "own", 1),
    "kind": Packing("u1", 0, "gaussians", 1),
    "bound": Packing("u1", 0, "gaussians", 1),
    "triangle": Packing("<u2", 0, "bound", 1),
    "barycentric": Packing("u1", 1 / 255, "bound", 2),
    "follow": Packing("u1", 1 / 255, "bound", 1),
    "recess": Packing("<i2", 1e-4, "gaussians", 1),
    "lift": Packing("<i2", 1e-4, "added", 1),
    "width": Packing("<i2", 1e-5, "added", 1),
    "ball": Packing("<i2", 5e-5, "balls", 3),
    "normal": Packing("<i2", 1e-4, "balls", 3),
    "triangles": Packing("<u2", 0, "triangles", 3),
    "vertex": Packing("<u2", 0, "vertices", 1),
    "vertices": Packing("<i2", 5e-5, "vertices", 3),
    "moves": Packing("<i2", 1e-4, "moves", 3),
}


def save_rig(rig: HeadRig, path: str | Path) -> Path:
    own, bound, balls = rig.own, rig.triangle >= 0, rig.kind[rig.own :] > UNDER + 1
    g = rig.gaussians.detach().to("cpu", torch.float32)
    added = g[own:]
    normal = disc_normals(added.quats[balls].numpy())
    values: dict[str, np.ndarray] = {
        "means": g.means[:own].numpy(), "sh0": g.sh0.numpy(), "opacities": g.opacities[:own].numpy(), "scales": g.scales[:own].numpy(),
        "quats": smallest_three(normalize(g.quats[:own], dim=1).numpy()), "kind": rig.kind, "bound": bound, "triangle": rig.triangle[bound],
        "barycentric": rig.barycentric[bound, :2], "follow": rig.follow[bound], "recess": rig.recess, "lift": rig.lift[own:],
        "width": added.scales[:, 0].exp().numpy(), "ball": added.means[balls].numpy(), "normal": normal, "triangles": rig.triangles,
        "vertex": rig.vertex, "vertices": rig.vertices, "moves": rig.moves.reshape(-1, 3),
    }  # fmt: skip
    header: dict[str, Any] = {"format": "headrig", "version": 1, "note": NOTE, "units": list(UNITS)}
    header |= {"gaussians": len(rig), "own": own, "vertices": len(rig.vertices), "triangles": len(rig.triangles)}
    header |= {name: np.asarray(getattr(rig, name)).tolist() for name in FIXED}
    body, header["arrays"] = [], []
    for name, packing in ARRAYS.items():
        integers = np.rint(values[name] / packing.step) if packing.step else values[name]
        low, high = np.iinfo(packing.dtype).min, np.iinfo(packing.dtype).max
        integers = np.clip(integers, low, high).astype(packing.dtype).reshape(-1, packing.width)
        shape, scale = list(integers.shape), packing.step or 1
        header["arrays"].append({"name": name, "dtype": packing.dtype, "shape": shape, "scale": scale})
        body.append(planes(integers))
    words = json.dumps(header).encode()
    data = MAGIC + gzip.compress(struct.pack("<I", len(words)) + words + b"".join(body), 9, mtime=0)
    write_whole(Path(path), lambda partial: partial.write_bytes(data))
    return Path(path)


def planes(integers: np.ndarray) -> bytes:
    """Column after column, low bytes first: like beside like, which compresses better."""
    size = integers.dtype.itemsize
    return np.ascontiguousarray(integers.T).view(np.uint8).reshape(-1, size).T.tobytes()


def from_planes(data: bytes, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    columns = np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(size, -1).T).view(dtype)
    return columns.reshape(shape[1], shape[0]).T


def load_rig(path: str | Path) -> HeadRig:
    """Raises RigFileError for a file that is none or damaged, BudgetError for one that is too large, and FileNotFoundError."""
    path = Path(path)
    if path.stat().st_size > LARGEST_FILE:
        raise BudgetError(f"{path.name} is too large for a head rig: at most {LARGEST_FILE // 2**20} MB are read.")
    try:
        return unpack(path.read_bytes())
    except (RigFileError, BudgetError) as error:
        raise type(error)(f"{path.name} {error}") from None


def unpack(data: bytes) -> HeadRig:
    if not data.startswith(MAGIC):
        raise RigFileError("is no head rig.")
    stream = zlib.decompressobj(wbits=31)
    try:
        start = stream.decompress(data[len(MAGIC) :], 4)
        length = struct.unpack("<I", start)[0] if len(start) == 4 else 0
        if not 0 < length <= LARGEST_HEADER:
            raise RigFileError("is cut short, or damaged.")
        words = stream.decompress(stream.unconsumed_tail, length)
        header = parse_header(words)
        counts = header["counts"]
        most = {**counts, "bound": counts["gaussians"], "balls": counts["added"]}
        size = sum(most[p.count] * p.width * np.dtype(p.dtype).itemsize for p in ARRAYS.values())
        body = stream.decompress(stream.unconsumed_tail, size + 1)
    except zlib.error:
        raise RigFileError("is damaged.") from None
    if not stream.eof:
        raise RigFileError("is cut short, or longer than its header says.")
    return build(header, body, counts)


def parse_header(words: bytes) -> dict[str, Any]:
    """The header, its counts checked under "counts"."""
    try:
        header = json.loads(words)
    except ValueError:
        raise RigFileError("is damaged: its header cannot be read.") from None
    if not isinstance(header, dict) or header.get("format") != "headrig" or header.get("version") != 1:
        raise RigFileError("is no head rig of version 1.")
    if header.get("units") != list(UNITS):
        raise RigFileError("has other units than the 52.")
    counts = {}
    for name, most in MOST.items():
        value = header.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RigFileError(f"is damaged: its header has no number of {name}.")
        if value > most:
            raise BudgetError(f"holds {value:,} {name}; at most {most:,} are read.")
        counts[name] = value
    own = header.get("own")
    if not isinstance(own, int) or isinstance(own, bool) or not 0 < own <= counts["gaussians"]:
        raise RigFileError("is damaged: its header does not say how many Gaussians are the head's.")
    counts |= {"own": own, "added": counts["gaussians"] - own, "moves": len(UNITS) * counts["vertices"]}
    for name, shape in FIXED.items():
        try:
            value = np.array(header.get(name), np.float64)
        except (TypeError, ValueError):
            value = np.empty(0)
        if value.shape != shape or not np.isfinite(value).all() or not (np.abs(value) < 1e6).all():
            raise RigFileError(f"is damaged: its header has no {name} of {math.prod(shape)} numbers.")
        header[name] = value
    return header | {"counts": counts}


def build(header: dict[str, Any], body: bytes, counts: dict[str, int]) -> HeadRig:
    found: dict[str, np.ndarray] = {}
    at = 0
    for name, packing in ARRAYS.items():
        shape = (counts[packing.count], packing.width)
        size = math.prod(shape) * np.dtype(packing.dtype).itemsize
        if at + size > len(body):
            raise RigFileError("is cut short.")
        integers = from_planes(body[at : at + size], packing.dtype, shape)
        found[name] = (integers * packing.step).astype(np.float32) if packing.step else integers
        at += size
        if name == "kind":
            counts["balls"] = int((integers[counts["own"] :] > UNDER + 1).sum())
        if name == "bound":
            counts["bound"] = int((integers > 0).sum())
    kind, bound, own = found["kind"][:, 0], found["bound"][:, 0] > 0, counts["own"]
    lips = header["lips"].astype(np.int32)
    vertices, triangles = counts["vertices"], counts["triangles"]
    limits = (found["triangle"], triangles), (found["triangles"], vertices), (kind, BALL_RIGHT + 1), (lips, vertices)
    loose = (kind[own:] > UNDER + 1) == bound[own:]  # eyeballs follow no triangle, everything else that was added does
    if any(indices.size and indices.max() >= count for indices, count in limits) or lips.min() < 0 or loose.any() or at != len(body):
        raise RigFileError("is damaged: something in it belongs to nothing.")
    n = counts["gaussians"]
    triangle = np.full(n, -1, np.int32)
    triangle[bound] = found["triangle"][:, 0]
    barycentric, follow, lift = np.zeros((n, 3), np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
    barycentric[bound, :2], follow[bound] = found["barycentric"], found["follow"][:, 0]
    barycentric[bound, 2] = 1 - found["barycentric"].sum(1)
    lift[own:] = found["lift"][:, 0]
    corners = found["triangles"].astype(np.int32)
    on_skin = bound[own:]
    means, normals = above(found["vertices"], corners[np.maximum(triangle[own:], 0)], barycentric[own:], lift[own:])
    means[~on_skin], normals[~on_skin] = found["ball"], found["normal"]
    shown = discs(means, normals, found["sh0"][own:], found["width"][:, 0])
    head = (found["means"], from_smallest_three(found["quats"][:, 0]), found["scales"], found["opacities"][:, 0], found["sh0"][:own])
    tensors = [torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in head]
    parts = shown.means, shown.quats, shown.scales, shown.opacities, shown.sh0
    numbers = {name: header[name].astype(np.float32) for name in FIXED if name != "lips"}
    return HeadRig(
        gaussians=Gaussians(*(torch.cat(pair) for pair in zip(tensors, parts, strict=True))),
        own=own, kind=kind.astype(np.uint8), triangle=triangle, barycentric=barycentric, lift=lift, follow=follow,
        recess=found["recess"][:, 0], triangles=corners, vertex=found["vertex"][:, 0].astype(np.int32), vertices=found["vertices"],
        moves=found["moves"].reshape(len(UNITS), -1, 3), lips=lips, **numbers,
    )  # fmt: skip

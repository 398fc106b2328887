"""The face's surface as glTF (.glb) with 52 morph targets under ARKit's names: an approximate mesh that other tools can drive."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..face.template import load_face_template
from ..face.units import UNITS
from ..files import write_whole
from .files import NOTE
from .head_rig import SKIN, UNDER, HeadRig

FLOAT, UINT, BYTE = 5126, 5125, 5121  # component types
VERTICES, INDICES = 34962, 34963  # buffer targets
NEIGHBOURS = 6


def save_gltf(rig: HeadRig, path: str | Path) -> Path:
    """Colours at the vertices are those of the Gaussians near them. glTF has y up and looks to +z; lengths stay world units."""
    binary, accessors, views = bytearray(), [], []

    def accessor(values: np.ndarray, component: int, form: str, target: int | None, bounds: bool = False) -> int:
        data = np.ascontiguousarray(values).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)}
        views.append(view | ({"target": target} if target else {}))
        binary.extend(data + b"\0" * (-len(data) % 4))
        entry: dict[str, Any] = {"bufferView": len(views) - 1, "componentType": component, "count": len(values), "type": form}
        if component == BYTE:
            entry["normalized"] = True
        if bounds:
            entry |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        accessors.append(entry)
        return len(accessors) - 1

    positions = upright(rig.vertices)
    attributes = {
        "POSITION": accessor(positions, FLOAT, "VEC3", VERTICES, True),
        "NORMAL": accessor(normals(positions, rig.triangles), FLOAT, "VEC3", VERTICES),
        "COLOR_0": accessor(colors(rig), BYTE, "VEC4", VERTICES),
    }
    indices = accessor(rig.triangles.astype(np.uint32).ravel(), UINT, "SCALAR", INDICES)
    targets = [{"POSITION": accessor(upright(move), FLOAT, "VEC3", None, True)} for move in rig.moves]
    mesh = {
        "name": "face",
        "primitives": [{"attributes": attributes, "indices": indices, "targets": targets, "material": 0}],
        "weights": [0.0] * len(UNITS),
        "extras": {"targetNames": list(UNITS), "photo": {unit: round(float(w), 4) for unit, w in zip(UNITS, rig.rest, strict=True)}},
    }
    document = {
        "asset": {"version": "2.0", "generator": "FaceLift", "extras": {"comment": NOTE}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "head"}],
        "meshes": [mesh],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}, "doubleSided": True}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    words = json.dumps(document, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 4)
    chunks = struct.pack("<I4s", len(words), b"JSON") + words + struct.pack("<I4s", len(binary), b"BIN\0") + bytes(binary)
    data = struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
    write_whole(Path(path), lambda partial: partial.write_bytes(data))
    return Path(path)


def upright(points: np.ndarray) -> np.ndarray:
    """From z up, facing -y, to y up, facing +z. Shape (n, 3)."""
    return np.stack([points[:, 0], points[:, 2], -points[:, 1]], 1).astype(np.float32)


def normals(positions: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (positions[triangles[:, i]] for i in range(3))
    total = np.zeros_like(positions)
    for i in range(3):
        np.add.at(total, triangles[:, i], np.cross(b - a, c - a))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-12, total / np.maximum(length, 1e-12), (0.0, 0.0, 1.0)).astype(np.float32)


def colors(rig: HeadRig) -> np.ndarray:
    """Linear RGBA of the vertices, as bytes: of skin from the head's own Gaussians, of teeth and tongue from the added ones."""
    part = np.searchsorted([load_face_template().body], rig.vertex, side="right")  # 0: body, 1: what is in the mouth
    means, rgb = rig.gaussians.means.numpy(), rig.gaussians.rgb.clamp(0, 1).numpy()
    sources = (rig.kind == SKIN) & (rig.triangle >= 0) & (rig.gaussians.opacities.numpy() > 0), rig.kind > UNDER
    found = np.zeros((len(rig.vertex), 3))
    for number, source in enumerate(sources):
        mine = part == number
        if mine.any() and source.any():
            near = cKDTree(means[source]).query(rig.vertices[mine], k=min(NEIGHBOURS, int(source.sum())))[1].reshape(mine.sum(), -1)
            found[mine] = rgb[source][near].mean(1)
    linear = np.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4)
    return np.concatenate([np.rint(linear * 255), np.full((len(linear), 1), 255)], 1).astype(np.uint8)

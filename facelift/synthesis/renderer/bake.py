"""Light that does not depend on the camera, once per head: shadow maps from many directions, looked up at every vertex and strand point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..exposure import automatic_exposure
from ..scene import Light, Mesh, Scene, Strands
from ..template import Template, neighbour_mean, unit
from .context import assign, source
from .ribbons import tangents

REACH = 0.28  # metres around the head that shadow maps cover
AMBIENT_SIDE, AMBIENT_TILE = 5, 320  # tiles a side of the atlas, pixels a side of a tile
FIRST_KEY, OTHER_KEY = 1024, 448  # pixels a side
THINNED, STRAND_TRIANGLES = 3, 10_000  # of so many strands one throws a shadow; fewer if that makes more triangles
DENSE, CELL = 1_500, 0.014  # triangles above which a mesh is made coarser for shadows, metres between what is left
CRISP = 0.003  # metres of penumbra below which the first key light's shadow is computed per fragment
SKY_THROUGH_LIPS = {"mouth": 0.18, "eye": 0.10}  # light that reaches wet things from their surroundings, share of the mean
BOUNCE = 0.7  # share of that light; the fit is for walls all around


@dataclass(frozen=True)
class Baked:
    """meshes, strands: Shape (V, 7) each in the scene's order: ambient irradiance, visibility of three key lights, open sky.

    exposure: Shape (3,). What makes the face of middle brightness and nearly white-balanced.
    key_matrix, key_blur: of the first key light's shadow map, for fragments.
    """

    meshes: list[np.ndarray]
    strands: list[np.ndarray]
    exposure: np.ndarray
    key_matrix: np.ndarray
    key_blur: float


class Baker:
    def __init__(self, context, programs, targets):
        self.context, self.programs, self.targets = context, programs, targets
        self.lookups: dict[int, object] = {}

    def bake(self, scene: Scene) -> Baked:
        light, template = scene.light, scene.surface.template
        center = scene.surface.head_center + [0, 0, -0.03]
        ambient, keys = (light_matrices(d, center) for d in (light.directions, light.key_directions[:3]))
        blurs = penumbras(light)
        crisp = len(keys) > 0 and blurs[0] < CRISP
        self.draw_shadows(scene, ambient, keys, crisp)
        baking_blurs = np.array([max(blurs[0], 0.004) if crisp else blurs[0], *blurs[1:]])
        lookup = self.prepare(light, ambient, keys, baking_blurs / (2 * REACH))
        places = [np.concatenate([m.vertices, m.normals], 1) for m in scene.meshes]
        meshes = [
            finish_surface(mesh, values, light, template, crisp)
            for mesh, values in zip(scene.meshes, self.run(lookup, places, strand=False), strict=True)
        ]
        places = [np.concatenate([s.points.reshape(-1, 3), tangents(s.points).reshape(-1, 3)], 1) for s in scene.strands]
        strands = self.run(lookup, places, strand=True)
        exposure = light.exposure * metered_exposure(scene, meshes)
        matrix = keys[0] if len(keys) else np.eye(4)
        return Baked(meshes, strands, exposure, matrix, blurs[0] / (2 * REACH) if crisp else 0.0)

    def draw_shadows(self, scene: Scene, ambient, keys, crisp: bool) -> None:
        vertices, coarse, fine = occluders(scene, crisp)
        buffer = self.context.buffer(vertices)
        indices = [self.context.buffer(i) for i in (coarse, fine)]
        arrays = [self.context.vertex_array(self.programs.depth, [(buffer, "3f", "position")], i) for i in indices]
        self.depth_map("ambient", AMBIENT_SIDE, AMBIENT_SIDE, AMBIENT_TILE, ambient, arrays[0])
        self.depth_map("first", 1, 1, FIRST_KEY if crisp else OTHER_KEY, keys[:1], arrays[1 if crisp else 0])
        self.depth_map("others", 2, 1, OTHER_KEY, keys[1:], arrays[0])
        for thing in (*arrays, *indices, buffer):
            thing.release()

    def depth_map(self, name: str, columns: int, rows: int, tile: int, matrices, occluder) -> None:
        framebuffer, texture = self.targets.shadows(name, columns * tile, rows * tile)
        framebuffer.use()
        framebuffer.clear(depth=1.0)
        self.context.enable_only(self.context.DEPTH_TEST)
        for i, matrix in enumerate(matrices):
            framebuffer.viewport = (i % columns * tile, i // columns * tile, tile, tile)
            assign(self.programs.depth, dict(to_clip=matrix.T))
            occluder.render()
        texture.use({"first": 2, "ambient": 3, "others": 4}[name])

    def prepare(self, light: Light, ambient, keys, blurs):
        count = len(ambient)
        if count > AMBIENT_SIDE**2:
            raise ValueError(f"{count} directions of ambient light, at most {AMBIENT_SIDE**2} fit")
        if count not in self.lookups:
            shader = source("bake.vert", DIRECTIONS=count, SIDE=AMBIENT_SIDE, AMBIENT_BIAS=0.001)
            self.lookups[count] = self.context.program(shader, varyings=["irradiance", "visibility"])
        lookup = self.lookups[count]
        matrices = np.zeros((3, 4, 4))
        matrices[: len(keys)] = keys.transpose(0, 2, 1)
        assign(
            lookup,
            dict(
                ambient_matrix=ambient.transpose(0, 2, 1),
                ambient_direction=light.directions,
                ambient_radiance=light.radiance,
                key_matrices=matrices,
                key_blurs=np.resize(np.r_[blurs, 0, 0, 0], 3),
                keys=len(keys),
                range=2 * REACH,
                first_key_depth=2,
                ambient_depth=3,
                other_key_depth=4,
            ),
        )
        return lookup

    def run(self, lookup, places: list[np.ndarray], strand: bool) -> list[np.ndarray]:
        """places: Shape (N, 6) each, position and direction. Returns Shape (N, 7) each."""
        if not places:
            return []
        everything = np.concatenate(places).astype(np.float32)
        given, taken = self.context.buffer(everything), self.context.buffer(reserve=max(1, len(everything)) * 28)
        array = self.context.vertex_array(lookup, [(given, "3f 3f", "position", "normal")])
        assign(lookup, dict(strand=strand))
        array.transform(taken, mode=self.context.POINTS)
        values = np.frombuffer(taken.read(), np.float32).reshape(-1, 7)[: len(everything)].copy()
        for thing in (array, given, taken):
            thing.release()
        return np.split(values, np.cumsum([len(p) for p in places])[:-1])


def light_matrices(directions: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Parallel projections along lights onto a cube of 2 REACH around the head. Shape (L, 4, 4)."""
    forward = -np.asarray(directions, float)
    right = unit(np.cross(forward, [0.13, 0.2, 1.0]))
    rotation = np.stack([right, np.cross(forward, right), forward], 1) / REACH
    matrices = np.tile(np.eye(4), (len(forward), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotation, -rotation @ center
    return matrices


def penumbras(light: Light) -> np.ndarray:
    """Width in metres of each key light's shadow edges, as if everything that throws one were 5 cm away. Shape (max(K, 1),)."""
    radii = np.asarray(light.key_radii)
    return (radii * 0.05).clip(0.0006, 0.008) if len(radii) else np.zeros(1)


def occluders(scene: Scene, crisp: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What throws shadows. Vertices Shape (N, 3); triangles, once coarse (ambient light needs no more), once all where `crisp`."""
    template = scene.surface.template
    vertices, coarse, fine, start = [], [], [np.zeros((1, 3), int)], 0
    for mesh in scene.meshes:
        if mesh.shadows and mesh.kind != "eye":  # eyes lie deeper than all they could shade
            vertices.append(mesh.vertices)
            whole_body = mesh.kind == "skin" and len(mesh.vertices) == template.body
            coarse.append((coarse_body(template, mesh.triangles) if whole_body else clustered(mesh)) + start)
            if crisp:
                fine.append(mesh.triangles + start)
            start += len(mesh.vertices)
    for strands in scene.strands:
        if strands.kind != "fine" and len(strands.points):
            points, triangles = thinned(strands)
            vertices.append(points)
            coarse.append(triangles + start)
            if crisp:
                fine.append(triangles + start)
            start += len(points)
    join = lambda parts: np.ascontiguousarray(np.concatenate(parts), np.int32)  # noqa: E731
    return np.ascontiguousarray(np.concatenate(vertices), np.float32), join(coarse), join(fine)


def clustered(mesh: Mesh) -> np.ndarray:
    """Triangles between one vertex of each cell of a grid, for dense meshes. Shape (T, 3)."""
    if len(mesh.triangles) < DENSE:
        return mesh.triangles
    cells = np.floor((mesh.vertices - mesh.vertices.min(0)) / CELL).astype(np.int64) @ [1, 1 << 10, 1 << 20]
    _, first, of = np.unique(cells, return_index=True, return_inverse=True)
    a, b, c = first[of[mesh.triangles]].T
    return np.stack([a, b, c], 1)[(a != b) & (b != c) & (c != a)]


def coarse_body(template: Template, kept: np.ndarray) -> np.ndarray:
    """The body before subdivision, as triangles between vertices after it, where some of the `kept` triangles touch it."""
    triangles = template.triangles["body"]
    quads = triangles[: len(triangles) // 2, 0].reshape(-1, 4)
    used = np.zeros(template.body, bool)
    used[kept] = True
    quads = quads[used[quads].any(1)]
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def thinned(strands: Strands) -> tuple[np.ndarray, np.ndarray]:
    """Fewer, wider ribbons with fewer points, turned at random: enough to throw shadows. Vertices and triangles."""
    points = strands.points
    if points.shape[1] > 8:
        last = [] if points.shape[1] % 2 else [points[:, -1:]]
        points = np.concatenate([points[:, ::2], *last], 1)
    stride = max(THINNED, 2 * points.shape[0] * (points.shape[1] - 1) // STRAND_TRIANGLES)
    points = points[::stride]
    count, k, _ = points.shape
    sideways = np.random.default_rng(1).normal(0, 1, (count, 1, 3))
    half = unit(np.cross(tangents(points), sideways)) * (strands.width * np.sqrt(stride) * 0.65)
    vertices = np.stack([points - half, points + half], 2).reshape(-1, 3).astype(np.float32)
    a = ((np.arange(count)[:, None] * k + np.arange(k - 1)) * 2).ravel()
    return vertices, np.stack([a, a + 1, a + 2, a + 1, a + 3, a + 2], 1).reshape(-1, 3)


def finish_surface(mesh: Mesh, values: np.ndarray, light: Light, template: Template, crisp: bool) -> np.ndarray:
    """Evens out what 24 small maps leave blotchy and adds light that bounced."""
    values = values.copy()
    start = 1 if crisp else 0  # the first key light's edges stay where they are: fragments look there
    columns = np.r_[0:3, 3 + start : 7]
    if mesh.kind in ("skin", "cloth") and len(mesh.vertices) > 500:
        mean = template.smooth if len(mesh.vertices) == template.body else neighbour_mean(mesh.triangles, len(mesh.vertices))
        even = values[:, columns]
        for _ in range(2 if mesh.kind == "skin" else 3):
            even = mean @ even
        values[:, columns] = even
    sky = light.radiance.mean(0)
    bounced: float | np.ndarray = SKY_THROUGH_LIPS.get(mesh.kind, 0.0)
    if mesh.kind == "mouth" and mesh.extra is not None:
        bounced = bounced + 0.12 * np.asarray(mesh.extra)[:, :1]
    values[:, :3] = values[:, :3].clip(0) * bounces(values[:, 6:], mesh.albedo) + (0.03 + bounced) * sky
    return values


def bounces(open_sky: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """How much brighter folds are than their open sky says, as light bounces between their sides. Shape (V, 3).

    After Jimenez et al., Practical Realtime Strategies for Accurate Indirect Occlusion, 2016.
    """
    v, c = open_sky.clip(0.05, 1), np.asarray(albedo).clip(0, 0.9)
    a, b, d = 2.0404 * c - 0.3324, -4.7951 * c + 0.6417, 2.7552 * c + 0.6903
    return 1 + BOUNCE * (np.maximum(v, ((v * a + b) * v + d) * v) / v - 1)


def metered_exposure(scene: Scene, meshes: list[np.ndarray]) -> np.ndarray:
    """Automatic exposure by the baked light on the face. Shape (3,)."""
    light, template = scene.light, scene.surface.template
    face = template.masks["face"] > 0.8
    for mesh, values in zip(scene.meshes, meshes, strict=True):
        if mesh.kind == "skin" and len(mesh.vertices) == template.body:
            total = values[face, :3].mean(0)
            for i, (direction, color) in enumerate(zip(light.key_directions[:3], light.key_colors, strict=False)):
                total = total + color * (values[face, 3 + i] * (mesh.normals[face] @ direction).clip(0)).mean()
            return automatic_exposure(total, np.asarray(mesh.albedo)[face].mean(0))
    return np.ones(3)

"""Light that does not depend on the camera, once per head: shadow maps from many directions, looked up at every vertex and strand point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..scene import Light, Mesh, Scene, Strands
from ..template import Template, neighbour_mean, unit
from .context import assign, source
from .ribbons import tangents

REACH = 0.28  # metres around the head that shadow maps cover
AMBIENT_SIDE, AMBIENT_TILE = 5, 192  # tiles a side of the atlas, pixels a side of a tile
FIRST_KEY, OTHER_KEY = 1024, 448  # pixels a side
THINNED = 3  # one strand in so many throws a shadow, and is that much wider
CRISP = 0.003  # metres of penumbra below which the first key light's shadow is computed per fragment
SKY_THROUGH_LIPS = {"mouth": 0.18, "eye": 0.10}  # light that reaches wet things from their surroundings, share of the mean
FACE_BRIGHTNESS = 0.92  # light on a face of middle colour, times its albedo is what a picture shows
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
MIDDLE_SKIN, METERING = 0.26, 0.3  # albedo; how far cameras go to show every skin equally bright, 0..1
WHITE_BALANCE = 0.75  # how far they go to make the light on a face white, 0..1


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
        ambient, keys = ([light_matrix(d, center) for d in ds] for ds in (light.directions, light.key_directions[:3]))
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
        exposure = light.exposure * automatic_exposure(scene, meshes)
        matrix = keys[0] if keys else np.eye(4)
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
            shader = source("bake.vert", DIRECTIONS=count, SIDE=AMBIENT_SIDE, AMBIENT_BIAS=0.0025)
            self.lookups[count] = self.context.program(shader, varyings=["irradiance", "visibility"])
        lookup = self.lookups[count]
        matrices = np.zeros((3, 4, 4))
        for i, matrix in enumerate(keys):
            matrices[i] = matrix.T
        assign(
            lookup,
            dict(
                ambient_matrix=np.stack([m.T for m in ambient]),
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


def light_matrix(direction: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Parallel projection along a light onto a cube of 2 REACH around the head. Shape (4, 4)."""
    forward = -np.asarray(direction)
    right = unit(np.cross(forward, [0.13, 0.2, 1.0]))
    rotation = np.stack([right, np.cross(forward, right), forward]) / REACH
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ center
    return matrix


def penumbras(light: Light) -> np.ndarray:
    """Width in metres of each key light's shadow edges, as if everything that throws one were 5 cm away. Shape (max(K, 1),)."""
    radii = np.full(len(light.key_directions), 0.05) if light.key_radii is None else np.asarray(light.key_radii)
    return (radii * 0.05).clip(0.0006, 0.008) if len(radii) else np.zeros(1)


def occluders(scene: Scene, crisp: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What throws shadows. Vertices Shape (N, 3); triangles, once with a coarse body (ambient light needs no more), once with all of it."""
    template = scene.surface.template
    vertices, coarse, fine, start = [], [], [], 0
    for mesh in scene.meshes:
        if mesh.shadows:
            vertices.append(mesh.vertices)
            whole_body = mesh.kind == "skin" and len(mesh.vertices) == template.body
            coarse.append((coarse_body(template) if whole_body else mesh.triangles) + start)
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
    join = lambda parts: np.ascontiguousarray(np.concatenate(parts), np.int32) if parts else np.zeros((1, 3), np.int32)  # noqa: E731
    return np.ascontiguousarray(np.concatenate(vertices), np.float32), join(coarse), join(fine)


def coarse_body(template: Template) -> np.ndarray:
    """The body before subdivision, as triangles between vertices after it, without its lower end."""
    triangles = template.triangles["body"]
    quads = triangles[: len(triangles) // 2, 0].reshape(-1, 4)
    coarse = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return coarse[template.rest[coarse][:, :, 2].min(1) > 0.36]


def thinned(strands: Strands) -> tuple[np.ndarray, np.ndarray]:
    """Fewer, wider ribbons with fewer points, turned at random: enough to throw shadows. Vertices and triangles."""
    points = strands.points[::THINNED]
    if points.shape[1] > 8:
        last = [] if points.shape[1] % 2 else [points[:, -1:]]
        points = np.concatenate([points[:, ::2], *last], 1)
    count, k, _ = points.shape
    sideways = np.random.default_rng(1).normal(0, 1, (count, 1, 3))
    half = unit(np.cross(tangents(points), sideways)) * (strands.width * np.sqrt(THINNED) * 0.65)
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
    bounced = SKY_THROUGH_LIPS.get(mesh.kind, 0.0)
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
    return np.maximum(v, ((v * a + b) * v + d) * v) / v


def automatic_exposure(scene: Scene, meshes: list[np.ndarray]) -> np.ndarray:
    """What a camera's automatic exposure and white balance make of the light on the face: a factor a channel. Shape (3,)."""
    light, template = scene.light, scene.surface.template
    face = template.masks["face"] > 0.8
    for mesh, values in zip(scene.meshes, meshes, strict=True):
        if mesh.kind == "skin" and len(mesh.vertices) == template.body:
            total = values[face, :3].mean(0)
            for i, (direction, color) in enumerate(zip(light.key_directions[:3], light.key_colors, strict=False)):
                total = total + color * (values[face, 3 + i] * (mesh.normals[face] @ direction).clip(0)).mean()
            total = total.clip(0.05)
            balance = (total.mean() / total) ** WHITE_BALANCE
            metered = (MIDDLE_SKIN / (np.asarray(mesh.albedo)[face] @ LUMINANCE).mean()) ** METERING
            return (FACE_BRIGHTNESS * metered / total.mean()).clip(0.15, 4) * balance
    return np.ones(3)

"""The renderer: one per process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cameras import Cameras
from ..light import harmonics
from ..scene import CLASSES, Light, Mesh, Scene, Views
from . import ribbons
from .bake import REACH, Baked, Baker
from .context import Programs, Targets, assign, create_context, noise_volume

if TYPE_CHECKING:
    from moderngl import Buffer, Texture, VertexArray

NEAR, FAR = 0.5, 6.0  # of the cameras' world
# of the kinds of meshes and strands, as numbers; brows and down count as the skin they grow from, glass as what is seen through it
CLASS_OF = {
    kind: CLASSES.index(name)
    for name, kinds in dict(skin=("skin", "eye", "mouth", "lash", "fine"), hair=("hair",), worn=("cloth", "solid", "lens")).items()
    for kind in kinds
}
ORDER = ("skin", "cloth", "solid", "mouth", "eye", "lash", "lens")
# what a mesh may set by Mesh.parameters, and what holds otherwise
PARAMETERS: dict[str, dict[str, Any]] = {
    "skin": dict(bump=1.0, freckles=0.0, age=0.0, spots=0.0, blotches=0.5, melanin=0.3, marks=0, moles=np.zeros((6, 4))),
    "eye": dict(iris=(0.06, 0.03, 0.015), iris_angle=24.0, pupil_angle=10.0),
    "mouth": {},
    "lash": dict(length=0.7),
    "cloth": dict(pattern=0, pattern_scale=60.0, second_color=(0.5, 0.5, 0.5), contrast=1.0, weave=0.3),
    "solid": dict(metal=0.0, weave=0.0),
    "lens": dict(opacity=0.05, reflectance=0.05, coating=(1.0, 1.0, 1.0)),
}
MESH_LAYOUT = (("position", 3), ("normal", 3), ("albedo", 3), ("rest", 3), ("irradiance", 3), ("visibility", 4), ("material", 4))


@dataclass
class Drawable:
    kind: str
    two_sided: bool
    array: VertexArray
    buffers: list[Buffer]
    uniforms: dict[str, Any]


class Renderer:
    """`load` a scene, then `render` it from any cameras. Raises NoContextError where there is no OpenGL."""

    def __init__(self):
        self.context = create_context()
        self.programs = Programs(self.context)
        self.targets = Targets(self.context)
        self.baker = Baker(self.context, self.programs, self.targets)
        volume = noise_volume()
        self.noise = self.context.texture3d(volume.shape[:3], 4, volume.tobytes())
        self.noise.use(0)
        self.surroundings = None
        self.screen = self.context.vertex_array(self.programs.resolve, [])
        self.meshes: list[Drawable] = []
        self.strands: list[ribbons.Ribbons] = []
        self._scene: Scene | None = None

    @property
    def scene(self) -> Scene:
        """What is loaded. Raises RuntimeError where nothing is."""
        if self._scene is None:
            raise RuntimeError("load a scene first")
        return self._scene

    def load(self, scene: Scene) -> None:
        """Bakes the light of a scene and keeps it on the GPU in place of the last one. Raises ValueError for what no shader takes."""
        for mesh in scene.meshes:
            check(mesh)
        with self.context:
            self.unload()
            self.upload(scene, self.baker.bake(scene))
        self._scene = scene

    def upload(self, scene: Scene, baked: Baked) -> None:
        self.share_light(scene.light, baked)
        self.meshes = [self.upload_mesh(mesh, values) for mesh, values in zip(scene.meshes, baked.meshes, strict=True)]
        self.meshes.sort(key=lambda drawable: ORDER.index(drawable.kind))
        for strands, values in zip(scene.strands, baked.strands, strict=True):
            if len(strands.points):
                center = scene.surface.head_center
                self.strands.append(ribbons.upload(self.context, self.programs.strand, strands, values, scene.light, center))

    def unload(self) -> None:
        for drawable in self.meshes:
            drawable.array.release()
            for buffer in drawable.buffers:
                buffer.release()
        for strands in self.strands:
            strands.release()
        self.meshes, self.strands, self._scene = [], [], None

    def share_light(self, light: Light, baked: Baked) -> None:
        environment = light.environment
        if environment is None:
            environment = np.broadcast_to(light.radiance.mean(0), (32, 64, 3))
        rows, columns, _ = environment.shape
        if self.surroundings is not None:
            self.surroundings.release()
        self.surroundings = self.context.texture((columns, rows), 3, np.ascontiguousarray(environment, np.float32), dtype="f4")
        self.surroundings.filter = (self.context.LINEAR, self.context.LINEAR)
        self.surroundings.repeat_y = False
        self.surroundings.use(1)
        count = min(len(light.key_directions), 3)
        directions, colors, focus, spread = np.zeros((3, 3)), np.zeros((3, 3)), np.full(3, 260.0), np.zeros(3)
        directions[:count], colors[:count] = light.key_directions[:3], light.key_colors[:3]
        spread[:count] = np.asarray(light.key_radii[:3]) ** 2 / 2
        focus[:count] = (3.0 / np.asarray(light.key_radii[:3]) ** 2).clip(60, 1500)  # a large light is a large highlight: a lobe as wide
        shared = dict(
            keys=count,
            key_direction=directions,
            key_color=colors,
            key_focus=focus,
            key_spread=spread,
            harmonics=harmonics(environment),
            exposure=baked.exposure,
            key_matrix=baked.key_matrix.T,
            key_blur=baked.key_blur,
            key_range=2 * REACH,
        )
        for program in self.programs.shaded:
            assign(program, shared)

    def upload_mesh(self, mesh: Mesh, baked: np.ndarray) -> Drawable:
        uniforms = {**PARAMETERS[mesh.kind], **mesh.parameters}
        program = self.programs.mesh[mesh.kind]
        buffer = self.context.buffer(mesh_data(mesh, baked))
        indices = self.context.buffer(np.ascontiguousarray(mesh.triangles, np.int32))
        layout = " ".join(f"{size}f" if name in program else f"{4 * size}x" for name, size in MESH_LAYOUT)
        used = [name for name, _ in MESH_LAYOUT if name in program]
        array = self.context.vertex_array(program, [(buffer, layout, *used)], indices)
        return Drawable(mesh.kind, mesh.two_sided, array, [buffer, indices], uniforms)

    def render(self, cameras: Cameras, supersample: int = 2, normals: bool = False, exact: bool = False, classes: bool = False) -> Views:
        """The loaded scene from every camera.

        supersample: samples a pixel and side. exact: draws every strand in every view; otherwise fewer and wider ones in small
        pictures and on the far side of the head, so that single strands differ between views. classes: tell what each pixel shows.
        """
        c2w, intrinsics = cameras.c2w.double().numpy(), cameras.intrinsics.double().numpy()
        size = (cameras.width, cameras.height)
        with self.context:
            views = [self.view(c2w[i], intrinsics[i], size, supersample, normals or classes, exact) for i in range(len(cameras))]
        rgba, depth, normal, class_ = zip(*views, strict=True)
        return Views(np.stack(rgba), np.stack(depth), np.stack(normal) if normals else None, np.stack(class_) if classes else None)

    def view(self, c2w: np.ndarray, intrinsics: np.ndarray, size: tuple[int, int], supersample: int, normals: bool, exact: bool):
        """As `Views`, of one camera: rgba, depth, normals and classes. c2w: Shape (4, 4). intrinsics: Shape (4,). size: width, height."""
        width, height = size[0] * supersample, size[1] * supersample
        framebuffer, textures = self.targets.pictures(width, height, depth_buffer=True)
        framebuffer.use()
        framebuffer.color_mask = written = ((True,) * 4, (True,) * 4, (normals,) * 4)
        framebuffer.clear(0, 0, 0, 0, depth=1.0)
        self.context.enable_only(self.context.DEPTH_TEST)
        model_to_camera = np.linalg.inv(c2w) @ self.scene.to_world
        eye = np.linalg.solve(self.scene.to_world, c2w[:, 3])[:3]
        to_clip = projection(intrinsics, size) @ model_to_camera
        shared = dict(to_clip=to_clip.T, depth_row=model_to_camera[2], eye=eye)
        for program in self.programs.shaded:
            assign(program, shared)
        self.draw_strands(eye, max(width, height), exact)
        for drawable in self.meshes:
            if drawable.kind == "lens":
                framebuffer.color_mask = ((True,) * 4, (False,) * 4, (False,) * 4)
                self.context.enable(self.context.BLEND)
                self.context.blend_func = self.context.ONE, self.context.ONE_MINUS_SRC_ALPHA
            assign(self.programs.mesh[drawable.kind], {**drawable.uniforms, "label": CLASS_OF[drawable.kind] / 255})
            self.draw_sides(drawable)
        framebuffer.color_mask = written
        return self.resolve(textures, size, supersample, normals)

    def draw_sides(self, drawable: Drawable) -> None:
        """First what faces the camera, which hides most of what does not, before that is shaded."""
        self.context.enable(self.context.CULL_FACE)
        for hidden in ("back", "front") if drawable.two_sided else ("back",):
            self.context.cull_face = hidden
            drawable.array.render()
        self.context.disable(self.context.CULL_FACE)

    def draw_strands(self, eye: np.ndarray, samples: int, exact: bool) -> None:
        """Nearest sectors first, so that what they hide costs little."""
        large = samples >= 1280 or exact
        share = 1.0 if large else 0.75 if samples >= 768 else 0.6
        toward = eye - self.scene.surface.head_center
        facing = np.cos(np.arange(ribbons.BINS) * 2 * math.pi / ribbons.BINS - math.atan2(toward[0], -toward[1]))
        program = self.programs.strand
        for strands in self.strands:
            starts = np.r_[0, np.cumsum(strands.counts)]
            whole = exact or strands.kind == "fine" or starts[-1] < 1500
            array, indices = (strands.half, strands.half_indices) if strands.half and not large else (strands.full, strands.full_indices)
            for i in np.argsort(-facing, kind="stable"):
                if strands.counts[i]:
                    kept = 1.0 if whole else share * (0.5 if facing[i] < -0.2 else 1.0)
                    shine, label = 0.4 if strands.kind == "fine" else 1.0, CLASS_OF[strands.kind] / 255
                    assign(program, dict(widen=kept**-0.6, shine=shine, label=label))
                    array.render(vertices=math.ceil(strands.counts[i] * kept) * indices, first=int(starts[i]) * indices)

    def resolve(self, textures: list[Texture], size: tuple[int, int], factor: int, normals: bool):
        """Samples to pixels. textures: as of `Targets.pictures`, `factor` times as large as `size`. Returns as `view`."""
        width, height = size
        framebuffer, results = self.targets.pictures(width, height, depth_buffer=False)
        framebuffer.use()
        self.context.enable_only(self.context.NOTHING)
        for i, texture in enumerate(textures):
            texture.use(5 + i)
        assign(self.programs.resolve, dict(colors=5, depths=6, normals=7, factor=factor, with_normals=normals))
        self.screen.render(self.context.TRIANGLES, vertices=3)

        def read(texture, channels: int, dtype) -> np.ndarray:
            return np.frombuffer(texture.read(), dtype).reshape(height, width, channels)[::-1]

        rgba, depth = read(results[0], 4, np.uint8), read(results[1], 1, np.float32)[..., 0]
        if not normals:
            return rgba, depth, None, None
        surface = read(results[2], 4, np.uint8)
        return rgba, depth, self.world_normals(surface[..., :3]), surface[..., 3]

    def world_normals(self, encoded: np.ndarray) -> np.ndarray:
        n = encoded.astype(np.float32) / 127.5 - 1
        rotation = self.scene.to_world[:3, :3] / np.cbrt(np.linalg.det(self.scene.to_world[:3, :3]))
        n = n @ rotation.T.astype(np.float32)
        return np.where(encoded.any(-1, keepdims=True), n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-6), 0)


def check(mesh: Mesh) -> None:
    if mesh.kind not in PARAMETERS:
        raise ValueError(f"no shader for meshes of kind {mesh.kind!r}; there are {', '.join(PARAMETERS)}")
    if unknown := set(mesh.parameters) - set(PARAMETERS[mesh.kind]):
        raise ValueError(f"{mesh.kind} takes no {', '.join(sorted(unknown))}; it takes {', '.join(PARAMETERS[mesh.kind]) or 'nothing'}")


def mesh_data(mesh: Mesh, baked: np.ndarray) -> np.ndarray:
    """Vertices in the order of MESH_LAYOUT. Shape (V, 23)."""
    data = np.zeros((len(mesh.vertices), 23), np.float32)
    data[:, 0:3], data[:, 3:6], data[:, 6:9], data[:, 9:12] = mesh.vertices, mesh.normals, mesh.albedo, mesh.rest
    data[:, 12:19] = baked
    data[:, 19], data[:, 20] = mesh.gloss, np.maximum(mesh.roughness, 0.05)
    if mesh.extra is not None:
        data[:, 21:23] = mesh.extra
    return data


def projection(intrinsics: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """OpenCV camera coordinates (x right, y down, z forward) to OpenGL's clip space. Shape (4, 4)."""
    fx, fy, cx, cy = intrinsics
    width, height = size
    a, b = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
    return np.array(
        [
            [2 * fx / width, 0, 2 * cx / width - 1, 0],
            [0, -2 * fy / height, 1 - 2 * cy / height, 0],
            [0, 0, a, b],
            [0, 0, 1, 0],
        ]
    )

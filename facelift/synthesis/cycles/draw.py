"""The Cycles renderer: the same interface as facelift.synthesis.renderer.Renderer. One per process, as Blender is."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

from ...arrays import to_pixels
from ...cameras import Cameras, six_views
from ..exposure import automatic_exposure, tone
from ..renderer.draw import FAR, PARAMETERS, check
from ..scene import Light, Scene, Views
from ..template import unit

SAMPLES = 64  # paths a pixel; what is left of the noise is removed by Open Image Denoise
METER, METER_SAMPLES = 64, 32  # size and samples of the picture that exposure is measured on
PASSES = ("Image", "Depth", "Normal")
LIGHT = ("DiffDir", "DiffInd")  # passes of what falls on surfaces, whatever their colour


class NoBlenderError(RuntimeError):
    """The package bpy is not there."""


def load_blender():
    """The module bpy. Raises NoBlenderError. Blender 4.5 was built for NumPy 1 and says so at length; nothing used here minds NumPy 2."""
    try:
        with silence():
            import bpy
    except ImportError as error:
        raise NoBlenderError(
            f"--renderer cycles needs Blender as a Python module: pip install --no-deps -r requirements-cycles.txt ({error})"
        ) from error
    return bpy


@contextmanager
def silence() -> Iterator[None]:
    """Keeps what Blender prints, from C++ as from Python, off the terminal."""
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as void, redirect_stdout(void), redirect_stderr(void):
        try:
            os.dup2(void.fileno(), 1)
            os.dup2(void.fileno(), 2)
            yield
        finally:
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


class CyclesRenderer:
    """`load` a scene, then `render` it from any cameras. Raises NoBlenderError where bpy is not installed.

    samples: paths a pixel. threads: 0 takes all processors, or one inside a worker process.
    """

    def __init__(self, samples: int = SAMPLES, threads: int = 0):
        self.bpy = load_blender()
        self.samples = samples
        self.threads = threads or (1 if multiprocessing.parent_process() else 0)
        self.exposure: np.ndarray | None = None

    def load(self, scene: Scene) -> None:
        """Builds the scene in place of the last one and meters the light on its face. Raises ValueError for unknown materials."""
        from . import geometry, materials

        for mesh in scene.meshes:
            check(mesh)
        self.empty()
        scale = float(np.cbrt(np.linalg.det(scene.to_world[:3, :3])))
        for mesh in scene.meshes:
            geometry.add_mesh(mesh, scene.to_world, materials.material(mesh, PARAMETERS[mesh.kind], scale))
        hair = materials.hair(scale)
        for strands in scene.strands:
            if len(strands.points):
                geometry.add_strands(strands, scene.to_world, hair)
        self.light(scene.light)
        self.exposure = scene.light.exposure * self.meter(scene)

    def empty(self) -> None:
        """A new Blender scene that renders by Cycles with nothing in it."""
        bpy = self.bpy
        with silence():
            bpy.ops.wm.read_factory_settings(use_empty=True)
            bpy.ops.preferences.addon_enable(module="cycles")
        scene = bpy.context.scene
        scene.render.engine = "CYCLES"
        scene.render.film_transparent = True
        scene.render.threads_mode = "FIXED" if self.threads else "AUTO"
        if self.threads:
            scene.render.threads = self.threads
        scene.render.use_persistent_data = True  # the same geometry for all views
        cycles = scene.cycles
        cycles.device, cycles.seed, cycles.use_adaptive_sampling = "CPU", 0, False
        cycles.max_bounces, cycles.transparent_max_bounces = 8, 16
        cycles.sample_clamp_indirect = 4.0
        scene.cycles_curves.shape = "RIBBONS"
        layer = scene.view_layers[0]
        layer.use_pass_z = layer.use_pass_normal = layer.use_pass_diffuse_direct = layer.use_pass_diffuse_indirect = True
        camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        bpy.context.collection.objects.link(camera)
        scene.camera = camera

    def light(self, light: Light) -> None:
        """Surroundings as the world's texture, key lights as suns as wide as they are."""
        from .nodes import Graph, Value

        bpy = self.bpy
        environment = light.environment
        if environment is None:
            environment = np.broadcast_to(light.radiance.mean(0), (32, 64, 3))
        world = bpy.data.worlds.new("surroundings")
        bpy.context.scene.world = world
        g = Graph(world)
        picture = np.concatenate([environment[::-1, ::-1], np.ones((*environment.shape[:2], 1))], 2)  # Blender counts up and clockwise
        node = g.make("ShaderNodeTexEnvironment", image=image_of(bpy, picture))
        g.output(g.shader("ShaderNodeBackground", Color=Value(g, node.outputs["Color"])), "ShaderNodeOutputWorld")
        for direction, color, radius in zip(light.key_directions[:3], light.key_colors, light.key_radii, strict=False):
            lamp = bpy.data.lights.new("key", "SUN")
            strongest = float(np.max(color))
            lamp.color, lamp.energy, lamp.angle = (np.asarray(color) / strongest).tolist(), np.pi * strongest, 2 * float(radius)
            thing = bpy.data.objects.new("key", lamp)
            thing.matrix_world = shining_from(np.asarray(direction, float))
            bpy.context.collection.objects.link(thing)

    def meter(self, scene: Scene) -> np.ndarray:
        """Automatic exposure by the light that a small picture from the front finds on the face. Shape (3,)."""
        template, body = scene.surface.template, next((m for m in scene.meshes if m.kind == "skin"), None)
        if body is None or len(body.vertices) != template.body:
            return np.ones(3)
        cameras = six_views(METER)[0]
        direct, indirect, depth = (p[..., :3] for p in self.passes(cameras, 0, METER_SAMPLES, False, (*LIGHT, "Depth")))
        face = template.masks["face"] > 0.8
        points = body.vertices[face] @ scene.to_world[:3, :3].T + scene.to_world[:3, 3]
        *pixel, z = to_pixels(points, cameras.viewmats[0].double().numpy(), cameras.intrinsics[0].double().numpy())
        column, row = (np.floor(v).astype(int).clip(0, METER - 1) for v in pixel)
        seen = np.abs(depth[row, column, 0] - z) < 0.03
        if not seen.any():
            return np.ones(3)
        return automatic_exposure((direct + indirect)[row, column][seen].mean(0), np.asarray(body.albedo)[face].mean(0))

    def render(self, cameras: Cameras, supersample: int = 2, normals: bool = False, exact: bool = False, classes: bool = False) -> Views:
        """The loaded scene from every camera. supersample, exact: of the other renderer; samples and all strands stand for them here.

        Raises ValueError for classes: only the other renderer tells them.
        """
        if classes:
            raise ValueError("cycles tells no classes")
        if self.exposure is None:
            raise RuntimeError("load a scene first")
        rgba, depths, normal = [], [], []
        for i in range(len(cameras)):
            radiance, depth, n = self.passes(cameras, i, self.samples, True, PASSES)
            depth, n = depth[..., 0], n[..., :3]
            alpha = radiance[..., 3:].clip(0, 1)
            straight = np.where(alpha > 0.002, radiance[..., :3] / np.maximum(alpha, 1e-6), 0).clip(0)
            picture = np.round(np.concatenate([tone(straight * self.exposure), alpha], 2) * 255).astype(np.uint8)
            picture[picture[..., 3] == 0] = 0
            there = (picture[..., 3] > 0) & (depth < FAR)
            rgba.append(picture)
            depths.append(np.where(there, depth, 0).astype(np.float32))
            length = np.linalg.norm(n, axis=2, keepdims=True)
            normal.append(np.where(there[..., None] & (length > 1e-3), n / np.maximum(length, 1e-6), 0).astype(np.float32))
        return Views(np.stack(rgba), np.stack(depths), np.stack(normal) if normals else None)

    def passes(self, cameras: Cameras, index: int, samples: int, denoise: bool, names: tuple[str, ...]) -> list[np.ndarray]:
        """What Cycles finds in one view, Shape (H, W, 4) each. Image: premultiplied radiance; Normal: in the world."""
        bpy, scene = self.bpy, self.bpy.context.scene
        aim(scene, cameras, index)
        scene.cycles.samples, scene.cycles.use_denoising = samples, denoise
        with tempfile.TemporaryDirectory() as folder:
            keep_passes(scene, Path(folder), names)
            with silence():
                bpy.ops.render.render(write_still=False)
            return [read_pass(bpy, Path(folder), name) for name in names]


def aim(scene, cameras: Cameras, index: int) -> None:
    """Puts the Blender camera where the OpenCV one is, with its focal lengths and principal point."""
    fx, fy, cx, cy = cameras.intrinsics[index].double().tolist()
    width, height = cameras.width, cameras.height
    render, camera = scene.render, scene.camera.data
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = max(1.0, fy / fx), max(1.0, fx / fy)
    camera.sensor_fit, camera.lens = "HORIZONTAL", fx * camera.sensor_width / width
    camera.shift_x, camera.shift_y = (width / 2 - cx) / width, (cy - height / 2) / width * fx / fy
    camera.clip_start, camera.clip_end = 0.05, 100.0
    scene.camera.matrix_world = columns(cameras.c2w[index].double().numpy() @ np.diag([1.0, -1, -1, 1]))


def columns(matrix: np.ndarray) -> list[list[float]]:
    """As Blender takes a matrix from plain numbers."""
    return matrix.T.tolist()


def shining_from(direction: np.ndarray) -> list[list[float]]:
    """Where to put a lamp so that it shines from there: lamps shine along their -z."""
    side = unit(np.cross([0.13, 0.2, 1.0], direction))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([side, np.cross(direction, side), direction], 1)
    return columns(matrix)


def keep_passes(scene, folder: Path, names: tuple[str, ...]) -> None:
    """Lets the compositor write each pass as 32-bit floats."""
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    output.base_path = str(folder)
    output.format.file_format, output.format.color_depth, output.format.color_mode = "OPEN_EXR", "32", "RGBA"
    output.file_slots.clear()
    for name in names:
        output.file_slots.new(name)
        tree.links.new(layers.outputs[name], output.inputs[name])


def read_pass(bpy, folder: Path, name: str) -> np.ndarray:
    """Shape (H, W, 4), rows from the top down."""
    (path,) = folder.glob(f"{name}*.exr")
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


def image_of(bpy, pixels: np.ndarray):
    height, width, _ = pixels.shape
    image = bpy.data.images.new("surroundings", width, height, alpha=True, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(np.ascontiguousarray(pixels, np.float32).ravel())
    return image

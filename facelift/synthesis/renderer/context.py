"""The OpenGL context of a process, its programs, uniforms and picture buffers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SHADERS = Path(__file__).parents[1] / "shaders"
MESH_KINDS = ("skin", "eye", "mouth", "lash", "cloth", "solid", "lens")
FLOATS = {0x1406, 0x8B50, 0x8B51, 0x8B52, 0x8B5A, 0x8B5B, 0x8B5C}  # GL's names of float, its vectors and square matrices


class NoContextError(RuntimeError):
    """This machine offers no OpenGL 3.3 without a window."""


def create_context():
    """Raises NoContextError. Set LP_NUM_THREADS=0 before to keep Mesa's software renderer on the calling thread."""
    try:
        import moderngl
    except ImportError as error:
        raise NoContextError(f"synthetic heads need the packages moderngl and glcontext ({error})") from error
    reasons = []
    attempts: tuple[dict[str, Any], ...] = ({"backend": "egl"}, {})
    for settings in attempts:
        try:
            context = moderngl.create_context(standalone=True, require=330, **settings)
        except Exception as error:  # glcontext and drivers raise whatever they like
            reasons.append(str(error))
        else:
            context.enable_only(moderngl.DEPTH_TEST)
            return context
    raise NoContextError(f"no OpenGL 3.3 without a window; on Debian install libegl1 and libgl1-mesa-dri ({'; '.join(reasons)})")


def source(*names: str, **defines: object) -> str:
    """A shader put together from files, with constants defined on top."""
    constants = "".join(f"#define {name} {value}\n" for name, value in defines.items())
    return "#version 330\n" + constants + "".join((SHADERS / f"{name}.glsl").read_text() for name in names)


class Programs:
    """mesh: one program per kind. The noise volume, the surroundings and the first key light's depth are textures 0, 1 and 2."""

    def __init__(self, context):
        vertex = source("mesh.vert")
        self.mesh = {kind: context.program(vertex, source("common", "mesh", f"{kind}.frag")) for kind in MESH_KINDS}
        self.strand = context.program(source("common", "strand.vert"), source("strand.frag"))
        self.depth = context.program(source("depth.vert"), source("depth.frag"))
        self.resolve = context.program(source("screen.vert"), source("resolve.frag"))
        for program in self.mesh.values():
            assign(program, dict(noise=0, surroundings=1, key_depth=2))

    @property
    def shaded(self) -> tuple:
        return (*self.mesh.values(), self.strand)


def assign(program, values: Mapping[str, Any]) -> None:
    """Sets uniforms by name. Those that the driver found unused are passed over, arrays that it shortened are cut."""
    for name, value in values.items():
        uniform = program.get(name, None)
        if uniform is None:
            continue
        if uniform.gl_type in FLOATS:
            data = np.ascontiguousarray(value, np.float32).ravel()
            uniform.write(data[: uniform.dimension * uniform.array_length].tobytes())
        else:
            uniform.value = int(value)


def noise_volume(size: int = 48, seed: int = 7) -> np.ndarray:
    """Four channels of cloudy noise that tiles, mean 0.5. Shape (size, size, size, 4), uint8."""
    rng = np.random.default_rng(seed)
    f = np.fft.fftfreq(size) * size
    k = np.sqrt(f[:, None, None] ** 2 + f[None, :, None] ** 2 + f[None, None] ** 2)
    amplitude = np.where((k > 1) & (k < size / 2.2), 1 / np.maximum(k, 1) ** 1.6, 0)
    channels = [np.fft.ifftn(np.fft.fftn(rng.normal(0, 1, (size,) * 3)) * amplitude).real for _ in range(4)]
    noise = np.stack([0.5 + 0.19 * c / c.std() for c in channels], -1)
    return (noise.clip(0, 1) * 255).astype(np.uint8)


class Targets:
    """Picture buffers by size, made when first needed and kept."""

    def __init__(self, context):
        self.context = context
        self.kept: dict = {}

    def pictures(self, width: int, height: int, depth_buffer: bool):
        """Framebuffer and its textures: colour, depth, normal."""
        key = (width, height, depth_buffer)
        if key not in self.kept:
            size = (width, height)
            textures = [self.context.texture(size, 4), self.context.texture(size, 1, dtype="f4"), self.context.texture(size, 4)]
            for texture in textures:
                texture.filter = (self.context.NEAREST, self.context.NEAREST)
            buffer = self.context.depth_renderbuffer(size) if depth_buffer else None
            self.kept[key] = (self.context.framebuffer(textures, buffer), textures)
        return self.kept[key]

    def shadows(self, name: str, width: int, height: int):
        """Framebuffer and its depth texture."""
        key = (name, width, height)
        if key not in self.kept:
            texture = self.context.depth_texture((width, height))
            texture.compare_func = ""
            texture.filter = (self.context.NEAREST, self.context.NEAREST)
            self.kept[key] = (self.context.framebuffer([], texture), texture)
        return self.kept[key]

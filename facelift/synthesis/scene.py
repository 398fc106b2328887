"""What the parts of the generator hand to each other. Model space: metres, z up, the face looks to -y, x to the subject's left.

identity, expression, pose -> Surface -> hair, clothes, skin ... -> Scene -> renderer -> Views. A renderer sees nothing but the Scene.
Colours are linear RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .template import Template

CLASSES = ("background", "skin", "hair", "worn")  # worn: clothes, hats, glasses, jewellery


@dataclass(frozen=True)
class Surface:
    """The body after identity, expression and pose: what hair grows on, clothes lie on and glasses rest on.

    vertices, normals: Shape (S, 3). All parts in template order; the first `template.body` are the body.
    eye_centers: Shape (2, 3), left then right. eye_radii: Shape (2,).
    head_center: Shape (3,). Middle of the skull behind the eyes. head_rotation: Shape (3, 3). Columns: left, back, up of the posed head.
    eye_pitch: degrees that the eyes are turned up so that a straight gaze stands in the middle of the lids.
    """

    template: Template
    vertices: np.ndarray
    normals: np.ndarray
    eye_centers: np.ndarray
    eye_radii: np.ndarray
    head_center: np.ndarray
    head_rotation: np.ndarray
    eye_pitch: float = 0.0

    @property
    def body(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and normals of the body alone, each Shape (B, 3)."""
        return self.vertices[: self.template.body], self.normals[: self.template.body]

    @property
    def left(self) -> np.ndarray:
        return self.head_rotation[:, 0]

    @property
    def back(self) -> np.ndarray:
        return self.head_rotation[:, 1]

    @property
    def up(self) -> np.ndarray:
        return self.head_rotation[:, 2]


@dataclass(frozen=True)
class Mesh:
    """Triangles of one material.

    kind: the shader: "skin", "eye", "mouth" (teeth, tongue), "lash", "cloth" (woven, patterned), "solid" (glasses, jewellery, straw:
    gloss and roughness do the rest), "lens" (see-through, reflecting).
    vertices, normals, albedo: Shape (V, 3). rest: Shape (V, 3). Coordinates for noise and patterns, which do not move with the pose.
    gloss, roughness: Shape (V,) or a number. extra: Shape (V, 2) or None. Two more values a shader may want (skin: stubble, face mask).
    parameters: whatever the kind's shader takes beyond that, by name (cloth: pattern, pattern_scale, second_color ...).
    shadows: whether it throws shadows. two_sided: seen from behind too.
    """

    kind: str
    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray
    albedo: np.ndarray
    rest: np.ndarray
    gloss: np.ndarray | float = 0.3
    roughness: np.ndarray | float = 1.0
    extra: np.ndarray | None = None
    parameters: dict = field(default_factory=dict)
    shadows: bool = True
    two_sided: bool = True


class Strands(NamedTuple):
    """N hairs of K points from root to tip.

    points: Shape (N, K, 3). color: Shape (N, 3). width: metres at the root. kind: "hair", or "fine" for brows and down, which throw no
    shadow and are never thinned out. tips: Shape (N, 3). Colour at the tip, blended evenly along the points from `color`; None: the same.
    """

    points: np.ndarray
    color: np.ndarray
    width: float
    kind: str = "hair"
    tips: np.ndarray | None = None


@dataclass(frozen=True)
class Light:
    """D directions of ambient light and up to three key lights; directions point to the light.

    directions, radiance: Shape (D, 3). key_directions, key_colors: Shape (K, 3).
    key_radii: Shape (K,). Half the angle each key light fills, radians: how soft its shadows are.
    exposure: a factor on the automatic one.
    environment: Shape (32, 64, 3) or None. The ambient light in detail, for reflections (light.py: ENVIRONMENT); None: evenly grey.
    """

    mode: str
    directions: np.ndarray
    radiance: np.ndarray
    key_directions: np.ndarray
    key_colors: np.ndarray
    key_radii: np.ndarray
    exposure: float = 1.0
    environment: np.ndarray | None = None


@dataclass(frozen=True)
class Scene:
    """One head, ready to be seen.

    to_world: Shape (4, 4). Similarity from model space to the cameras' world. meta: every parameter drawn.
    """

    surface: Surface
    meshes: tuple[Mesh, ...]
    strands: tuple[Strands, ...]
    light: Light
    to_world: np.ndarray
    meta: dict


@dataclass(frozen=True)
class Views:
    """V pictures of one head.

    rgba: uint8, Shape (V, H, W, 4). sRGB, straight alpha. depth: float32, Shape (V, H, W). Along the camera's z axis, in the units of
    the cameras' world; 0 where nothing is; the nearest of a pixel's samples; lenses are looked through.
    normals: float32, Shape (V, H, W, 3) or None. Unit, in the cameras' world; 0 where nothing is.
    classes: uint8, Shape (V, H, W) or None. Index into `CLASSES` of what the nearest sample shows.
    """

    rgba: np.ndarray
    depth: np.ndarray
    normals: np.ndarray | None
    classes: np.ndarray | None = None
